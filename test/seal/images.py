"""Every appliance as a sealed image: its size, its seal, and what is linked into it; and that
a seal which is broken is found."""

import glob
import json
import os
import re
import struct
import tempfile

from harness import KILN, ROOT, WORK, check, check_equal, run
from worlds import build

LONG = True
APPLIANCES = sorted(os.listdir(os.path.join(ROOT, "appliance")))
TARGETS = ("jail", "vm")
KIB = 1024


def info(image, status=0):
    done = run(KILN, "info", "--json", image, check_status=False)
    check_equal(done.returncode, status, f"status of kiln info {image}\n{done.stdout}"
                                         f"{done.stderr}\n")
    return json.loads(done.stdout) if done.stdout else done.stderr


def each_image():
    for appliance in APPLIANCES:
        for target in TARGETS:
            yield appliance, target, build(appliance, target)


def test_seal(_):
    """every appliance obeys the seal, jailed and as a guest"""
    for appliance, target, image in each_image():
        found = info(image)
        check_equal(found["seal"], {"obeyed": True, "broken": []}, f"{appliance} for {target}")
        check_equal((found["appliance"], found["target"]), (appliance, target), "the manifest")


def test_system_calls(_):
    """the system calls that an image may make are listed, each with its devices"""
    always = ["ppoll", "write", "clock_gettime", "exit_group"]
    hello, guestbook = (info(build(name, "jail")) for name in ("hello", "guestbook"))
    check_equal([call["name"] for call in hello["system_calls"]], always, "hello's")
    calls = {call["name"]: call for call in guestbook["system_calls"]}
    check_equal(sorted(calls), sorted(["io_uring_enter", "read", "writev", "sendto"] + always),
                "guestbook's")
    check_equal((calls["writev"]["number"], calls["writev"]["devices"]), (20, ["net0"]), "writev")
    block = info(build("block", "jail"))
    check({"pread64", "pwrite64", "fdatasync"} <= {c["name"] for c in block["system_calls"]},
          f"of a disk: {block['system_calls']}")
    guest = info(build("hello", "vm"))
    check_equal(guest["system_calls"], [], "hello's as a guest")
    check("ioctl" in [call["name"] for call in guest["monitor_system_calls"]], "the monitor's")
    text = run(KILN, "info", build("guestbook", "jail")).stdout
    check(re.search(r"^  writev +on net0, if it is a tap and there is no ring$", text, re.M), text)


def test_stripped(_):
    """images are stripped, and have their symbols beside them"""
    for appliance, target, image in each_image():
        sections = run("readelf", "-SW", image).stdout
        check(".symtab" not in sections and ".debug" not in sections, f"{image} has symbols")
        check(".symtab" in run("readelf", "-SW", image + ".debug").stdout, f"{image}.debug")


def test_libraries(_):
    """no two libraries define the same name, so that an image can have them all"""
    defined = {}
    for archive in glob.glob(os.path.join(ROOT, "build/image/lib*.a")):
        if "libtarget-" in archive:
            continue
        for line in run("nm", "--defined-only", "--extern-only", archive).stdout.splitlines():
            if len(line.split()) == 3:
                defined.setdefault(line.split()[2], set()).add(os.path.basename(archive))
    check(len(defined) > 100, f"only {len(defined)} names are defined")
    twice = {name: archives for name, archives in defined.items() if len(archives) > 1}
    check_equal(twice, {}, "names that are defined twice")


def test_size_of_hello(_):
    """hello is smaller than 24 KiB"""
    for target in TARGETS:
        size = os.path.getsize(build("hello", target))
        check(size < 24 * KIB, f"hello for {target} has {size} bytes")


def test_size_of_web(_):
    """web without its site, over IPv4 and IPv6, is smaller than 160 KiB"""
    folder = os.path.join(WORK, "empty-site")
    os.makedirs(folder, exist_ok=True)
    for target in TARGETS:
        size = os.path.getsize(build("web", target, "--site", folder))
        check(size < 160 * KIB, f"web for {target} has {size} bytes without a site")


def test_size_of_dns(_):
    """a name server in a jail is smaller than 220 KiB, and one that answers alone than 128 KiB"""
    size = os.path.getsize(build("dns", "jail"))
    check(size < 220 * KIB, f"dns has {size} bytes")
    alone = build("dns", "jail", "--keys", "", "--transfer", "", "--notify", "", "--secondary",
                  "", "--metrics", "0", "--rate", "0", "--disk_zones", "no")
    size = os.path.getsize(alone)
    check(size < 128 * KIB, f"dns that answers alone has {size} bytes")
    check("task" not in {library["name"] for library in info(alone)["libraries"]}, "tasks in it")


def test_unused_libraries(_):
    """an image holds no library that its appliance does not call"""
    for target in TARGETS:
        hello = {library["name"] for library in info(build("hello", target))["libraries"]}
        check(not hello & {"net", "tcp", "http"}, f"hello for {target} has {hello}")
        web = {library["name"] for library in info(build("web", target))["libraries"]}
        check(not web & {"udp", "dns", "resolver", "ntp"}, f"web for {target} has {web}")


