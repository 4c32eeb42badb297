"""appliance/echo, appliance/guestbook and appliance/hello."""

import contextlib
import random
import socket
import threading

from harness import check, check_equal, run
import worlds
from worlds import ADDRESS, connect

WORLDS = worlds.WORLDS + [worlds.XDP]


def start_echo(world, **options):
    return world.start(world.build("echo"), **options).wait_up(7)


def test_tcp(world):
    """echo over TCP returns what netcat sent"""
    data = random.Random(4).randbytes(100000)
    with start_echo(world) as echo, echo.net:
        got = run("nc", "-N", "-w", 20, ADDRESS, 7, input=data, text=False).stdout
        check(got == data, f"{len(got)} bytes came back, not the {len(data)} sent")


def test_tcp_both_ways(world):
    """echo over TCP holds the sender back instead of losing bytes"""
    data = random.Random(5).randbytes((200 if world.slow else 2000) * 1000)
    with start_echo(world) as echo, echo.net, connect(7, 30) as s:
        sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
        sender.start()
        got = bytearray()
        while piece := s.recv(65536):
            got += piece
        sender.join()
        check(bytes(got) == data, f"{len(got)} bytes came back, not the {len(data)} sent")


def test_udp(world):
    """echo over UDP returns datagrams of every size, also fragmented"""
    with start_echo(world) as echo, echo.net:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.connect((ADDRESS, 7))
            for size in (0, 1, 100, 1472, 1473, 4000, 8000):
                data = random.Random(size).randbytes(size)
                s.send(data)
                check(s.recv(65536) == data, f"datagram of {size} bytes")


def test_udp_burst(world):
    """echo over UDP returns bursts of datagrams, those of each sender in their order"""
    with start_echo(world) as echo, echo.net, contextlib.ExitStack() as stack:
        senders = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                   for _ in range(2)]
        for s in senders:
            s.settimeout(5)
            s.connect((ADDRESS, 7))
            s.send(b"known")
            check_equal(s.recv(100), b"known", "the first")
        for size, turns in ((64, 1), (64, 8), (1400, 4), (101, 16)):
            sent = [(which, random.Random(n).randbytes(size))
                    for n in range(0, 32, turns) for which in (0, 1) for n in range(n, n + turns)]
            for which, data in sent:
                senders[which].send(data)
            for which, data in sent:
                check(senders[which].recv(65536) == data, f"{size} bytes, by {turns}: the same")


def test_udp_netcat(world):
    """echo over UDP answers netcat"""
    with start_echo(world) as echo, echo.net:
        got = run("nc", "-u", "-W", 1, "-w", 5, ADDRESS, 7, input="hello, echo\n").stdout
        check_equal(got, "hello, echo\n", "what came back")


def test_guestbook(world):
    """an entry in the guestbook is shown to the next visitor, escaped"""
    with world.start(world.build("guestbook")).wait_up() as book:
        before = book.fetch("/")
        check(b"<b>" not in before, "an empty book")
        book.curl("--fail", "--data-urlencode", "name=Ada <b>",
                  "--data-urlencode", "text=Ünïcode & \"quotes\"", book.url + "/sign")
        after = book.fetch("/").decode()
        check("Ada &lt;b&gt;" in after, f"the name is not there: {after}")
        check("Ünïcode &amp; &quot;quotes&quot;" in after, f"the text is not there: {after}")


def test_hello(world):
    """hello prints its line and ends with status 0"""
    process = world.start_bare(world.build("hello"))
    check_equal(process.wait(20), 0, "exit status")
    check("ello" in process.text().split("\n", 1)[1], "the greeting is missing")
    process.kill()
