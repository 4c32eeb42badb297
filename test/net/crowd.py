"""Very many connections, and floods of what is none."""

import contextlib
import resource
import socket
import struct

from harness import Netns, check, check_equal, run
from linked import JAILED, PATIENCE, accept, check_echo, wait_said

WORLDS = JAILED
MANY = 10_000
AT_ONCE = 4_000
FLOOD = 20_000
TCP_HEADER = 24  # with the option MSS


def test_many_to_server(world):
    """a server of 8 MB takes 10,000 connections, one after the other"""
    with world.start(world.build("echo"), memory="8M").wait_up(7) as echo, echo.net:
        run("sysctl", "-qw", "net.ipv4.ip_local_port_range=10000 65000")
        for number in range(MANY):
            with world.connect(7, PATIENCE) as s:
                s.sendall(b"%d" % number)
                check_equal(s.recv(100), b"%d" % number, "what came back")


def test_many_at_once(world):
    """a web server of 16 MB answers 4,000 clients that stay, in turn and once more"""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with contextlib.ExitStack() as stack:
        web = stack.enter_context(world.start(world.build("web"), memory="16M").wait_up(80))
        stack.enter_context(web.net)
        clients = []
        for _ in range(AT_ONCE):
            clients.append(stack.enter_context(world.connect(80, PATIENCE)))
            check_answer(clients[-1])
        for client in clients:
            check_answer(client)


def check_answer(client):
    client.sendall(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        more = client.recv(4096)
        check(more, f"the connection ended behind {head!r}")
        head += more
    check(head.startswith(b"HTTP/1.1 200 "), f"the answer: {head!r}")


def test_many_of_client(world):
    """a client of 8 MB opens 10,000 connections, fifty at a time"""
    net = Netns()
    with world.listen(net) as listener, \
            world.start_caller("--tasks", 50, "--count", MANY // 50, net=net,
                               memory="8M") as caller:
        for number in range(MANY):
            with accept(listener) as s:
                s.sendall(b"%d" % number)
                s.shutdown(socket.SHUT_WR)
                check_equal(s.recv(100), b"%d" % number, "what came back")
        wait_said(caller, f"caller: {MANY} of {MANY} went well")


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def syn(world, number):
    """A packet that opens a connection, from an address that nobody has."""
    source = f"10.99.{number >> 8 & 255}.{number & 255}" if world.version == 4 else \
        f"fd00:99::{number:x}"
    addresses = socket.inet_pton(world.family, source) + \
        socket.inet_pton(world.family, world.address)
    segment = struct.pack("!HHIIBBHHHBBH", 1024 + number % 60000, 7, number, 0,
                          TCP_HEADER // 4 << 4, 2, 65535, 0, 0, 2, 4, 1460)
    total = checksum(addresses + struct.pack("!II", TCP_HEADER, socket.IPPROTO_TCP) + segment)
    segment = segment[:16] + struct.pack("!H", total) + segment[18:]
    if world.version == 4:
        return struct.pack("!BBHHHBBH", 0x45, 0, 20 + TCP_HEADER, 0, 0, 64,
                           socket.IPPROTO_TCP, 0) + addresses + segment
    return struct.pack("!IHBB", 6 << 28, TCP_HEADER, socket.IPPROTO_TCP, 64) + addresses + segment


def test_syn_flood(world):
    """while SYNs from nowhere pour in, a client is served, old and new"""
    data = b"real" * 1000
    with world.start(world.build("echo"), memory="8M").wait_up(7) as echo, echo.net, \
            world.connect(7, PATIENCE) as old, \
            socket.socket(world.family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for number in range(FLOOD):
            raw.sendto(syn(world, number), (world.address, 0))
            if number % 500 == 499:
                with world.connect(7, PATIENCE) as s:
                    check_echo(s, data)
                old.sendall(b"%d" % number)
                check_equal(old.recv(100), b"%d" % number, "what came back by the old one")
