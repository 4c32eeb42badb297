"""Kiln's TCP against Linux's, where it is not plain sailing: half close, resets, closed
windows, floods, a peer that is gone, a lossy or narrow path, thousands of connections."""

import random
import select
import shutil
import socket
import struct
import threading

import worlds
from harness import Skip, check, check_equal, ip, run, wait_for
from worlds import ADDRESS, CLIENT, TAP, connect

WORLDS = [world for world in worlds.WORLDS if world.target != "host"]


def start_echo(world, *settings, **options):
    return world.start(world.build("echo"), *settings, **options).wait_up(7)


def scale(world, count):
    return count // 20 if world.slow else count


def echo_bytes(s, data):
    """What comes back for the data, its end told by a half close."""
    sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
    sender.start()
    got = bytearray()
    while piece := s.recv(65536):
        got += piece
    sender.join()
    return bytes(got)


def reset(s):
    """Closes with a RST."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def test_half_close(world):
    """after the client's FIN all that was sent still comes back, then a FIN"""
    with start_echo(world) as echo, echo.net, connect(7) as s:
        s.sendall(b"last words")
        s.shutdown(socket.SHUT_WR)
        got = bytearray()
        while piece := s.recv(100):
            got += piece
        check_equal(bytes(got), b"last words", "what came back")


def test_resets(world):
    """a RST in each state ends the connection and nothing else"""
    with start_echo(world) as echo:
        with echo.net:
            for _ in range(scale(world, 400)):
                reset(connect(7))  # established

                s = connect(7)  # data under way both ways
                s.sendall(b"x" * 3000)
                reset(s)

                s = connect(7)  # after its FIN: CLOSE-WAIT, LAST-ACK
                s.sendall(b"x")
                s.shutdown(socket.SHUT_WR)
                reset(s)
        check(echo.answers(7), "echo still answers")


def test_many_connections(world):
    """thousands of connections, one after the other, take nothing for good"""
    rounds = scale(world, 5000)  # many times what 8 MB has room for
    with start_echo(world, memory="8M") as echo, echo.net:
        run("sysctl", "-qw", "net.ipv4.ip_local_port_range=10000 65000")
        for number in range(rounds):
            with connect(7) as s:
                s.sendall(b"%d" % number)
                check_equal(s.recv(100), b"%d" % number, "what came back")


def test_time_wait(world):
    """thousands of connections that the server closes first find room in TIME-WAIT"""
    rounds = scale(world, 5000)
    with world.start(world.build("web"), memory="8M").wait_up() as web, web.net:
        for _ in range(rounds):
            with connect() as s:
                s.sendall(b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                check(s.recv(100).startswith(b"HTTP/1.1 200"), "a response")
                while s.recv(1000):
                    pass


def test_zero_window(world):
    """a client that reads nothing for a while, and then all, misses nothing"""
    data = random.Random(6).randbytes(8 * 1000 * 1000)
    with start_echo(world) as echo, echo.net:
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        s.settimeout(30)
        s.connect((ADDRESS, 7))
        s.setblocking(False)
        sent = 0
        while sent < len(data) and select.select([], [s], [], 2)[1]:
            sent += s.send(data[sent:sent + 65536])
        check(sent < len(data), "nothing ever held the sender back")
        s.setblocking(True)
        s.settimeout(30)
        sender = threading.Thread(
            target=lambda: (s.sendall(data[sent:]), s.shutdown(socket.SHUT_WR)))
        sender.start()
        got = bytearray()
        while piece := s.recv(65536):
            got += piece
        sender.join()
        s.close()
        check(bytes(got) == data, f"{len(got)} bytes came back, not the {len(data)} sent")


def test_thousand(world):
    """of a thousand connections at once each is served, though there are 64 tasks"""
    count = scale(world, 1000)
    with start_echo(world) as echo, echo.net:
        clients = []
        try:
            for number in range(count):
                clients.append(connect(7, 60))
                clients[-1].sendall(b"%d" % number)
            for number, s in enumerate(clients):
                check_equal(s.recv(100), b"%d" % number, f"from connection {number}")
                s.close()
        finally:
            for s in clients:
                s.close()


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def syn(source, port, number):
    """An IPv4 packet that opens a connection from a made-up address."""
    head = struct.pack("!HHIIBBHHHBBH", 1024 + number % 60000, port, number, 0, 6 << 4, 2,
                       65535, 0, 0, 2, 4, 1460)
    addresses = socket.inet_aton(source) + socket.inet_aton(ADDRESS)
    total = checksum(addresses + struct.pack("!HH", 6, len(head)) + head)
    head = head[:16] + struct.pack("!H", total) + head[18:]
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(head), 0, 0, 64, 6, 0) + addresses + head


def test_syn_flood(world):
    """a flood of SYNs from nowhere does not keep a real client out"""
    with start_echo(world, memory="8M") as echo, echo.net:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            for number in range(scale(world, 20000)):
                raw.sendto(syn(f"10.99.{number >> 8 & 255}.{number & 255}", 7, number),
                           (ADDRESS, 0))
                if number % 500 == 499:
                    with connect(7) as s:
                        check_equal(echo_bytes(s, b"real" * 1000), b"real" * 1000,
                                    "what came back")


def test_peer_gone(world):
    """clients that vanish without a word do not keep others out"""
    with start_echo(world, "--tasks", "8", "--idle", "2") as echo, echo.net:
        gone = [connect(7) for _ in range(8)]
        for s in gone:
            s.sendall(b"here")
            s.recv(4)
        ip(f"address del {CLIENT}/24 dev {TAP}", f"address add 10.7.0.9/24 dev {TAP}")
        wait_for(lambda: answers_with_data(echo), "an answer to others", 15, 0.1)
        for s in gone:
            reset(s)


def answers_with_data(echo):
    try:
        with connect(7, 2) as s:
            s.sendall(b"hello")
            return s.recv(5) == b"hello"
    except OSError:
        return False


def test_narrow_path(world):
    """with a smaller MTU at the client, all arrives, both ways"""
    data = random.Random(7).randbytes(scale(world, 2000) * 1000)
    for mtu in (576, 1280, 9000):
        with start_echo(world) as echo, echo.net:
            run("ip", "link", "set", TAP, "mtu", mtu)
            with connect(7, 30) as s:
                check(echo_bytes(s, data) == data, f"MTU {mtu}: what came back differs")


def test_loss(world):
    """with a twentieth of all packets lost, all arrives, both ways"""
    if not shutil.which("nft"):
        raise Skip("no nft (package nftables)")
    data = random.Random(8).randbytes(scale(world, 2000) * 1000)
    with start_echo(world) as echo, echo.net:
        for hook in ("input", "output"):
            run("nft", "-f", "-", input=f"""table ip lossy_{hook} {{
                chain lossy {{
                    type filter hook {hook} priority 0;
                    ip protocol tcp numgen random mod 100 < 5 drop
                }}
            }}""")
        with connect(7, 60) as s:
            check(echo_bytes(s, data) == data, "what came back differs")
