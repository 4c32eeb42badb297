"""User-mode networks: kiln run -p, by a plain user (served.py)."""

import contextlib
import os
import random
import re
import signal
import socket
import struct
import threading

from harness import KILN, Failed, Netns, Process, check, check_equal, ip, run
from served import FAMILIES, Served, plain_user
from worlds import WORLDS as ALL, pattern

WORLDS = [world for world in ALL if world.target != "host"]


def receive_all(s):
    got = bytearray()
    while piece := s.recv(1 << 20):
        got += piece
    return bytes(got)


def test_http(world):
    """a page is fetched over IPv4 and over IPv6, from a plain user's image, also before it is up"""
    with Served(world, world.build("web"), ["0:80"]) as web:
        first = web.curl("/")
        check(b"<html" in first.lower(), f"no page: {first[:100]}")
        check_equal(web.curl("/", family=socket.AF_INET6), first, "the page over IPv6")


def test_udp(world):
    """datagrams of every size come back to the client that sent them, also if sent before boot"""
    with Served(world, world.build("echo"), ["0:7/udp"]) as echo:
        port = echo.port(7, "udp")
        with echo.net:
            sockets = [socket.socket(family, socket.SOCK_DGRAM)
                       for family in FAMILIES for _ in range(5)]
        for s in sockets:
            s.settimeout(5)
            s.connect((FAMILIES[s.family], port))
        for size in (0, 1, 1472, 1473, 8000):
            data = [random.Random(f"{size} {n}").randbytes(size) for n in range(len(sockets))]
            for s, datagram in zip(sockets, data):
                s.send(datagram)
            for n, s in enumerate(sockets):
                check(s.recv(65536) == data[n], f"datagram of {size} bytes, client {n}")
        for s in sockets:
            s.close()


def test_large_transfers(world):
    """large transfers arrive intact, down, up, and both ways at once"""
    length = (2 if world.slow else 30) * 1000 * 1000 + 77
    with Served(world, world.build("transfer"), ["0:80"]) as source:
        check(source.curl(f"/{length}", family=socket.AF_INET6) == pattern(length),
              "the download differs")
    data = random.Random(9).randbytes(length)
    with Served(world, world.build("echo"), ["0:7"]) as echo, echo.connect(7) as s:
        sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
        sender.start()
        got = receive_all(s)
        sender.join()
        check(got == data, f"{len(got)} bytes came back, not the {len(data)} sent")


def test_many_connections(world):
    """200 connections at once, of both families and by two forwards, are not mixed up"""
    with Served(world, world.build("echo"), ["0:7", "127.0.0.1:0:7"], "--tasks", "250",
                memory="32M") as echo:
        echo.connect(7).close()
        ports = [int(port) for port in re.findall(r"is port (\d+) here", echo.process.text())]
        check_equal(len(ports), 2, "ports told")
        connections = []
        with echo.net:
            for n in range(200):
                family = socket.AF_INET6 if n % 4 == 0 else socket.AF_INET
                port = ports[n % 2 if family == socket.AF_INET else 0]
                connections.append(socket.create_connection((FAMILIES[family], port), 60))
        for n, s in enumerate(connections):
            s.sendall(b"%d " % n * 300)
            s.shutdown(socket.SHUT_WR)
        for n, s in enumerate(connections):
            check(receive_all(s) == b"%d " % n * 300, f"connection {n} got another's bytes")
            s.close()


def test_slow_reader(world):
    """a client that does not read holds nobody else up"""
    length = 10 * 1000 * 1000
    with Served(world, world.build("transfer"), ["0:80"]) as source:
        with source.connect() as slow:
            slow.sendall(b"GET /%d HTTP/1.1\r\nHost: kiln\r\n\r\n" % length)
            for _ in range(3):
                check(source.curl("/100000") == pattern(100000), "the other download differs")
            slow.sendall(b"GET /1 HTTP/1.1\r\nHost: kiln\r\nConnection: close\r\n\r\n")
            got = receive_all(slow)
            check(pattern(length) in got, "the slow download differs")


