"""Zones that are compiled when an image is built (kiln-embed-zones), or read from a disk: what
an appliance then has, and what is told of mistakes."""

import os
import subprocess
import time

from appliances import Appliance, kiln
from harness import KILN, ROOT, check, check_equal, run

MAKER = os.path.join(os.path.dirname(KILN), "kiln-embed-zones")
APEX = "$TTL 60\n@ SOA ns root 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"
SOURCE = r"""
#include <kiln/dns_disk.h>
KILN_EMBED_ZONES(zones, "zones");
KILN_BLOCK_OPTIONAL(disk0, "an archive of more zones");

static void show(struct kiln *k, struct slice compiled)
{
	struct dns_zone zone;

	if (!dns_zone_open(&zone, compiled))
		kiln_fail(k, "test", "no zone");
	kiln_printf(k, "%.*s: %u records\n", SLICE_ARG(slice_skip(zone.apex, 1)),
	            dns_zone_records(&zone));
}

int appliance(struct kiln *k)
{
	struct block *block = block_find(k, &disk0);
	struct slice compiled;

	for (size_t i = 0; i < zones.count; i++)
		show(k, zones.files[i].content);
	if (!block)
		return 0;
	struct dns_disk *disk = dns_disk_open(k, block);
	kiln_printf(k, "%u zones on the disk\n", disk->zones);
	while (dns_disk_next(disk, &compiled))
		show(k, compiled);
	return !dns_disk_close(disk);
}
"""


def appliance(**files):
    return Appliance(main_dot_c=SOURCE, zones__example_dot_zone=APEX, **files)


def archive(a, name, **files):
    """A disk with an archive of these files."""
    for path, text in files.items():
        a.write(f"{name}/{path.replace('__', '/').replace('_dot_', '.')}", text)
    path = os.path.join(a.top, f"{name}.tar")
    run("tar", "-C", os.path.join(a.folder, name), "-cf", path, ".")
    return path


def records(text):
    """What the appliance printed: its names are bytes with a 0 behind them."""
    return [line.replace("\0", "").replace("\4", ".") for line in text.splitlines()]


def test_embed(_):
    """each NAME.zone is embedded, compiled, other files are what they include"""
    with appliance(zones__root_dot_zone="$INCLUDE hosts/com\n" + APEX,
                   zones__hosts__com="com 60 NS ns.com\n", zones__README="text") as a:
        a.build(target="host")
        check_equal(records(kiln("run", a.image)), ["example: 3 records", ": 4 records"], "zones")
        a.build(target="jail")
        check_equal(records(kiln("run", a.image)), ["example: 3 records", ": 4 records"], "zones")
        check("zones, as kiln-embed-zones made it" in kiln("info", a.image), "kiln info")
        check("warning" not in a.build("--zones", ""), "none is what was meant")
        check_equal(kiln("run", a.image), "", "without zones")


def test_mistakes(_):
    """a zone with a mistake does not build; file, line, owner and reason are told"""
    with appliance() as a:
        zone = os.path.join(a.folder, "zones/example.zone")
        for text, says in [
                (APEX + "www A 10.1\n",
                 f"{a.folder}/zones/example.zone:5: www.example A: bad dotted quad near '10.1'\n"),
                (APEX + "$INCLUDE part\n", "example.zone:5: No such file or directory near 'part'"),
                (APEX + "$INCLUDE ../main.c\n", "it is not in the zone's folder near '../main.c'"),
                (APEX + "$INCLUDE /etc/passwd\n", "it is not in the zone's folder"),
                (APEX + "www CNAME ns\nwww A 192.0.2.1\n",
                 "example.zone:5: www.example CNAME: CNAME and other data"),
                ("@ 60 NS ns\n", "example: no SOA at the zone's own name")]:
            with open(zone, "w") as file:
                file.write(text)
            told = a.build(target="host", status=1)
            check(says in told, f"no '{says}' in: {told}")
            check("kiln-embed-zones says why above" in told, told)
        os.rename(zone, zone + ".old")
        told = a.build(target="host", status=1)
        check("example.com.zone is the file of example.com" in told, told)
        for name in ("a.zone", "A.zone"):
            a.write(f"zones/{name}", APEX)
        check("are the same zone" in a.build(target="host", status=1), "one zone twice")


