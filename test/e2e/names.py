"""Names and time: an image asks dnsmasq for addresses, connects by name, and sets its clock."""

import os
import re
import socket
import struct
import tempfile
import threading
import time

from harness import Netns, Process, check, ip, run, wait_for
from worlds import ADDRESS, CLIENT, TAP, WORLDS  # noqa: F401 (see run.py)

PORT = 9000
AHEAD = 100_000          # seconds, of the time server's clock
SINCE_1900 = 2208988800


def say_hello(listener):
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.sendall(b"hello")
        connection.close()


def tell_time(server):
    """SNTP, as RFC 5905, section 14 has a server do it."""
    while True:
        try:
            request, client = server.recvfrom(512)
        except OSError:
            return
        if not client:  # shut down
            return
        now = time.time() + AHEAD + SINCE_1900
        stamp = struct.pack(">II", int(now) & 0xffffffff, int(now % 1 * 2**32))
        server.sendto(struct.pack(">BBbbII4s", 0x24, 1, 6, -20, 0, 0, b"TEST") +
                      stamp + request[40:48] + stamp + stamp, client)


class Servers:
    """In a namespace: dnsmasq, and services by TCP and UDP that have names there."""

    def __init__(self, net, *options):
        with net:
            self.listener = socket.create_server(("", PORT))
            self.clock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.clock.bind(("", 123))
        self.dnsmasq = Process(
            "dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts",
            "--conf-file=/dev/null", "--log-facility=-", "--log-queries", "--bind-dynamic",
            f"--listen-address={CLIENT}", "--user=root", "--pid-file=",
            f"--host-record=service.kiln.test,{CLIENT}", "--cname=alias.kiln.test,service.kiln.test",
            f"--host-record=clock.kiln.test,{CLIENT}", *options, name="dnsmasq", netns=net)
        for serve, at in ((say_hello, self.listener), (tell_time, self.clock)):
            threading.Thread(target=serve, args=(at,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.dnsmasq.kill()
        for at in (self.listener, self.clock):
            try:
                at.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            at.close()


def expect(image, text):
    wait_for(lambda: image.process.check_alive() or text in image.process.text(), text, 20)


def expect_time(image):
    expect(image, "the time is ")
    said = int(re.search(r"the time is (\d+)", image.process.text()).group(1))
    check(abs(said - time.time() - AHEAD) < 15, f"{said} is not the server's time")


def test_given_server(world):
    """an image asks the server of --dns, follows an alias, and takes a server's time"""
    world.need()
    net = Netns()
    with Servers(net), world.start(
            world.build("names"), "--dns", CLIENT, "--service", "alias.kiln.test",
            "--clock", "clock.kiln.test", net=net) as image:
        expect(image, "alias.kiln.test says hello")
        expect_time(image)


def test_unknown_name(world):
    """a name that does not exist is an error, and not waited for"""
    world.need()
    net = Netns()
    with Servers(net, "--local=/kiln.test/"), world.start(
            world.build("names"), "--dns", CLIENT, "--service", "nobody.kiln.test",
            "--clock", CLIENT, net=net) as image:
        expect(image, "nobody.kiln.test: not found")
        expect_time(image)


class Network:
    """In a namespace: the tap that an image is on, and Servers that give it an address."""

    def __init__(self, *options):
        self.net = Netns()
        self.folder = tempfile.TemporaryDirectory(prefix="kiln-names-")
        self.lease = os.path.join(self.folder.name, "leases")
        with self.net:
            ip(f"tuntap add {TAP} mode tap", f"address add {CLIENT}/24 dev {TAP}",
               f"link set {TAP} up")
        self.servers = Servers(self.net, f"--dhcp-range={ADDRESS},{ADDRESS},2m",
                               "--dhcp-authoritative", "--no-ping", "--log-dhcp",
                               f"--dhcp-leasefile={self.lease}", *options)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.servers.__exit__(*what)
        self.folder.cleanup()


def test_told_server(world):
    """an image asks the servers that DHCP tells of, in the domain that it tells of"""
    world.need()
    with Network("--dhcp-option=option:domain-search,other.test,kiln.test",
                 "--domain=kiln.test") as network, world.start(
            world.build("names"), "--hostname", "kiln-e2e", address=None,
            net=network.net) as image:
        expect(image, "service says hello")
        expect_time(image)
        wait_for(lambda: "kiln-e2e" in open(network.lease).read(), "the host's name", 5)
        check("query[a] service.other.test" in network.servers.dnsmasq.text().lower(),
              "the domains are searched in their order")


test_told_server.worlds = ["jail", "kvm", "qemu"]  # host has its own resolv.conf


def test_told_time(world):
    """an image takes the time from the server, and the MTU, that DHCP tells of"""
    world.need()
    with Network(f"--dhcp-option=option:ntp-server,{CLIENT}", "--dhcp-option=option:mtu,1400",
                 "--domain=kiln.test") as network:
        listening = Process("tcpdump", "-i", TAP, "-lnc1",
                            f"src {ADDRESS} and tcp[tcpflags] & tcp-syn != 0", netns=network.net)
        wait_for(lambda: "listening on" in listening.text(), "tcpdump", 10)
        with world.start(world.build("names"), "--service", "service.kiln.test", "--clock", "",
                         address=None, net=network.net) as image:
            expect(image, "service.kiln.test says hello")
            expect_time(image)
            wait_for(lambda: f"mss {1400 - 40}," in listening.text(), "a SYN of that MTU", 5)
        listening.kill()


test_told_time.worlds = ["jail"]  # what differs elsewhere is under the stack