def test_refused(world):
    """a connection to a port that the image has closed is reset"""
    with Served(world, world.build("web"), ["0:80", "0:81"]) as web:
        web.curl("/")
        try:
            with web.connect(81) as s:
                s.recv(1)
        except ConnectionResetError:
            return
        raise Failed("an orderly end, where nobody listens")


def test_helper_dies(world):
    """an image whose network ends is ended, and that is told"""
    with Served(world, world.build("web"), ["0:80"]) as web:
        web.curl("/")
        os.kill(web.helper(), signal.SIGKILL)
        web.process.stopped = True
        check_equal(web.process.wait(), 1, "exit status")
        check("the network's process ended by a signal: Killed" in web.process.text(),
              "what is told")


def test_stopped_image(world):
    """Ctrl-C ends an image that stands still, with its network full"""
    with Served(world, world.build("echo"), ["0:7"]) as echo, echo.connect(7) as s:
        s.sendall(b"x")
        check_equal(s.recv(1), b"x", "echo")
        with open(f"/proc/{echo.process.pid}/task/{echo.process.pid}/children") as children:
            image = [int(pid) for pid in children.read().split() if int(pid) != echo.helper()]
        check_equal(len(image), 1, "processes beside the network's")
        os.kill(image[0], signal.SIGSTOP)
        s.setblocking(False)
        try:
            while s.send(bytes(1 << 20)):
                pass
        except BlockingIOError:
            pass
        check_equal(echo.process.stop(), 1, "exit status")
        check("did not stop by itself" in echo.process.text(), "what is told")


def test_addresses(world):
    """an image on a user-mode network may have an address of its own, or ask for one by DHCP"""
    for options, address in ((["--ip", "192.168.9.1/29"], "192.168.9.1/29"),
                             (["--ip", "172.20.0.9/16", "--gateway", "172.20.1.1"],
                              "172.20.0.9/16 gateway 172.20.1.1"),
                             (["--ip", "dhcp"], "10.0.2.15/24 gateway 10.0.2.2")):
        with Served(world, world.build("web"), ["0:80"], *options) as web:
            web.curl("/")
            check(f"net0 up, {address}" in web.process.text(), f"{options}: another address")


def test_devices(world):
    """two network devices have a network each, by their names"""
    with Served(world, world.build("devices"), ["inner=8081:80", "outer=127.0.0.1:8082:80"],
                memory="32M") as two:
        for name, port in (("inner", 8081), ("outer", 8082)):
            with two.net:
                got = run("curl", "-sS", "--fail", "--retry", 50, "--retry-connrefused",
                          "--retry-delay", 0, f"http://127.0.0.1:{port}/").stdout
            check_equal(got, name, f"what port {port} says")


def outward(world, net, *options):
    """What the image was told, and what the log says."""
    process = Process(*plain_user(world), KILN, "run", world.build("outward"), *options,
                      *(["--monitor", world.monitor] if world.monitor else []),
                      name="usernet-outward", netns=net)
    check_equal(process.wait(30), 0, f"exit status\n{process.text()}")
    process.kill()
    return re.findall(r"outward: (.*)", process.text()), process.text()


TOLD = "was told 'hello yourself'"
ROUTER6 = "fd4b:696c:6e00::2"  # as libslirp is told in usernet/nat.c


@contextlib.contextmanager
def server_outside():
    """A namespace with a server at 192.0.2.1 and 2001:db8::1, outside of what the image sees as
    its network."""
    net = Netns()
    with net:
        ip("address add 192.0.2.1/32 dev lo", "address add 2001:db8::1/128 dev lo nodad")
        listener = socket.create_server(("::", 7777), family=socket.AF_INET6,
                                        dualstack_ipv6=True)

    def answer(s):
        with s:
            s.sendall(s.recv(100) + b" yourself")
            s.recv(1)

    def serve():
        while True:
            try:
                threading.Thread(target=answer, args=[listener.accept()[0]], daemon=True).start()
            except OSError:
                return
    threading.Thread(target=serve, daemon=True).start()
    try:
        yield net
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        net.close()