def signature(days):
    """An RRSIG that expires in so many days."""
    until = time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + days * 86400))
    return f"ns RRSIG A 13 2 60 {until} 20200101000000 1 example. AAAA\n"


def test_doubts(_):
    """what is likely not meant is warned of, each once for a zone, and does not stop the build"""
    unread = "zones/db.example: not read: it is no NAME.zone, and no zone includes it"
    foreign = "nobody asks for this name: one that is not ASCII begins with xn--"
    with appliance(zones__part="", zones__sub__deep="") as a:
        where = f"warning: {a.folder}/zones/example.zone:6: "
        for text, says in [
                ("www MX 10 mail\n", f"{where}www.example MX: the target has no address"),
                ("b\u00fccher A 192.0.2.1\n" * 2,
                 f"{where}b\\195\\188cher.example A: {foreign}\n"),
                (signature(-1), f"{where}ns.example RRSIG: a signature has expired\n"),
                (signature(6), f"{where}ns.example RRSIG: a signature expires in a week"),
                ("", f"warning: {a.folder}/{unread}\n")]:
            a.write("zones/example.zone", APEX + "$INCLUDE part\n" + text)
            a.write("zones/part", f"; {len(text)}\n")
            if not text:
                a.write("zones/db.example", APEX)
            told = a.build(target="host")
            check_equal(told.count("warning:"), 1, f"warnings in: {told}")
            check(says in told, f"no '{says}' in: {told}")
        os.unlink(os.path.join(a.folder, "zones/db.example"))
        missing = ": a dot is likely missing behind a name: that of the zone is added to it\n"
        os.unlink(os.path.join(a.folder, "zones/example.zone"))
        for name, text, says in [
                ("a.example", "www.A.example A 192.0.2.1\n" * 2, "www.A.example.a.example A"),
                ("a.example", "www CNAME a.example\n", "www.a.example CNAME"),
                ("a.example", "example A 192.0.2.1\nwww CNAME a.example.\n", None),
                ("a", "a A 192.0.2.1\n", None),
                ("2.0.192.in-addr.arpa", "1 PTR a.example\n", "1.2.0.192.in-addr.arpa PTR"),
                ("2.0.192.in-addr.arpa", "1 PTR a.example.\n2 CNAME 2.0\n", None)]:
            a.write(f"zones/{name}.zone", APEX + "$INCLUDE part\n" + text)
            told = a.build(target="host")
            check_equal(told.count("warning:"), 1 if says else 0, f"warnings in: {told}")
            check(not says or f"{a.folder}/zones/{name}.zone:6: {says}{missing}" in told,
                  f"no '{says}' in: {told}")
            os.unlink(os.path.join(a.folder, f"zones/{name}.zone"))
        a.write("zones/example.zone", APEX + "$INCLUDE part\n" + signature(30))
        check("warning:" not in a.build(target="host"), "a good zone")


def test_usage(_):
    """kiln-embed-zones alone says what it is for, and why it cannot read or write"""
    def fails(status, says, *arguments):
        done = subprocess.run([MAKER, *arguments], capture_output=True, text=True, timeout=20)
        check_equal(done.returncode, status, "status")
        check(says in done.stderr, f"no '{says}' in: {done.stderr}")

    with appliance() as a:
        fails(2, "usage: kiln-embed-zones FOLDER OUT")
        fails(1, "cannot read nowhere: No such file", "nowhere", a.top)
        fails(1, "cannot write nowhere/example.zone", f"{a.folder}/zones", "nowhere")


