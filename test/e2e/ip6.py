"""IPv6 against Linux: ping, neighbours, router advertisements, HTTP. Sealed targets only: on
host, Linux's own stack would answer."""

import re
import socket
import struct

import worlds
from harness import check, check_equal, run, wait_for
from worlds import TAP

WORLDS = [world for world in worlds.WORLDS if world.target != "host"] + [worlds.XDP]
OURS, CLIENT, ROUTED = "fd00:7::2", "fd00:7::1", "fd00:8::"
FAR = "fd00:9::1"
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


def test_all_nodes(world):
    """it answers a ping to all nodes from its link-local address, by which it can be reached"""
    with start(world) as echo, echo.net:
        run("ping", "-6", "-c", 1, "-W", 5, OURS)
        known = run("ip", "-6", "neighbour", "show", "dev", TAP).stdout
        mac = re.search(rf"^{OURS} lladdr (\S+) .*(REACHABLE|DELAY|STALE)", known, re.M).group(1)
        own = wait_for(lambda: re.search(r"inet6 (fe80:\S+)/64 scope link(?! tentative)", run(
            "ip", "-6", "address", "show", "dev", TAP).stdout), "a link-local address").group(1)
        out = run("ping", "-6", "-c", 2, "-i", "0.2", "-w", 5, f"{ALL_NODES}%{TAP}",
                  check_status=False).stdout
        others = {address for address in re.findall(r"from (fe80:[0-9a-f:]+)", out)} - {own}
        check(len(others) == 1, f"{mac} and nobody else answers beside {own}: {out}")
        out = run("ping", "-6", "-c", 1, "-W", 5, f"{others.pop()}%{TAP}").stdout
        check(" 0% packet loss" in out, out)


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


def advertise(net):
    """Linux says that it is a router. False: it cannot yet, for want of an address."""
    with net, socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as s:
        index = socket.if_nametoindex(TAP)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        try:
            s.sendto(advertisement(), (ALL_NODES, 0, 0, index))
        except OSError:
            return False
    return True


def advertisement():
    """A router that has a prefix for addresses (RFC 4861, 4.2 and 4.6.2)."""
    prefix = socket.inet_pton(socket.AF_INET6, ROUTED)
    return (struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) +
            struct.pack("!BBBBIII", 3, 4, 64, 0xc0, 3600, 1800, 0) + prefix)


def test_autoconfiguration(world):
    """an address is made from a prefix that a router advertises, and answers"""
    with start(world, ip6="auto") as echo:
        def advertised():
            return advertise(echo.net) and re.search(
                r"net0 up, (fd00:8::[0-9a-f:]+|fd00:8:[0-9a-f:]+)/64", echo.process.text())
        address = wait_for(advertised, "an address").group(1)
        with echo.net:
            run("ip", "-6", "route", "add", f"{ROUTED}/64", "dev", TAP)
            out = run("ping", "-6", "-c", 2, "-i", "0.02", "-W", 5, address).stdout
        check(" 0% packet loss" in out, out)


def test_router_of_given_address(world):
    """with an address that is given, it answers hosts of other networks by an advertised router"""
    with start(world) as echo, echo.net:
        run("ip", "address", "add", f"{FAR}/128", "dev", "lo")
        ping = ["ping", "-6", "-c", 1, "-W", 1, "-I", FAR, OURS]
        check(run(*ping, check_status=False).returncode, "a way out before there is a router")
        wait_for(lambda: advertise(echo.net) and not run(*ping, check_status=False).returncode,
                 "an answer", 20)
        check("fd00:8" not in echo.process.text(), "an address that nobody gave")


test_router_of_given_address.worlds = ["jail"]  # what differs elsewhere is under the stack