def of_source(folder, name, code, target):
    """An image of that C code: its path, what kiln info says, and the names of its functions and
    constants."""
    source = os.path.join(folder, name)
    os.makedirs(source, exist_ok=True)
    with open(os.path.join(source, "main.c"), "w") as file:
        file.write(code)
    image = os.path.join(folder, f"{name}.{target}")
    run(KILN, "build", source, "-t", target, "-o", image)
    return image, info(image), run("nm", image + ".debug").stdout


def families(folder, up, target):
    """An echo by UDP on a network brought up by `up`: its size, its options, and the address
    families whose code is in it."""
    image, facts, names = of_source(folder, up, f"""#include <kiln/appliance.h>
#include <kiln/udp.h>
KILN_NET(net0, "of the test");
static void echo(struct udp_socket *socket, const struct udp_datagram *d, void *context)
{{
	(void)udp_send(socket, &d->from, d->payload);
}}
int appliance(struct kiln *k)
{{
	struct udp_socket *socket;
	if (udp_bind(udp_new({up}(k, &net0)), 7, echo, NULL, &socket) != KILN_OK)
		return 1;
	return kiln_run(k);
}}
""", target)
    check("tcp" not in [library["name"] for library in facts["libraries"]] and
          not re.search(r" [tTrR] tcp_\w+$", names, re.M), "an image of UDP alone has TCP")
    options = {option["name"] for option in facts["parameters"]}
    found = {family for family, pattern in (
        ("IPv4", r" [tTrR] (arp|dhcp|icmp|ip4)_(?!parse|format|wire_parse|kind)\w+$"),
        ("IPv6", r" [tTrR] (nd|mld|slaac|icmp6|ip6)_(?!parse|format|kind)\w+$"))
        if re.search(pattern, names, re.M)}
    return os.path.getsize(image), options, found


def test_families(_):
    """an image holds the address families that its appliance brings up, and no more"""
    with tempfile.TemporaryDirectory(prefix="kiln-test-") as folder:
        for target in TARGETS:
            both, options, found = families(folder, "net_up", target)
            check_equal(found, {"IPv4", "IPv6"}, "net_up")
            check({"ip", "ip6"} <= options, f"net_up: {options}")
            size, options, found = families(folder, "net_up_ip4", target)
            check_equal(found, {"IPv4"}, "net_up_ip4")
            check("ip" in options and "ip6" not in options, f"net_up_ip4: {options}")
            check(size < both - 10 * KIB, f"net_up_ip4: {size} of {both} bytes")
            size, options, found = families(folder, "net_up_ip6", target)
            check_equal(found, {"IPv6"}, "net_up_ip6")
            check("ip6" in options and "ip" not in options, f"net_up_ip6: {options}")
            check(size < both - 10 * KIB, f"net_up_ip6: {size} of {both} bytes")


# What an appliance has to name before it is linked in, and what the image has of it then.
NAMED = [
    ("", set()),
    (".congestion = &tcp_newreno", {"newreno"}),
    (".fast_open = &tcp_fast_open", {"fast_open"}),
]


def test_named(_):
    """a congestion controller or an extension that no appliance names is not in its image"""
    with tempfile.TemporaryDirectory(prefix="kiln-test-") as folder:
        for target in TARGETS:
            for number, (config, expected) in enumerate(NAMED):
                _image, facts, names = of_source(folder, f"named{number}", f"""
#include <kiln/appliance.h>
#include <kiln/tcp.h>
#include <kiln/tcp_congestion.h>
KILN_NET(net0, "of the test");
static bool accepted(struct tcp_conn *conn, void *context)
{{
	return false;
}}
int appliance(struct kiln *k)
{{
	static const struct tcp_config config = {{{config}}};
	struct tcp *tcp = tcp_new_with(net_up(k, &net0), &config);
	struct tcp_listener *listener;
	return tcp_listen(tcp, 7, accepted, NULL, &listener) ? 1 : kiln_run(k);
}}
""", target)
                found = set(re.findall(r" tcp_(newreno|fast_open)$", names, re.M))
                check_equal(found, expected, f"linked in for '{config}' on {target}")
                check(re.search(r" tcp_cubic$", names, re.M), "no CUBIC")
                libraries = {library["name"] for library in facts["libraries"]}
                check(not libraries & {"udp", "dns", "resolver", "ntp"}, f"it has {libraries}")


def test_c_library(_):
    """no object of the C library that makes a system call is linked in"""
    libc = "/usr/lib/x86_64-linux-musl/libc.a"
    with tempfile.TemporaryDirectory(prefix="kiln-test-") as folder:
        for appliance, target, image in each_image():
            path = os.path.join(os.path.dirname(image), appliance, target, "image.map")
            with open(path) as file:
                members = sorted(set(re.findall(r"libc\.a\((\w+\.l?o)\)", file.read())))
            check(appliance == "hello" or members, f"{path} names no member of {libc}")
            for member in members:
                run("ar", "x", "--output", folder, libc, member)
                code = run("objdump", "-d", os.path.join(folder, member)).stdout
                check(not re.search(r"\t(syscall|sysenter|int +\$)", code),
                      f"{member} in {appliance} for {target} makes system calls")


