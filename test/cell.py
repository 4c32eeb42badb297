"""Where an attacking image is started in a jail: its devices, and what it would do harm to."""

import contextlib
import os
import sys

from attempts import outcome_of
from harness import KILN, WORK, Netns, Process, check, check_equal, ip, need_root, wait_for
from worlds import build

MONITORS = {"jail": "kiln-jail", "vm": "kiln-kvm"}
DISK_SIZE = 1 << 20
# What the kernel thinks of itself: not 0 after it has gone wrong (proc(5)).
TAINT = "/proc/sys/kernel/tainted"
CANARY = b"This stays as it is.\n"
# Frames of every size to an interface, a few each time that the image may run.
NOISE = """
import os, socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("cell1", 0))
while True:
    for size in range(14, 1515, 50):
        s.send(b"\\xff" * 6 + os.urandom(size - 6))
    os.sched_yield()
"""


class Cell:
    """A tap, a disk and one that is read-only; a file, a process and a descriptor that the
    monitor inherits, as canaries. The tap stays from start to start, so that they are fast.
    `xdp`: instead of the tap, one end of a veth by AF_XDP, to whose other frames are sent."""

    def __init__(self, image, target, memory, *options, xdp=False):
        need_root()
        self.image = build(image, target)
        self.monitor = os.path.join(os.path.dirname(KILN), MONITORS[target])
        self.memory = memory
        self.options = options
        self.network = "xdp:cell0" if xdp else "tap:cell0"
        self.taint = self.read(TAINT)
        self.netns = Netns()
        self.file = os.path.join(WORK, "canary")
        self.disk = os.path.join(WORK, "attacked.disk")
        self.write(self.file, CANARY)
        self.write(self.disk, bytes(DISK_SIZE))
        with self.netns:
            if xdp:
                ip("link add cell0 type veth peer cell1", "link set cell1 addrgenmode none up")
            else:
                ip("tuntap add dev cell0 mode tap")
            # Without addresses of its own the kernel sends nothing that an attempt would read.
            ip("link set cell0 addrgenmode none up")
        self.noise = (Process(sys.executable, "-c", NOISE, name="noise", netns=self.netns)
                      if xdp else None)
        self.canary = Process("sleep", "600", name="canary")
        # A disk that even root may only read: on a file system mounted so, of another process.
        self.mounter = Process("unshare", "--mount", "sh", "-c", f"""
            set -e
            mount -t tmpfs none /mnt
            truncate -s {DISK_SIZE} /mnt/disk
            mount -o remount,ro /mnt
            exec sleep 600""", name="read-only")
        self.read_only = f"/proc/{self.mounter.pid}/root/mnt/disk"
        wait_for(lambda: os.path.exists(self.read_only) and
                 not os.access(self.read_only, os.W_OK), "the read-only disk mounted")

    @staticmethod
    def write(path, content):
        with open(path, "wb") as file:
            file.write(content)

    @staticmethod
    def read(path):
        with open(path, "rb") as file:
            return file.read()

    @property
    def devices(self):
        return ["--net", f"net0={self.network}", "--disk", f"disk0={self.disk}",
                "--disk", f"disk1={self.read_only}", "-m", self.memory, *self.options]

    @contextlib.contextmanager
    def inherited(self):
        """The canary file as descriptor 9, which a careless parent would hand on."""
        with open(self.file, "r+b") as file:
            os.dup2(file.fileno(), 9)
        try:
            yield 9
        finally:
            os.close(9)

    def start(self, how, **settings):
        """Makes an attempt, by the monitor itself."""
        with self.netns, self.inherited() as descriptor:
            return outcome_of([self.monitor, *self.devices, self.image, f"attack={how}",
                               *(f"{key}={value}" for key, value in settings.items())],
                              pass_fds=[descriptor])

    def run(self, how):
        """Makes an attempt as a user would, by kiln run."""
        with self.netns:
            return outcome_of([KILN, "run", self.image, *self.devices, "--attack", how])

    def check_unharmed(self):
        check_equal(self.read(self.file), CANARY, "the canary file")
        check_equal(os.stat(self.file).st_mode & 0o777, 0o644, "the canary file's rights")
        self.canary.check_alive()
        check(b"TracerPid:\t0\n" in self.read(f"/proc/{self.canary.pid}/status"),
              "the canary process is traced")
        check(self.read(self.disk) == bytes(DISK_SIZE), "the disk was changed, or its size")
        check_equal(self.read(TAINT), self.taint, "what the kernel thinks of itself")
        check("cell0" in self.netns.interfaces(), "the tap is gone")

    def close(self):
        self.canary.kill()
        if self.noise:
            self.noise.kill()
        self.mounter.kill()
        self.netns.close()
        os.unlink(self.file)
        os.unlink(self.disk)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.check_unharmed()
        finally:
            self.close()
