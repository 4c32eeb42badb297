"""The worlds in which the end-to-end tests run an appliance: host, jail, KVM and QEMU; a jail on
AF_XDP; and jail and KVM behind a bad link.

Each instance has a network namespace of its own, from which the test's clients reach it at
ADDRESS. A sealed image has a tap there, a host image, or one on AF_XDP, a veth to a second
namespace.
"""

import array
import fcntl
import hashlib
import json
import os
import random
import shutil
import socket
import struct

import harness
from harness import (ADDRESS, CLIENT, KILN, ROOT, TAP, Failed, Netns, Process, Skip, ip, join,
                     make_site, need_root, run, wait_for)

LARGE = "/large.bin"


class Instance:
    """A running appliance."""

    def __init__(self, world, process, net, where, others):
        self.world = world
        self.process = process
        self.net = net
        self.where = where  # the namespace of the image itself: the clients', but for host
        self._others = others

    @property
    def url(self):
        address = self.world.address
        return f"http://[{address}]" if ":" in address else f"http://{address}"

    def curl(self, *arguments, **options):
        with self.net:
            return run("curl", "-gsS", "--max-time", "60", *arguments, **options)

    def fetch(self, path, *arguments):
        """The body of a response that must be a success."""
        return self.curl("--fail", "--path-as-is", *arguments, self.url + path,
                         text=False).stdout

    def answers(self, port=80):
        """True if a TCP connection to the port succeeds."""
        with self.net:
            try:
                self.world.connect(port, 1.0).close()
                return True
            except OSError:
                return False

    def wait_up(self, port=80, seconds=20.0):
        def ready():
            self.process.check_alive()
            return self.answers(port)
        wait_for(ready, f"port {port} open", seconds, 0.02)
        return self

    def stop(self):
        """Ctrl-C; the appliance must have lived until then, and must end with status 0."""
        self.process.check_alive()
        status = self.process.stop()
        self.close()
        if status != 0:
            raise Failed(f"after Ctrl-C: {harness.describe(status)}")

    def close(self):
        """Ends it; the log is kept in Process.running until it has been shown."""
        self.process.end()
        for netns in [self.net] + self._others:
            netns.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None and not self.process.stopped:
            self.stop()
        else:
            self.close()


def connect(port=80, timeout=10.0):
    """A TCP connection to the appliance, from within its namespace."""
    return socket.create_connection((ADDRESS, port), timeout)


class World:
    address = ADDRESS
    device = None  # what is behind --net; None: a tap

    def __init__(self, name, target, monitor=None, slow=False, options=()):
        self.name = name
        self.target = target
        self.monitor = monitor
        self.options = options  # of kiln run
        self.slow = slow  # an emulated processor: smaller loads, longer deadlines

    def need(self):
        need_root()
        if self.monitor == "kvm" and not harness.kvm_serves():
            raise Skip("no /dev/kvm")

    def build(self, appliance, *settings):
        return build(appliance, self.target, *settings)

    def connect(self, port=80, timeout=10.0):
        """As connect(), to an address of this world."""
        return socket.create_connection((self.address, port), timeout)

    def start(self, image, *settings, address=f"{ADDRESS}/24", memory="16M", net=None,
              tap=TAP, log="info"):
        """Runs the image. `net`: a namespace that is prepared already."""
        self.need()
        others = []
        net = net or Netns()
        options = ["-m", memory, "--log", log, *self.options, *settings]
        where = self.place(net, others)
        if self.target != "host":
            options += ["--net", self.device or f"tap:{tap}"]
            if address:
                options += ["--ip", address, "--gateway", CLIENT]
        if self.monitor:
            options += ["--monitor", self.monitor]
        process = Process(KILN, "run", image, *options, name=f"{self.name}-{image_name(image)}",
                          netns=where)
        return Instance(self, process, net, where, others)

    def place(self, net, others):
        """The namespace that the image runs in; `others`: what is closed with it."""
        if self.target != "host":
            return net
        where = Netns()
        others.append(where)
        join(net, where)
        return where

    def start_bare(self, image, *settings):
        """Runs an image without devices."""
        self.need()
        monitor = ["--monitor", self.monitor] if self.monitor else []
        return Process(KILN, "run", image, *monitor, *settings,
                       name=f"{self.name}-{image_name(image)}")


def adding(address, interface):
    """A command for ip(). For use at once: nobody else has it."""
    return f"address add {address} dev {interface}" + " nodad" * (":" in address)


class BadLink:
    """`kiln link` between the clients' namespace and a bridge in one of its own, on which the
    image's tap is. `address`: the clients' of it."""

    def __init__(self, net, options, address=f"{CLIENT}/24", mtu=1500):
        self.netns = Netns()
        self.process = Process(KILN, "link", "--json", *options, "link0", "link1",
                               netns=self.netns)
        wait_for(lambda: "are joined" in self.process.text(), "the link")
        with self.netns:
            ip(f"link set link0 netns {net.path}", "link add bridge0 type bridge",
               f"tuntap add dev {TAP} mode tap",
               *(f"link set {port} mtu {mtu} master bridge0 up" for port in ("link1", TAP)),
               "link set bridge0 up")
        with net:
            ip(f"link set link0 mtu {mtu} up", adding(address, "link0"))

    def counters(self):
        """Ends the link: what it counted, of each way."""
        status = self.process.stop()
        if status != 0:
            raise Failed(f"kiln link: {harness.describe(status)}")
        return [json.loads(line) for line in self.process.text().splitlines()
                if line.startswith("{")]

    def close(self):
        self.process.end()
        self.netns.close()


