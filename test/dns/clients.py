"""What others ask an image: dig and kdig, delv, which validates from a root of the test's own, and
ldns-walk.
"""

import os
import re

import dns_image
import dns_zones
from harness import check, check_equal, run, wait_for
from worlds import WORLDS  # noqa: F401 (see run.py)

# What delv says of names and types below the test's root.
SECURE, DENIED, UNSIGNED = "; fully validated", "; negative response, fully validated", \
    "; unsigned answer"
VALIDATED = [
    ("www.nsec.test", "A", SECURE),
    ("www.hosted.nsec.test", "A", SECURE),        # by a DS of its parent's, on the same server
    ("some.wild.nsec.test", "MX", SECURE),        # by a wildcard, which a proof stands beside
    ("cname.nsec.test", "AAAA", SECURE),
    ("www.dname.nsec.test", "A", SECURE),
    ("nothing.nsec.test", "A", DENIED),
    ("www.nsec.test", "SRV", DENIED),
    ("b.c.empty.nsec.test", "A", DENIED),
    ("glue.nsec.test", "DS", DENIED),
    ("www.nsec3.test", "A", SECURE),
    ("any.deep.wild.nsec3.test", "A", SECURE),
    ("nothing.at.all.nsec3.test", "A", DENIED),
    ("www.nsec3.test", "SRV", DENIED),
    ("c.empty.nsec3.test", "TXT", DENIED),
    ("x.wild.nsec3.test", "AAAA", DENIED),
    ("www.hosted.nsec3.test", "A", SECURE),
    ("secure.optout.test", "DS", SECURE),
    ("noglue.optout.test", "DS", DENIED),         # within a span that opts out
    ("nothing.optout.test", "A", DENIED),
    ("www.hosted.optout.test", "A", SECURE),
    ("www.plain.test", "A", UNSIGNED),
    ("nsec.test", "DNSKEY", SECURE),
    ("nothing", "A", DENIED),                     # of the root itself
]
# Which ldns-walk does not find in BIND's answers either: its wildcard comes next.
PASSED_OVER = {"srv.nsec.test."}


def test_validates(world):
    """delv validates answers, wildcards and denials, from a root's key down"""
    def anchored(folder):
        origins = dns_zones.write(folder)
        nonlocal anchors
        anchors = dns_zones.write_root(folder)
        return ["", *origins]

    anchors = None
    with dns_image.Image(world, anchored) as image, image.net:
        for name, kind, says in VALIDATED:
            out = run("delv", f"@{image.address}", "-a", anchors, "+root=.", name, kind,
                      check_status=False)
            check_equal(out.stdout.partition("\n")[0], says,
                        f"{name} {kind}: {out.stdout}{out.stderr}")


def test_walk(world):
    """ldns-walk finds every name of a zone with NSEC"""
    with dns_image.Image(world, dns_zones.write) as image, image.net:
        walked = run("ldns-walk", f"@{image.address}", "nsec.test").stdout
        zone = run("named-compilezone", "-q", "-i", "none", "-k", "ignore", "-o", "-", "nsec.test",
                   dns_zones.path(image.zones, "nsec.test")).stdout
        names = set(re.findall(r"^(?:nsec\.test\.\t)?(\S+) .*NSEC", walked.lower(), re.M | re.I))
        check_equal(names ^ set(re.findall(r"^(\S+)\s+\d+ IN NSEC\s", zone.lower(), re.M | re.I)),
                    PASSED_OVER, "names that only one of both has")


def link_local(image):
    """Of the image: who else answers a ping of its client's to all nodes of the link."""
    link = image.interface

    def others():
        own = run("ip", "-6", "address", "show", "dev", link, "scope", "link").stdout
        out = run("ping", "-6", "-c", 2, "-i", "0.2", "-w", 1, f"ff02::1%{link}",
                  check_status=False).stdout
        return [one for one in re.findall(r"from (fe80:[0-9a-f:]+)%", out) if one not in own]
    # Each end takes a second to see that nobody has its address.
    return f"{wait_for(others, 'a link-local address')[0]}%{link}"


def test_dig(world):
    """dig and kdig understand what each address answers, by UDP and TCP, and with options"""
    with dns_image.Image(world, dns_zones.write) as image, image.net:
        at = f"@{image.address}"
        for program in ("dig", "kdig"):
            for options in ([], ["+tcp"], ["+dnssec"], ["+nocookie", "+noedns"],
                            ["+nsid", "+cookie"], ["+subnet=192.0.2.0/24"], ["+bufsize=512"]):
                out = run(program, at, "+norecurse", "www.nsec.test", "A",
                          *options).stdout
                check("status: NOERROR" in out and "192.0.2.4" in out and "192.0.2.5" in out and
                      "warning" not in out.lower(), f"{program} {options}: {out}")
            out = run(program, at, "large.nsec.test", "A").stdout  # by UDP first, then by TCP
            check_equal(len(re.findall(r"198\.51\.100\.\d+$", out, re.M)), 95, f"addresses\n{out}")
            out = run(program, at, "types.test", "ANY").stdout
            check("status: NOERROR" in out, out)
        for address in (image.address6, link_local(image)):  # dig takes no other's answer
            for how in (["+notcp"], ["+tcp"], ["-b", dns_image.CLIENT6]):
                out = run("dig", "-6", f"@{address}", "+norecurse", "+tries=1", *how,
                          "www.nsec.test", "AAAA").stdout
                check("status: NOERROR" in out and "warning" not in out.lower(),
                      f"{address} {how}: {out}")
        for name, text in (("type65280.type.types.test", "NXDOMAIN"), ("example.org", "REFUSED")):
            check(text in run("dig", at, name, "A").stdout, f"{name}: {text}")


def test_types(world):
    """every type of the zone of types reads as it was written"""
    with dns_image.Image(world, dns_zones.write) as image, image.net:
        zone = run("named-compilezone", "-q", "-i", "none", "-k", "ignore", "-o", "-",
                   "types.test", dns_zones.path(image.zones, "types.test"),
                   cwd=image.zones).stdout
        wanted = {tuple(line.split(None, 4)) for line in zone.splitlines()
                  if not line.startswith("ds.type.") or " DS" in line}  # a cut's NS is a referral
        asked = sorted({(owner, kind) for owner, _, _, kind, _ in wanted})
        folder = os.path.dirname(image.zones)
        batch = os.path.join(folder, "batch")
        with open(batch, "w", encoding="ascii") as file:
            file.writelines(f"{owner} {kind}\n" for owner, kind in asked)
        out = run("dig", f"@{image.address}", "+noall", "+answer", "+nosplit", "+tcp", "-f", batch,
                  timeout=120).stdout
        found = {tuple(line.split(None, 4)) for line in out.splitlines() if line[:1] not in ";\n"}
        joined = {(*record[:4], record[4].replace(" ", "")) for record in wanted}
        missing = joined - {(*record[:4], record[4].replace(" ", "")) for record in found}
        check(not missing, f"not answered as written: {sorted(missing)[:5]}")
