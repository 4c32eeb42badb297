"""What the modules of the suite net share: Linux and an image, joined by `kiln link`, which
speak one family with each other.

They stand in for the worlds of the other suites: `./kiln test net/bulk@ip6`.
"""

import hashlib
import random
import socket
import threading
import zlib

from harness import Failed, Netns, check, check_equal, kvm_serves, run, wait_for
from worlds import WORLDS, BadLink, LinkedWorld, adding, ip, pattern

PORT = 7777       # of Linux, that an image connects to
PATIENCE = 60     # seconds for what takes less than one on a machine that is not busy

LOSS = ("--loss", "5%")
REORDER = ("--reorder", "25%")
DUPLICATE = ("--duplicate", "5%")
CORRUPT = ("--corrupt", "1%")
DELAY = ("--delay", "100ms", "--jitter", "20ms")


class Family(LinkedWorld):
    """A world of one family: the image is at `address`, Linux at `client`."""

    def __init__(self, world, version, name):
        super().__init__(name, world)
        self.version = version
        self.family = socket.AF_INET if version == 4 else socket.AF_INET6
        self.network = "10.7.0." if version == 4 else "fd00:7::"
        self.far_network = "10.8.0." if version == 4 else "fd00:8::"
        self.bits = 24 if version == 4 else 64
        self.address, self.gateway = self.network + "2", self.network + "1"

    def start(self, image, *settings, link=(), mtu=1500, far_mtu=None, **options):
        """`link`: what it does to frames. `far_mtu`: of a second link, behind a router, on
        which Linux is then."""
        self.bad, self.mtu, self.far_mtu = link, mtu, far_mtu
        self.client = self.far_network + "2" if far_mtu else self.gateway
        own = f"{self.address}/{self.bits}"
        if self.version == 4:
            own = ["--ip", own, "--gateway", self.gateway, "--ip6", "off"]
        else:
            own = ["--ip", "off", "--ip6", own, "--gateway6", self.gateway]
        return super().start(image, *own, *settings, address=None, **options)

    def start_caller(self, *settings, **options):
        """An image that connects to Linux's PORT, where somebody must be listening for the
        connections to be taken; its namespace has to be there before."""
        client = self.far_network + "2" if options.get("far_mtu") else self.gateway
        return self.start(self.build("caller"), "--to", client, "--port", PORT, *settings,
                          **options)

    def place(self, net, others):
        near = net
        if self.far_mtu:
            near = self.router = Netns()
            others.append(near)
        self.link = BadLink(near, self.bad, f"{self.gateway}/{self.bits}", self.mtu)
        others.append(self.link)
        if self.far_mtu:
            self.join_far(net)
        return self.link.netns

    def join_far(self, net):
        """The link from the router to Linux."""
        with self.router:
            run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
            ip(f"link add far0 type veth peer name far1 netns {net.path}",
               adding(f"{self.far_network}1/{self.bits}", "far0"))
        with net:
            ip(adding(f"{self.far_network}2/{self.bits}", "far1"))
        self.set_far_mtu(net, self.far_mtu)
        with net:
            run("ip", f"-{self.version}", "route", "add", "default", "via",
                f"{self.far_network}1")

    def set_far_mtu(self, net, mtu):
        for netns, interface in ((self.router, "far0"), (net, "far1")):
            with netns:
                ip(f"link set {interface} mtu {mtu} up")

    def listen(self, net, backlog=128):
        """Linux's end of what the image opens. Any address, as its own may not be there yet."""
        with net:
            listener = socket.create_server(("", PORT), family=self.family, backlog=backlog)
        listener.settimeout(PATIENCE)
        return listener


def families(world, prefix=""):
    return [Family(world, version, f"{prefix}ip{version}") for version in (4, 6)]


JAILED = families(WORLDS[1])
IN_GUEST = families(WORLDS[2] if kvm_serves() else WORLDS[3], "vm-")


def accept(listener):
    s, _ = listener.accept()
    s.settimeout(PATIENCE)
    return s


def check_bytes(got, expected, what):
    """By their hash: what differs is no pleasure to read."""
    check_equal((len(got), hashlib.sha256(got).hexdigest()),
                (len(expected), hashlib.sha256(expected).hexdigest()), what)


def read_all(s):
    got = bytearray()
    while piece := s.recv(65536):
        got += piece
    return bytes(got)


def check_echo(s, data):
    """All comes back, then a FIN; the end of the data is told by a half close."""
    failures = []

    def send():
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        except OSError as error:
            failures.append(error)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        got = read_all(s)
    finally:
        sender.join()
    if failures:
        raise Failed(f"while sending: {failures[0]}")
    check_bytes(got, data, "what came back")


def check_link(world, *happened):
    """Frames went both ways, and the link did to them what it was there for."""
    counters = world.link.counters()
    for way in counters:
        check(way["frames"], f"nothing passed: {way}")
    for what in happened:
        check(sum(way[what] for way in counters), f"nothing was {what}: {counters}")


def wait_said(instance, words, seconds=PATIENCE):
    """The image prints the words."""
    def said():
        instance.process.check_alive()
        return words in instance.process.text()
    wait_for(said, f"'{words}' printed", seconds, 0.02)


def serve(world, size, happened=(), **link):
    """Kiln is the server, of an upload and a download."""
    data = random.Random(size).randbytes(size)
    with world.start(world.build("transfer"), **link).wait_up() as image:
        said = image.curl("-T", "-", f"{image.url}/", input=data, text=False).stdout
        check_equal(said.decode(), f"{size} {zlib.crc32(data):08x}\n",
                    "length and CRC of the upload")
        check_bytes(image.fetch(f"/{size}"), pattern(size), "the download")
        check_link(world, *happened)


def call(world, size, happened=(), **link):
    """Kiln is the client, which sends back what it is told."""
    data = random.Random(size).randbytes(size)
    net = Netns()
    with world.listen(net) as listener, world.start_caller(net=net, **link):
        with accept(listener) as s:
            check_echo(s, data)
        check_link(world, *happened)
