"""kiln-jail itself: disks, its messages, its exit status."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile

from appliances import Appliance
from harness import KILN, Netns, Process, check, check_equal, ip, need_root, run, wait_for
from worlds import build

JAIL = os.path.join(os.path.dirname(KILN), "kiln-jail")


def refuses(sentence, *arguments, status=1):
    done = subprocess.run([JAIL, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=20)
    check_equal(done.returncode, status, f"status; {done.stderr}")
    check(sentence in done.stderr, f"no '{sentence}' in: {done.stderr}")


def disk(folder, size=1 << 20):
    path = os.path.join(folder, "disk")
    with open(path, "wb") as file:
        file.truncate(size)
    return path


def test_disk(_):
    """a file is a disk: what is written is read back, also by the next start"""
    with tempfile.TemporaryDirectory() as folder:
        path = disk(folder)
        for which in ("first", "second"):
            done = run(JAIL, "--disk", path, build("block", "jail"), f"pass={which}",
                       check_status=False)
            check(done.returncode == 0 and "not ok" not in done.stdout,
                  f"{which}: {done.stdout}{done.stderr}")
        with open(path, "rb") as file:
            check(any(file.read(512)), "the first sector is in the file")


def test_disk_lock(_):
    """a disk serves one monitor at a time"""
    with tempfile.TemporaryDirectory() as folder:
        path = disk(folder)
        with open(path, "rb") as file:
            lock = subprocess.Popen(["flock", "--no-fork", "-x", path, "sleep", "60"])
            try:
                wait_for(lambda: subprocess.run(["flock", "-n", path, "true"],
                                                check=False).returncode, "the lock taken")
                refuses("is in use by another image", "--disk", path,
                        build("block", "jail"))
            finally:
                lock.kill()
                lock.wait()
            check(not any(file.read()), "nothing was written")


def test_devices(_):
    """devices and the manifest must be the same set"""
    block, hello = build("block", "jail"), build("hello", "jail")
    refuses("the image needs its device 'disk0'", block, status=2)
    refuses("the image has no device for --disk", "--disk", "/dev/null", hello, status=2)
    refuses("the image has no device 'other'", "--disk", "other=/dev/null", block, status=2)
    refuses("is given twice", "--disk", "/dev/null", "--disk", "disk0=/dev/zero", block,
            status=2)
    refuses("cannot open /nonexistent", "--disk", "/nonexistent", block)
    refuses("cannot use /dev/null as a disk", "--disk", "/dev/null", block)


NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
# The same, with a /dev/net/tun that everybody may open, as most systems have it: in a mount
# namespace, so that this one's stays as it is.
NOBODY_WITH_TUN = ["unshare", "--mount", "sh", "-c", """
    set -e
    mount -t tmpfs none /mnt
    mknod -m 666 /mnt/tun c 10 200
    mount --bind /mnt/tun /dev/net/tun
    exec "$@"
""", "sh", *NOBODY]


def test_tap_refusals(_):
    """a tap that cannot be had is refused with what to do about it"""
    need_root()
    image = build("echo", "jail")
    netns = Netns()
    try:
        with netns:
            refuses("has at most 15 bytes", "--net", "tap:a-name-that-is-too-long", image)
            refuses("no tap can have that name", "--net", "tap:lo", image)
            done = subprocess.run([*NOBODY_WITH_TUN, JAIL, "--net", "tap:other", image],
                                  timeout=20, capture_output=True, text=True, check=False)
            check("ip tuntap add dev other mode tap user $USER" in done.stderr, done.stderr)
        first = Process(JAIL, "--net", "tap:mine", image, "ip=10.7.0.2/24", netns=netns)
        wait_for(lambda: "mine" in netns.interfaces(), "the tap made")
        with netns:
            refuses("in use by another process", "--net", "tap:mine", image)
        check_equal(first.stop(), 0, "status")
        wait_for(lambda: netns.interfaces() == ["lo"], "the tap gone")
    finally:
        netns.close()


@contextlib.contextmanager
def unprivileged():
    """An image that a user without rights runs, on a tap that root made for that user."""
    need_root()
    netns = Netns()
    try:
        with netns:
            ip("tuntap add dev theirs mode tap user 65534",
               "address add 10.7.0.1/24 dev theirs", "link set theirs up")
        process = Process(*NOBODY_WITH_TUN, JAIL, "--net", "tap:theirs", build("echo", "jail"),
                          "ip=10.7.0.2/24", "gateway=10.7.0.9", netns=netns)
        wait_for(lambda: answers(netns), "an answer to ping")
        yield process, netns
    finally:
        netns.close()


def answers(netns):
    with netns:
        return run("ping", "-c", 1, "-W", 1, "10.7.0.2", check_status=False).returncode == 0


def test_tap_unprivileged(_):
    """a tap that root made for a user serves that user, and stays as it was"""
    with unprivileged() as (process, netns):
        with netns:
            shown = run("ip", "-4", "-o", "address", "show", "theirs").stdout
        check("10.7.0.1/24" in shown and "10.7.0.9" not in shown, shown)
        check_equal(process.stop(), 0, "status")
        check_equal(netns.interfaces(), ["lo", "theirs"], "interfaces")


# What one process may want of another of the same user: its memory, its descriptors, its end
# in a debugger. Prints what it got.
LOOK = """
import ctypes, os, sys
pid = int(sys.argv[1])
for path in ("mem", "maps", "fd", "environ", "root", "cwd", "exe"):
    try:
        whole = f"/proc/{pid}/{path}"
        os.listdir(whole) if path == "fd" else os.readlink(whole) if path in (
            "root", "cwd", "exe") else open(whole, "rb").read(1)
        print("got", path)
    except OSError:
        pass