def test_outward(world):
    """the image reaches what the host reaches, but its loopback only when that is asked for"""
    with server_outside() as net:
        for options, reaches in ((["--net", "user", "--to", "192.0.2.1"], True),
                                 (["--net", "user,loopback"], True),
                                 (["--net", "user"], False),
                                 (["--net", "user,closed", "--to", "192.0.2.1"], False),
                                 (["--net", "user", "--to", "2001:db8::1"], True),
                                 (["--net", "user,loopback", "--to", ROUTER6], True),
                                 (["--net", "user", "--to", ROUTER6], False)):
            told, log = outward(world, net, *options)
            check_equal(told == [TOLD], reaches, log)
            check(reaches or told in (["no answer"], ["unreachable"]), log)


def test_most(world):
    """beyond so many connections out the newest are refused, counted and told; old ones go on"""
    with server_outside() as net:
        told, log = outward(world, net, "--net", "user,most=5", "--to", "192.0.2.1",
                            "--count", "8")
        check_equal(told.count(TOLD), 5, log)
        check_equal(len(told), 8, log)
        check("the image has 5 connections and datagram ports open to the outside" in log, log)
        check("was refused 3 connections" in log, log)
        told, log = outward(world, net, "--net", "user,most=5", "--to", "192.0.2.1",
                            "--rounds", "12")
        check_equal(told, [TOLD] * 12, log)
        check("refused" not in log, log)


# An image's end of kiln-usernet's link, for frames that Kiln's own stack would never send.

IMAGE, ROUTER = bytes.fromhex("5254004b494c"), bytes.fromhex("525500000202")


def ipv4_udp(destination, port, payload=b"forged"):
    data = struct.pack("!HHHH", 1024, port, 8 + len(payload), 0) + payload
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(data), 1, 0, 64, 17, 0,
                         socket.inet_aton("10.0.2.15"), socket.inet_aton(destination))
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return ROUTER + IMAGE + b"\x08\x00" + header + data


def ipv6_udp(destination, port, payload=b"forged"):
    source, target = (socket.inet_pton(socket.AF_INET6, text)
                      for text in ("fd4b:696c:6e00::15", destination))
    data = struct.pack("!HHHH", 1024, port, 8 + len(payload), 0) + payload
    pseudo = source + target + struct.pack("!II", len(data), 17)
    data = data[:6] + struct.pack("!H", checksum(pseudo + data)) + data[8:]
    return (ROUTER + IMAGE + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(data), 17, 64) +
            source + target + data)


def checksum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def test_forged(world):
    """whatever address an image's packet names, it is not the loopback's of this machine"""
    if world is not WORLDS[0]:
        return  # it is the same network for all
    net = Netns()
    with net:
        ip("address add 192.0.2.1/32 dev lo", "address add 2001:db8::1/128 dev lo nodad")
        victim = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        victim.bind(("::", 0))  # of both families
    victim.settimeout(5)
    port = victim.getsockname()[1]
    link, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    end.setblocking(False)
    process = Process(os.path.join(os.path.dirname(KILN), "kiln-usernet"),
                      "--link", f"{end.fileno()},0", "--net",
                      "10.0.2.15/24,10.0.2.2,10.0.2.3,10.0.2.4,1500", "--most", "100",
                      pass_fds=[end.fileno()],
                      name="usernet-forged", netns=net)
    end.close()
    try:
        for address in ("127.0.0.1", "127.8.9.10", "0.0.0.0", "10.0.2.2", "255.255.255.255"):
            link.send(ipv4_udp(address, port))
        for address in ("::1", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0", "::127.0.0.1",
                        ROUTER6, "fd4b:696c:6e00::9", "fe80::2", "ff02::1"):
            link.send(ipv6_udp(address, port))
        for honest in (ipv4_udp("192.0.2.1", port, b"over IPv4"),
                       ipv6_udp("2001:db8::1", port, b"over IPv6")):
            link.send(honest)
            told, sender = victim.recvfrom(100)
            check(told != b"forged", f"a forged one arrived, from {sender[0]}")
        process.check_alive()
    finally:
        process.kill()
        link.close()
        victim.close()
        net.close()
