"""IPv6 against Linux: ping, neighbours, router advertisements, HTTP. Sealed targets only: on
host, Linux's own stack would answer."""

import re
import socket
import struct

import worlds
from harness import check, check_equal, run, wait_for
from worlds import TAP

WORLDS = [world for world in worlds.WORLDS if world.target != "host"]
OURS, CLIENT, ROUTED = "fd00:7::2", "fd00:7::1", "fd00:8::"
ALL_NODES = "ff02::1"


def start(world, name="echo", port=7, ip6=f"{OURS}/64"):
    """The client's side of the tap has an address of the same network."""
    instance = world.start(world.build(name), "--ip6", ip6).wait_up(port)
    with instance.net:
        run("ip", "-6", "address", "add", f"{CLIENT}/64", "dev", TAP, "nodad")
    return instance


def test_ping(world):
    """ping -6 is answered, at every size up to fragments"""
    with start(world) as echo, echo.net:
        for size in (0, 1, 56, 1400, 1452, 1453, 3000, 8000):
            out = run("ping", "-6", "-c", 2, "-i", "0.02", "-W", 5, "-s", size, OURS).stdout
            check(" 0% packet loss" in out, f"{size} bytes: {out}")


def test_link_local(world):
    """its link-local address is found by asking all nodes' neighbours, and answers"""
    with start(world) as echo, echo.net:
        run("ping", "-6", "-c", 1, "-W", 5, OURS)
        known = run("ip", "-6", "neighbour", "show", "dev", TAP).stdout
        check(re.search(rf"^{OURS} lladdr .* (REACHABLE|DELAY|STALE)", known, re.M), known)


def test_http(world):
    """pages come over IPv6 as over IPv4"""
    instance = world.start(world.build("web", "--site", worlds.site()), "--ip6",
                           f"{OURS}/64").wait_up()
    with instance:
        with instance.net:
            run("ip", "-6", "address", "add", f"{CLIENT}/64", "dev", TAP, "nodad")
            body = run("curl", "-6", "-sS", "--fail", "--max-time", 60,
                       f"http://[{OURS}]{worlds.LARGE}", text=False).stdout
        check_equal(body == instance.fetch(worlds.LARGE), True, "the same bytes")


def test_udp_port_closed(world):
    """a UDP port that is closed is answered with port unreachable"""
    with start(world) as echo, echo.net:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.connect((OURS, 4444))
            s.send(b"anybody?")
            try:
                s.recv(10)
                check(False, "data came from a closed port")
            except ConnectionRefusedError:
                pass


def advertisement():
    """A router that has a prefix for addresses (RFC 4861, 4.2 and 4.6.2)."""
    prefix = socket.inet_pton(socket.AF_INET6, ROUTED)
    return (struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) +
            struct.pack("!BBBBIII", 3, 4, 64, 0xc0, 3600, 1800, 0) + prefix)


def test_autoconfiguration(world):
    """an address is made from a prefix that a router advertises, and answers"""
    with start(world, ip6="auto") as echo:
        def advertised():
            with echo.net, socket.socket(socket.AF_INET6, socket.SOCK_RAW,
                                         socket.IPPROTO_ICMPV6) as s:
                index = socket.if_nametoindex(TAP)
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
                try:
                    s.sendto(advertisement(), (ALL_NODES, 0, 0, index))
                except OSError:
                    return None  # the tap's own link-local address is not there yet
            return re.search(r"net0 up, (fd00:8::[0-9a-f:]+|fd00:8:[0-9a-f:]+)/64",
                             echo.process.text())
        address = wait_for(advertised, "an address").group(1)
        with echo.net:
            run("ip", "-6", "route", "add", f"{ROUTED}/64", "dev", TAP)
            out = run("ping", "-6", "-c", 2, "-i", "0.02", "-W", 5, address).stdout
        check(" 0% packet loss" in out, out)
