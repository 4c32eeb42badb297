"""What the jail holds against an image that tries to get out, and what is left of the
monitor around an image that runs."""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile

from attempts import has_int80, make, sample
from cell import Cell
from entropy import check_at_least, measure
from harness import KILN, Netns, Process, check, check_equal, need_root, run, wait_for
from worlds import build


IMAGE = "echo", "jail"
SETTINGS = ["--net", "tap:jail0", "--ip", "10.7.0.2/24"]


def test_words(_):
    """kiln run tells the user how an attack on the jail ended"""
    with Cell("attack", "jail", memory="1M") as cell:
        make(sample("test/jail/attempts"), cell.run, told=True)
        for how, words in (("call gate 57", "fork("),
                           ("call int80 20", "getpid(" if has_int80() else "a privileged instruction"),
                           ("call vdso 57", "from outside its gate"),
                           ("write text", "in its text"),
                           ("do cli", "it ran a privileged instruction"),
                           ("overrun", "the stack protector found a local array overrun")):
            outcome = cell.run(how)
            check_equal((how, outcome.status), (how, 1), outcome.output)
            check(words in outcome.output, f"{how}: no '{words}' in {outcome.output}")


def test_user_network(_):
    """frames that no driver would send do the user-mode network beside an image no harm"""
    with Cell("attack", "jail", memory="1M") as cell:
        cell.network = "user"
        cell.options = ["--io-uring", "off"]
        outcome = cell.run("frames 20000")
        check(outcome.is_("held"), str(outcome))


class Running:
    """An image, waiting."""

    def __init__(self, file=None):
        self.file = file or build(*IMAGE)

    def __enter__(self):
        need_root()
        self.netns = Netns()
        self.process = Process(KILN, "run", self.file, *SETTINGS, netns=self.netns)
        self.pid = wait_for(self.process.child, "the monitor started")
        wait_for(lambda: self.status()["Seccomp"] == "2", "the image under its filter")
        return self

    def status(self):
        self.process.check_alive()
        with open(f"/proc/{self.pid}/status") as lines:
            return {key: value.strip() for key, value in (line.split(":", 1) for line in lines)}

    def __exit__(self, *_):
        self.process.end()
        self.netns.close()


def test_remains(_):
    """nothing of the monitor is left, and no page is both writable and executable"""
    with Running() as image, open(f"/proc/{image.pid}/maps") as lines:
        maps = [line.split(None, 5) for line in lines]
    for line in maps:
        check(not ("w" in line[1] and "x" in line[1]), f"writable and executable: {line}")
        name = line[5].strip() if len(line) > 5 else ""
        if name == "anon_inode:[io_uring]":
            check_equal(line[1], "rw-s", "what is shared with the kernel")
            continue
        if name == "/memfd:image (deleted)":  # the image, which no descriptor leads to
            check(line[1] in ("r--p", "r-xp"), f"can be written: {line}")
            continue
        check(name in ("", "[vdso]", "[vvar]", "[vvar_vclock]", "[vsyscall]"), f"left: {line}")
    executable = [line[0].split("-") for line in maps
                  if "x" in line[1] and not "".join(line[5:]).startswith("[")]
    ends = {end for _, end in executable}  # the text is mapped in pieces, without gaps
    check_equal(len([start for start, _ in executable if start not in ends]), 2,
                "executable areas: text and seal")


def test_file_cut(_):
    """an image goes on when its file is cut: what runs is a copy"""
    with tempfile.TemporaryDirectory() as folder:
        file = shutil.copy(build(*IMAGE), folder)
        with Running(file) as image:
            os.truncate(file, 0)
            with image.netns:
                run("ip", "address", "add", "10.7.0.1/24", "dev", "jail0")
                with socket.create_connection(("10.7.0.2", 7), 10) as s:
                    s.sendall(b"still there")
                    check_equal(s.makefile("rb").read(11), b"still there", "the echo")


def test_random(_):
    """where text, data, stack, options and memory lie is left to 35 bits of chance at each start"""
    with Cell("attack", "jail", memory="1M") as cell:
        bits = measure(cell.start)
    check_at_least(bits, dict.fromkeys(("text", "data", "stack", "boot", "memory"), 35))
    # Each lies on its own; the image's own data go with its text.
    check_at_least(bits, {f"{name} from text": 35 for name in ("stack", "boot", "memory")})


def test_privileges(_):
    """the image has no user of the host, no capability, no way to get one"""
    with Running() as image:
        status = image.status()
        limits = open(f"/proc/{image.pid}/limits").read()
    check_equal(status["NoNewPrivs"], "1", "no_new_privs")
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        check_equal(int(status[name], 16), 0, name)
    users = set(status["Uid"].split() + status["Gid"].split())
    check(len(users) == 1 and int(users.pop()) >= 0x70000000, f"user {status['Uid']}")
    check_equal(status["Groups"], "", "groups")
    check(re.search(r"Max core file size +0 +0", limits), limits)
    check(re.search(r"Max open files +4 +4", limits), limits)


def test_descriptors(_):
    """the image holds its devices and their ring, its console and its stop descriptor, nothing
    else"""
    with Running() as image:
        folder = f"/proc/{image.pid}/fd"
        held = {int(fd): os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder)}
    check_equal(sorted(held), [0, 1, 2, 3], str(held))
    check("signalfd" in held[0], held[0])
    check_equal(held[2], "/dev/net/tun", "the device")
    check_equal(held[3], "anon_inode:[io_uring]", "the ring")


def test_parent(_):
    """the image does not outlive the process that started it"""
    need_root()
    image = build(*IMAGE)
    netns = Netns()
    try:
        with netns:
            shell = subprocess.Popen(
                ["sh", "-c", f"'{KILN}' run '{image}' {' '.join(SETTINGS)} & echo $!; "
                             "read line"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        parent = int(shell.stdout.readline())

        def jailed():
            with open(f"/proc/{parent}/task/{parent}/children") as text:
                children = text.read().split()
            if not children:
                return None
            with open(f"/proc/{children[0]}/status") as text:
                return int(children[0]) if "Seccomp:\t2" in text.read() else None
        pid = wait_for(jailed, "the image under its filter")
        shell.kill()
        shell.wait()
        wait_for(lambda: dead(parent) and dead(pid), "the image ended")
    finally:
        netns.close()


def dead(pid):
    """Ended, but not yet waited for by whoever adopted it."""
    try:
        with open(f"/proc/{pid}/stat") as text:
            return text.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


def test_stop(_):
    """Ctrl-C and SIGTERM end an image cleanly"""
    for number in (signal.SIGINT, signal.SIGTERM):
        with Running() as image:
            check_equal(image.process.stop(number), 0, f"status after {number.name}")


def test_unprivileged(_):
    """without root, an image runs as well, and with as few rights"""
    need_root()
    image = build("hello", "jail")
    check(os.stat(image).st_mode & stat.S_IROTH, "others may read the image")
    done = run("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
               os.path.join(os.path.dirname(KILN), "kiln-jail"), image)
    check("Hello" in done.stdout or "hello" in done.stdout, done.stdout + done.stderr)