libc = ctypes.CDLL(None)
for request in (16, 0x4206): # attach, seize
    if libc.ptrace(request, pid, None, None) == 0:
        print("got traced")
if libc.syscall(438, libc.syscall(434, pid, 0), 2, 0) >= 0: # pidfd_getfd
    print("got a descriptor")
local = ctypes.create_string_buffer(64)
parts = (ctypes.c_void_p * 2)(ctypes.addressof(local), 8)
if libc.process_vm_readv(pid, parts, 1, parts, 1, 0) != -1:
    print("got memory")
print("looked")
"""


def test_same_user(_):
    """another process of the user who runs an image gets nothing out of it"""
    with unprivileged() as (process, netns):
        done = run(*NOBODY, sys.executable, "-c", LOOK, process.pid)
        check_equal(done.stdout, "looked\n", "what it got")
        check(answers(netns), "the image goes on")


def test_suspended(_):
    """an image goes on after it was stopped and continued, within its filter"""
    with unprivileged() as (process, netns):
        for _ in range(3):
            process.popen.send_signal(signal.SIGSTOP)
            wait_for(lambda: "T (stopped)" in status_of(process), "it stopped")
            process.popen.send_signal(signal.SIGCONT)
            check(answers(netns), "the image goes on")
        check_equal(process.stop(), 0, "status")


def status_of(process):
    process.check_alive()
    with open(f"/proc/{process.pid}/status") as text:
        return text.read()


def test_parameters(_):
    """parameters are checked before anything is opened"""
    block = build("block", "jail")
    refuses("no parameter 'colour'", "--disk", "/nonexistent", block, "colour=red", status=2)
    refuses("not of the form key=value", "--disk", "/nonexistent", block, "colour", status=2)


def test_usage(_):
    """a wrong command line is answered with what is wrong with it"""
    for says, *arguments in [("kiln-jail --help says how",), ("kiln-jail --help", "--colour"),
                             ("-m needs a value", "-m"), ("-m takes a size", "-m", "much", "x"),
                             ("--net takes", "--net", "eth0", "x"),
                             ("--spin takes", "--spin", "-1", "x"),
                             ("--net queue:N,MTU,OFFLOADS,MAC is for", "--net", "queue:3,x", "x"),
                             ("--cpu takes", "--cpu", "none", "x")]:
        refuses(says, *arguments, status=2)
    refuses("cannot run on processor 4000: there is none", "--cpu", "4000", build("hello", "jail"))


def test_files(_):
    """a file that is no image for the jail is refused with a sentence"""
    refuses("cannot open /nonexistent", "/nonexistent")
    refuses("is no image", "/dev/null")
    refuses("not an ELF file", __file__)
    refuses("it needs a", "/bin/true")
    refuses("is an image for target vm, not jail", build("hello", "vm"))


def test_closed_descriptors(_):
    """closed standard descriptors do no harm"""
    done = subprocess.run(["sh", "-c", f"'{JAIL}' '{build('hello', 'jail')}' <&- >&- 2>&-"],
                          timeout=20, check=False)
    check_equal(done.returncode, 0, "status")


def test_file_limit(_):
    """a limit on the size of files, which counts for the copy of the image, does not stop it"""
    done = run("sh", "-c", 'ulimit -f 1; exec "$@"', "sh", JAIL, build("hello", "jail"))
    check("Hello" in done.stdout, f"it said {done.stdout!r}")


def test_full_console(_):
    """a console that nobody reads does not stop the image"""
    need_root()
    read, write = os.pipe()
    os.set_blocking(write, False)
    try:
        while True:
            os.write(write, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(write, True)
    try:
        done = subprocess.run([JAIL, build("hello", "jail")], stdout=write, timeout=20,
                              check=False)
        check_equal(done.returncode, 0, "status")
    finally:
        os.close(read)
        os.close(write)


LARGE = """
#include <kiln/appliance.h>
#include <kiln/embed.h>
KILN_EMBED(things, "things");
int appliance(struct kiln *k)
{
\tstruct slice large = things.files[0].content;
\tkiln_printf(k, "%c%zu%c\\n", large.data[0], large.len, large.data[large.len - 1]);
\treturn 0;
}
"""


def test_large(_):
    """of a large image only what it reads takes memory"""
    size = 96 << 20
    with Appliance(main_dot_c=LARGE) as a:
        os.makedirs(os.path.join(a.folder, "things"))
        with open(os.path.join(a.folder, "things/large"), "wb") as file:
            file.write(b"a")
            file.truncate(size - 1)
            file.seek(size - 1)
            file.write(b"z")
        a.build()
        with open(os.path.join(a.top, "output"), "w+") as output:
            child = subprocess.Popen([JAIL, a.image], stdin=subprocess.DEVNULL, stdout=output)
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = 0
            output.seek(0)
            check_equal((status, output.read()), (0, f"a{size}z\n"), "what it read")
        check(used.ru_maxrss < 64 << 10, f"{used.ru_maxrss} KiB at most")