class LinkedWorld(World):
    """One whose image is reached through a bad link; `link` is that of the last start."""

    def __init__(self, name, world, *options):
        super().__init__(name, world.target, world.monitor)
        self.bad = options
        self.link = None

    def place(self, net, others):
        self.link = BadLink(net, self.bad)
        others.append(self.link)
        return self.link.netns


SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17


def finish_checksums(interface):
    """ethtool -K INTERFACE tx off: what leaves by it is whole. On a veth it would not be, and
    who takes frames by AF_XDP is not told."""
    off = array.array("I", [ETHTOOL_STXCSUM, 0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCETHTOOL,
                    struct.pack("16sQ16x", interface.encode(), off.buffer_info()[0]))


class XdpWorld(World):
    """A jail whose device is by AF_XDP on one end of a veth; the other end, named as a tap would
    be, is the clients'. `bridge`: on a bridge that the veth is a port of, whose driver runs no
    programs, so that the kernel's generic code does."""

    def __init__(self, name, bridge=False):
        super().__init__(name, "jail")
        self.bridge = bridge
        self.device = "xdp:bridge0" if bridge else "xdp:eth0,queue=0"

    def place(self, net, others):
        where = Netns()
        others.append(where)
        with where:
            ip(f"link add eth0 type veth peer name {TAP} netns {net.path}",
               *(["link add bridge0 type bridge", "link set eth0 master bridge0",
                  "link set bridge0 addrgenmode none up"] if self.bridge else []),
               "link set eth0 addrgenmode none up")
        with net:
            finish_checksums(TAP)
            ip(adding(f"{CLIENT}/24", TAP), f"link set {TAP} up")
        return where


WORLDS = [
    World("host", "host"),
    World("jail", "jail"),
    World("kvm", "vm", "kvm"),
    World("qemu", "vm", "qemu", slow=True),
]
# Without the ring that a jail has otherwise, nor rests.
CALLS = World("calls", "jail", options=("--io-uring", "off", "--rest", "0"))
XDP, XDP_GENERIC = XdpWorld("xdp"), XdpWorld("xdp-generic", bridge=True)
BAD = ("--loss", "2%", "--delay", "5ms", "--reorder", "2%", "--duplicate", "1%",
       "--corrupt", "0.5%")
LINKED_WORLDS = [LinkedWorld(f"{world.name}-link", world, *BAD) for world in WORLDS[1:3]]


# What jobs share, each in a folder of its own.
SHARED = os.path.join(ROOT, "build/test/shared")


def shared(name, make):
    """The folder of what the first job that asks for it has make(folder) put there, in a run of
    the suites; the others wait for it."""
    folder = os.path.join(SHARED, name)
    os.makedirs(folder, exist_ok=True)
    turn = os.environ.get("KILN_TEST_RUN", str(os.getpid()))
    with open(f"{folder}.made", "a+") as made:
        fcntl.flock(made, fcntl.LOCK_EX)
        made.seek(0)
        if made.read() != turn:
            made.truncate(0)
            make(folder)
            made.write(turn)
    return folder


def site():
    """The guide's site, with a file in it that takes many round trips, for the web appliance."""
    def make(folder):
        shutil.copytree(make_site(), folder, dirs_exist_ok=True)
        with open(folder + LARGE, "wb") as file:
            file.write(random.Random(1).randbytes(300_000))
    return shared("site", make)


def image_name(image):
    return os.path.basename(image)


def build(appliance, target, *settings):
    """Builds appliance/NAME, or test/image/NAME, once for each set of settings: as NAME.TARGET,
    from what is beside it in a folder of the same name."""
    source = os.path.join(ROOT, "appliance", appliance)
    if not os.path.isdir(source):
        source = os.path.join(ROOT, "test/image", appliance)
    # Some try what the seal forbids, which `kiln build` would not make unasked.
    unsealed = ["--unsealed"] if appliance in ("attack", "ring3", "rings") else []
    image = f"{appliance}.{target}"

    def make(folder):
        run(KILN, "build", source, "-t", target, "-o", os.path.join(folder, image), *unsealed,
            *settings, env=dict(os.environ, KILN_STATE=folder), timeout=300)
    settled = f"-{hashlib.sha256(repr(settings).encode()).hexdigest()[:8]}" if settings else ""
    return os.path.join(shared(image + settled, make), image)


def pattern(length):
    """What test/image/transfer sends."""
    block = bytes((i * 167 + (i >> 8) * 13) & 255 for i in range(65536))
    out = bytearray()
    for turn in range(length // 65536 + 1):
        out += block.translate(bytes((b + 5 * turn) & 255 for b in range(256)))
    return bytes(out[:length])