def test_reproducible(_):
    """the web appliance, built twice, has the same bytes"""
    with tempfile.TemporaryDirectory(prefix="kiln-test-") as folder:
        for target in TARGETS:
            image = os.path.join(folder, "web")
            bytes_seen = set()
            for turn in range(2):
                state = os.path.join(folder, f"{target}-{turn}")
                run(KILN, "build", os.path.join(ROOT, "appliance/web"), "-t", target, "-o",
                    image, env=dict(os.environ, KILN_STATE=state))
                with open(image, "rb") as file:
                    bytes_seen.add(file.read())
            check_equal(len(bytes_seen), 1, f"different images for {target}")


# ---- what is broken is found ----

def build_with(folder, code, target):
    """An appliance with a function of the given assembly that is called."""
    source = os.path.join(folder, "broken")
    os.makedirs(source, exist_ok=True)
    with open(os.path.join(source, "main.c"), "w") as file:
        file.write('#include <kiln/appliance.h>\n'
                   '__attribute__((noinline)) static void culprit(void)\n'
                   f'{{\n\t__asm__ volatile("{code}");\n}}\n'
                   'int appliance(struct kiln *k)\n{\n\tculprit();\n\treturn 0;\n}\n')
    image = os.path.join(folder, "image")
    run(KILN, "build", source, "-t", target, "-o", image, "--unsealed")
    return image


def test_foreign_instructions(_):
    """a system call or privileged instruction is found, with address and function"""
    with tempfile.TemporaryDirectory(prefix="kiln-test-") as folder:
        for target in TARGETS:
            for code in ("syscall", "sysenter", "int $0x80", "cli", "hlt", "wrmsr",
                         "mov %%cr3, %%rax", "outb %%al, $0x80", "lgdt (%%rax)", "iretq"):
                broken = info(build_with(folder, code.replace("%%", "%"), target),
                              status=1)["seal"]["broken"]
                check_equal(len(broken), 1, f"found for {code} on {target}: {broken}")
                check("culprit+" in broken[0]["what"] and "0x" in broken[0]["what"],
                      f"address and function: {broken[0]}")


def test_harmless_instructions(_):
    """what needs no privilege is let pass"""
    with tempfile.TemporaryDirectory(prefix="kiln-test-") as folder:
        for code in ("rdtsc", "cpuid", "pause", "ud2", "int3", "mfence", "rdrand %rax"):
            info(build_with(folder, code, "jail"))


PT_LOAD, PT_GNU_STACK = 1, 0x6474e551
PF_X, PF_W = 1, 2


def patched(image, change):
    """A copy of the image whose program headers were changed: change(type, flags) -> flags."""
    with open(image, "rb") as file:
        data = bytearray(file.read())
    offset, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for i in range(count):
        at = offset + i * size
        kind, flags = struct.unpack_from("<II", data, at)
        struct.pack_into("<I", data, at + 4, change(kind, flags))
    copy = image + ".patched"
    with open(copy, "wb") as file:
        file.write(data)
    return copy


def broken_text(image):
    done = run(KILN, "info", image, check_status=False)
    check_equal(done.returncode, 1, f"status of kiln info {image}\n{done.stdout}")
    return done.stdout + done.stderr


def test_writable_code(_):
    """a segment that is writable and executable is found"""
    for target in TARGETS:
        image = patched(build("hello", target), lambda kind, flags:
                        flags | PF_W if kind == PT_LOAD and flags & PF_X else flags)
        check("writable and executable" in broken_text(image), target)


def test_executable_stack(_):
    """an executable stack is found"""
    for target in TARGETS:
        image = patched(build("hello", target), lambda kind, flags:
                        flags | PF_X if kind == PT_GNU_STACK else flags)
        check("stack" in broken_text(image), target)


def test_foreign_relocation(_):
    """relocations of another format than the one for relative ones are found"""
    for target in TARGETS:
        image = build("hello", target)
        with open(image, "rb") as file:
            data = bytearray(file.read())
        number = int(re.search(r"\[ *(\d+)\] \.relr\.dyn +RELR ",
                               run("readelf", "-SW", image).stdout).group(1))
        headers, = struct.unpack_from("<Q", data, 40)
        struct.pack_into("<I", data, headers + 64 * number + 4, 4)  # SHT_RELA
        with open(image + ".patched", "wb") as file:
            file.write(data)
        check("other than RELR in .relr.dyn" in broken_text(image + ".patched"), target)


def test_truncated(_):
    """a truncated image is refused with a sentence, wherever it is cut"""
    with open(build("hello", "jail"), "rb") as file:
        data = file.read()
    path = os.path.join(WORK, "truncated")
    for length in list(range(0, 1024, 61)) + list(range(1024, len(data), 1021)):
        with open(path, "wb") as file:
            file.write(data[:length])
        done = run(KILN, "info", path, check_status=False)
        check_equal(done.returncode, 1, f"status when cut at {length}")
        check(done.stderr.startswith("kiln: "), f"message when cut at {length}")