def test_disk(_):
    """zones from an archive on a disk, which need not be there, on host and jail"""
    with appliance() as a:
        more = archive(a, "more", a_dot_test_dot_zone=APEX + "$INCLUDE sub/hosts\n",
                       sub__hosts="www A 192.0.2.2\n", b_dot_test_dot_zone=APEX)
        for target in ("host", "jail"):
            a.build(target=target)
            check_equal(records(kiln("run", a.image)), ["example: 3 records"], "without a disk")
            found = records(kiln("run", a.image, "--disk", more))
            check_equal(sorted(found), ["2 zones on the disk", "a.test: 4 records",
                                        "b.test: 3 records", "example: 3 records"], target)
        check("(may be left out)" in kiln("info", a.image), "kiln info says so")


def test_disk_mistakes(_):
    """a disk without an archive, a zone with a mistake, and too little memory end the image"""
    with appliance() as a:
        a.build()
        bad = archive(a, "bad", example_dot_zone=APEX + "www A 10.1\n")
        told = kiln("run", a.image, "--disk", bad, status=1)
        check("example.zone:5: www.example A: bad dotted quad near '10.1'" in told, told)
        with open(bad, "r+b") as file:
            file.write(b"x")
        told = kiln("run", a.image, "--disk", bad, status=1)
        check("holds no tar archive" in told, told)
        deep = archive(a, "deep", zones__example_dot_zone=APEX)
        told = kiln("run", a.image, "--disk", deep, status=1)
        check("has no zone: NAME.zone has to be at its top" in told, told)
        large = archive(a, "large", example_dot_zone=APEX, text="x" * 3000000)
        told = kiln("run", a.image, "-m", "2M", "--disk", large, status=1)
        check("give the image more with -m" in told, told)


def test_parameters(_):
    """a mistake in a list ends appliance/dns, with what is wrong and without a secret"""
    key, other = "a.key:c2VjcmV0IG9mIGEga2V5", "A.KEY:YW5vdGhlciBzZWNyZXQ="
    form = "is not hmac-sha1, -sha256, -sha384 or -sha512, a name, and a secret in base64"
    with appliance() as a:
        image = os.path.join(a.top, "dns.jail")
        kiln("build", os.path.join(ROOT, "appliance/dns"), "-t", "jail", "-o", image)
        for option, value, says in [
                ("keys", f"hmac-md5:{key}", f"'hmac-md5:a.key:' {form}"),
                ("keys", "a.key:secret!", f"'a.key:' {form}"),
                ("keys", "c2VjcmV0", f"'' {form}"),
                ("keys", f"{key},{other}", "'A.KEY:' has the name of another key"),
                ("transfer", "192.0.2.0/33", "'192.0.2.0/33' is no network, address, key:NAME"),
                ("transfer", "key:b.key", "'key:b.key' names a key that is not known"),
                ("notify", "ns.example", "'ns.example' has no address, such as 192.0.2.1"),
                ("notify", "192.0.2.1/b.key", "'192.0.2.1/b.key' names a key that is not known"),
                ("secondary", "192.0.2.1", "'192.0.2.1' is not ZONE=ADDRESS, nor ZONE=ADDRESS/KEY"),
                ("secondary", "a.test=192.0.2.1#53", "'a.test=192.0.2.1#53' has no address"),
                ("secondary", "a.test=::1,A.test=::1", "'A.test=::1' names a primary for the second")]:
            given = [f"--{option}", value] + (["--keys", key] if option != "keys" else [])
            told = kiln("run", image, "--net", "user", *given, status=1)
            check(f"--{option}: {says}" in told, f"no '{says}' in: {told}")
            check("c2Vj" not in told and "YW5v" not in told, f"a secret in: {told}")
        check("example.com: served, serial 1\n" in told, f"which zone there is: {told}")
        newer = archive(a, "newer", example_dot_com_dot_zone=APEX)
        told = kiln("run", image, "--net", "user", "--disk", newer, "--keys", "x", status=1)
        check("example.com: in the place of the one before, serial 1" in told, told)
