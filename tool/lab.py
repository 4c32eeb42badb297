"""A place to run images in, for the demo, the tests and the benchmarks: network namespaces,
programs that are stopped whatever happens, and waiting with a deadline.

Namespaces have no names: they live as long as somebody holds them open, or is in them; and
every process dies with the one that started it. So nothing is left behind, even when a run is
killed.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import time

ROOT = os.environ.get("KILN_ROOT") or os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KILN = os.path.join(ROOT, "build/bin/kiln")
WORK = os.environ.get("KILN_TEST_WORK") or os.path.join(ROOT, "build/test")
LOGS = os.path.join(WORK, "log")

# Of the link between a server and its clients: a tap, or a veth.
ADDRESS, CLIENT = "10.7.0.2", "10.7.0.1"
TAP = "kiln0"

CLONE_NEWNET, CLONE_NEWPID = 0x40000000, 0x20000000
PR_SET_PDEATHSIG = 1
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
OWN_NETWORK = "/proc/thread-self/ns/net"
# In front of a command: it is killed when the process that started it ends. By a program of its
# own, since with a preexec_fn Python would fork, and copy its page tables, where it has vfork
# else: on a virtual machine that is ten times the time.
TIED = ("/usr/bin/setpriv", "--pdeathsig", "KILL", "--")
_libc = ctypes.CDLL(None, use_errno=True)


_progress_shown = False


def progress(text):
    """What is going on: on a terminal, in place of what was shown before."""
    global _progress_shown
    if sys.stderr.isatty():
        print(f"\r\033[K{text[:78]}", end="", file=sys.stderr, flush=True)
        _progress_shown = True


def progress_end():
    global _progress_shown
    if _progress_shown:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    _progress_shown = False


class Failed(Exception):
    """Something did not go as it must; the text says what."""


def wait_for(condition, what, seconds=10.0, step=0.005):
    """Polls until condition() is true, and returns what it returned."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise Failed(f"within {seconds:g} s: not {what}")
        time.sleep(step)


def is_root():
    return os.geteuid() == 0


def kvm_serves():
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
        return True
    except OSError:
        return False


def call(name, *args):
    if getattr(_libc, name)(*args) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def die_with_parent():
    """For a process that has been forked, and stays this program: as TIED."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run(*command, check_status=True, timeout=60, **options):
    """Runs a program to its end; its completed process, output as text unless text=False."""
    options.setdefault("text", True)
    if "stdout" not in options:
        options["capture_output"] = True
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run([*TIED, *map(str, command)], timeout=timeout, **options)
    if check_status and done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}: status {done.returncode}\n"
                     f"{done.stdout or ''}{done.stderr or ''}")
    return done


def make_site(**options):
    """The guide's pages, made if they are not; their folder."""
    # One at a time: make itself would let two write the same page.
    run("flock", os.path.join(ROOT, "Makefile"), "make", "-s", "-C", ROOT, "site", timeout=600,
        **options)
    return os.path.join(ROOT, "build/site")


def ip(*commands):
    """Each is what would stand behind "ip": one process for all of them."""
    run("ip", "-batch", "-", input="".join(f"{command}\n" for command in commands))


class Netns:
    """A network namespace; `with netns:` moves this thread and what it starts into it. `path`
    is for `ip link ... netns`."""

    def __init__(self):
        self._before = [os.open(OWN_NETWORK, os.O_RDONLY)]
        try:
            call("unshare", CLONE_NEWNET)
        except OSError:
            os.close(self._before.pop())
            raise Failed("no network namespace can be made here") from None
        try:
            self.fd = os.open(OWN_NETWORK, os.O_RDONLY)
            self.path = f"/proc/{os.getpid()}/fd/{self.fd}"
            with socket.socket() as s:
                fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", IFF_UP))
        finally:
            self.__exit__()

    def __enter__(self):
        before = os.open(OWN_NETWORK, os.O_RDONLY)
        call("setns", self.fd, CLONE_NEWNET)
        self._before.append(before)
        return self

    def __exit__(self, *_):
        before = self._before.pop()
        call("setns", before, CLONE_NEWNET)
        os.close(before)

    def interfaces(self):
        with self:
            return [name for _, name in socket.if_nameindex()]

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def join(net, other):
    """A veth from the clients' namespace to the server's."""
    with net:
        ip(f"link add veth0 type veth peer name veth1 netns {other.path}",
           f"address add {CLIENT}/24 dev veth0", "link set veth0 up")
    with other:
        ip(f"address add {ADDRESS}/24 dev veth1", "link set veth1 up")


class Process:
    """A program in the background, its output in a log file that is shown on failure."""

    running = []
    _number = 0

    def __init__(self, *command, name=None, netns=None, dies=False, pass_fds=()):
        """`dies`: it is seen to otherwise that the program dies with the one that started it;
        nothing else is then started first, and it can be timed from started_ns."""
        os.makedirs(LOGS, exist_ok=True)
        Process._number += 1
        self.name = name or os.path.basename(str(command[0]))
        self.log = os.path.join(LOGS, f"{Process._number:04d}-{self.name}.log")
        self.command = list(map(str, command))
        self.stopped = False  # by a test that asked it to

        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.log)  # it may be another user's
        with open(self.log, "wb") as log, netns or contextlib.nullcontext():
            log.write((" ".join(self.command) + "\n").encode())
            log.flush()
            self.started_ns = time.monotonic_ns()
            self.popen = subprocess.Popen(self.command if dies else [*TIED, *self.command],
                                          stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          pass_fds=pass_fds)
        Process.running.append(self)

    @property
    def pid(self):
        return self.popen.pid

    def child(self):
        """The pid of what `kiln run` runs and waits for, once there is one; else None."""
        self.check_alive()
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as children:
            pids = children.read().split()
        return int(pids[0]) if pids else None

    def alive(self):
        return self.popen.poll() is None

    def text(self):
        with open(self.log, errors="replace") as log:
            return log.read()

    def check_alive(self):
        if not self.alive():
            raise Failed(f"{self.name} ended by itself: {describe(self.popen.returncode)}")

    def wait(self, seconds=10.0):
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} did not end within {seconds:g} s") from None

    def stop(self, signal_number=signal.SIGINT, seconds=10.0):
        """Asks it to stop, and returns its exit status; kills it if it does not listen."""
        self.stopped = True
        if self.alive():
            self.popen.send_signal(signal_number)
        try:
            return self.wait(seconds)
        finally:
            self.end()

    def end(self):
        """Kills it if it lives, but keeps it among those whose log a failure shows."""
        if self.alive():
            self.popen.kill()
            self.popen.wait()

    def kill(self):
        self.end()
        if self in Process.running:
            Process.running.remove(self)

    @classmethod
    def kill_all(cls):
        for process in list(cls.running):
            process.kill()


def describe(status):
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"
