"""Kiln's TCP and Linux's where a connection does not just carry bytes: windows that close,
half close, resets, both ends opening at once, peers that vanish."""

import random
import select
import socket
import struct

from harness import Netns, check, check_equal, run, wait_for
from linked import (JAILED, LOSS, PATIENCE, PORT, accept, check_bytes, check_echo, read_all,
                    wait_said)
from worlds import TAP

WORLDS = JAILED
SMALL = 16384  # of a buffer of Linux's


def start_echo(world, *settings, **options):
    return world.start(world.build("echo"), *settings, **options).wait_up(7)


def reset(s):
    """Closes with a RST."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def fill(s, data):
    """Sends until nothing more is taken, for all windows on the way are full; how much."""
    s.setblocking(False)
    sent = 0
    while sent < len(data) and select.select([], [s], [], 3)[1]:
        sent += s.send(data[sent:sent + SMALL])
    s.settimeout(PATIENCE)
    check(sent < len(data), "nothing ever held the sender back")
    return sent


def check_full_window(s):
    """A reader that stops, and goes on when all is full, misses nothing."""
    data = random.Random(6).randbytes(8_000_000)
    sent = fill(s, data)
    kept = data[:sent]
    got = bytearray()
    while len(got) < len(kept) // 2:
        got += s.recv(SMALL)
    s.shutdown(socket.SHUT_WR)
    got += read_all(s)
    check_bytes(bytes(got), kept, "what came back")


def small_buffers(s):
    for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        s.setsockopt(socket.SOL_SOCKET, buffer, SMALL)


def test_full_window_server(world):
    """a client that stops reading fills all windows of a server, and then reads everything"""
    with start_echo(world, link=LOSS, memory="8M") as echo, echo.net:
        with socket.socket(world.family) as s:
            small_buffers(s)
            s.settimeout(PATIENCE)
            s.connect((world.address, 7))
            check_full_window(s)


def test_full_window_client(world):
    """a server that stops reading fills all windows of a client, and then reads everything"""
    net = Netns()
    with world.listen(net) as listener:
        small_buffers(listener)
        with world.start_caller(net=net, link=LOSS, memory="8M"), accept(listener) as s:
            check_full_window(s)


def test_half_close(world):
    """after a FIN all that was sent still comes back, by little windows, and then a FIN"""
    data = random.Random(7).randbytes(200_000)
    with start_echo(world, link=LOSS) as echo, echo.net:
        with socket.socket(world.family) as s:
            small_buffers(s)
            s.settimeout(PATIENCE)
            s.connect((world.address, 7))
            check_echo(s, data)


def test_half_close_client(world):
    """a client that has sent its FIN still takes all that the server has to say"""
    net = Netns()
    with world.listen(net) as listener, \
            world.start_caller("--say", 100_000, net=net, link=LOSS) as caller:
        with accept(listener) as s:
            check_bytes(read_all(s), bytes(100_000), "what it said")
            s.sendall(bytes(300_000))
        wait_said(caller, "caller: heard 300000 bytes")
        wait_said(caller, "caller: 1 of 1 went well")


def test_server_closes_first(world):
    """a server that closes first takes the client's FIN later, and leaves nothing open"""
    with world.start(world.build("web"), link=LOSS).wait_up() as web, web.net:
        for _ in range(20):
            with world.connect(80, PATIENCE) as s:
                s.sendall(b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                check(read_all(s).startswith(b"HTTP/1.1 200"), "a response")


def test_reset_by_client(world):
    """a server outlives clients that reset: at once, with data under way, after their FIN"""
    with start_echo(world) as echo, echo.net:
        for number in range(300):
            s = world.connect(7, PATIENCE)
            if number % 3 > 0:
                s.sendall(b"x" * 3000)
            if number % 3 > 1:
                s.shutdown(socket.SHUT_WR)
            reset(s)
        with world.connect(7, PATIENCE) as s:
            check_echo(s, b"still here")


def test_reset_by_server(world):
    """a client is told of resets, at once and with data under way, and of closed ports"""
    net = Netns()
    with world.listen(net) as listener, \
            world.start_caller("--count", 4, net=net) as caller:
        for number in range(2):
            s = accept(listener)
            s.sendall(b"x" * 3000 * number)
            reset(s)
            wait_for(lambda: caller.process.text().count("reset by peer") > number, "told")
        s = accept(listener)
        listener.close()
        with s:
            check_echo(s, b"the last")
        wait_said(caller, "caller: connection refused")
        wait_said(caller, "caller: 1 of 4 went well")


def port_of_syn(world):
    """The port from which the image connects, seen where its SYN enters the link."""
    with world.link.netns, \
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as s:
        s.bind((TAP, 3))
        s.settimeout(PATIENCE)
        while True:
            frame = s.recv(2000)
            tcp = frame[14 + (20 if world.version == 4 else 40):]
            if frame[12:14] in (b"\x08\x00", b"\x86\xdd") and \
                    tcp[2:4] == PORT.to_bytes(2, "big") and tcp[13:14] == b"\x02":
                return int.from_bytes(tcp[:2], "big")


def test_simultaneous_open(world):
    """when Linux connects while Kiln's SYN is on its way, there is one connection"""
    data = random.Random(8).randbytes(100_000)
    net = Netns()
    with net:
        s = socket.socket(world.family)
    with s, world.start_caller(net=net, link=("--delay", "300ms")) as caller, net:
        port = port_of_syn(world)
        s.bind(("", PORT))
        s.settimeout(PATIENCE)
        s.connect((world.address, port))
        counted = run("nstat", "-asz", "TcpPassiveOpens").stdout
        check_echo(s, data)
        wait_said(caller, "caller: 1 of 1 went well")
        check("TcpPassiveOpens                 0 " in counted, counted)


def last_ack(s):
    """Milliseconds since the peer's last acknowledgement (tcp_info of Linux)."""
    return struct.unpack_from("I", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 60), 56)[0]


def test_keepalive_answered(world):
    """Linux's keep-alive probes are answered, so that a silent connection lives on"""
    with start_echo(world) as echo, echo.net, world.connect(7, PATIENCE) as s:
        for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1),
                              (socket.TCP_KEEPCNT, 2)):
            s.setsockopt(socket.IPPROTO_TCP, option, value)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for _ in range(3):  # more than two without an answer would end it
            wait_for(lambda: last_ack(s) > 500, "silence")
            wait_for(lambda: last_ack(s) < 500, "an answer to a probe")
        check_echo(s, b"still here")


def test_peer_vanished(world):
    """Kiln's keep-alive probes find that a peer has vanished, and that another has not"""
    net = Netns()
    with world.listen(net) as listener, \
            world.start_caller("--keepalive", "1s", net=net) as caller:
        with accept(listener) as s:
            s.sendall(b"here")
            check_equal(s.recv(4), b"here", "what came back")
            with net:
                before = segments_in()
                wait_for(lambda: segments_in() > before + 2, "three probes", PATIENCE)
            check("caller:" not in caller.process.text(), "it gave up a peer that was there")
            with net:
                run("ip", "link", "set", "link0", "down")
            wait_said(caller, "caller: timed out")


def segments_in():
    words = run("nstat", "-asz", "TcpInSegs").stdout.split()
    return int(words[words.index("TcpInSegs") + 1])
