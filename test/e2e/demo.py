"""kiln demo: that it ends well, and that it leaves nothing behind, also when interrupted."""

import glob
import json
import os
import re
import signal

from harness import (KILN, ROOT, Netns, Process, check, check_equal, kvm_serves, need_root, run,
                     wait_for)


def leftovers():
    """Interfaces of this namespace, named namespaces, and processes with a demo's image."""
    found = set(os.listdir("/sys/class/net"))
    found |= set(glob.glob("/run/netns/*"))
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                command = file.read().replace(b"\0", b" ")
        except OSError:
            continue
        if os.path.join(ROOT, "build/demo/web").encode() in command or b"demo.py" in command:
            found.add(command)
    return found


def test_whole(_):
    """the demo runs to its end with a row for each way, and leaves nothing behind"""
    need_root()
    before = leftovers()
    rows = json.loads(run(KILN, "demo", "--json", timeout=240).stdout)
    check_equal([row["way"] for row in rows],
                ["jail"] + ["vm on KVM"] * kvm_serves() + ["vm on QEMU"], "ways")
    for row in rows:
        for figure in ("image_bytes", "first_byte_ms", "memory_used_kib", "bytes_compared",
                       "requests_per_second"):
            check(row[figure] > 0, f"{figure} of {row['way']}")
    check_equal(leftovers() - before, set(), "what the demo left")


def interrupted(signal_number, after, status):
    need_root()
    before = leftovers()
    demo = Process(KILN, "demo", name="demo")
    wait_for(lambda: demo.check_alive() or after in demo.text(), f"'{after}' said", 60)
    check_equal(demo.stop(signal_number, 20), status, "exit status")
    wait_for(lambda: leftovers() <= before, "everything gone", 5)
    demo.kill()


def test_interrupted(_):
    """Ctrl-C stops the demo, and leaves nothing behind"""
    interrupted(signal.SIGINT, "jail: starting", 130)


def test_terminated(_):
    """SIGTERM stops the demo in the middle of QEMU, and leaves nothing behind"""
    interrupted(signal.SIGTERM, "QEMU: starting", 143)


def test_killed(_):
    """even kill -9 leaves nothing behind"""
    interrupted(signal.SIGKILL, "jail: starting", -9)


def test_serve(_):
    """kiln demo --serve prints the URL of the site, serves it, and ends in order at Ctrl-C"""
    need_root()
    net = Netns()
    demo = Process(KILN, "demo", "--serve", name="demo", netns=net)
    try:
        url = wait_for(lambda: demo.check_alive() or re.search(r"^http://\S+", demo.text(), re.M),
                       "a URL", 120).group()
        with net:
            page = run("curl", "-sS", "--fail", "--max-time", 10, url).stdout
        check("<html" in page, "no page")
        check_equal(demo.stop(), 0, "exit status")
    finally:
        demo.kill()
        net.close()
