"""Links of other sizes than Ethernet's, and paths that become narrower on the way."""

import socket

from harness import check, run
from linked import JAILED, PATIENCE, call, check_bytes, serve
from worlds import pattern

WORLDS = JAILED
SIZE = 1_000_003
DOWNLOAD = 3_000_017
PATH_MTU = 1400   # from the start, of the far link
NARROWED = {4: 600, 6: 1280}


def check_mtu(world, mtu):
    serve(world, SIZE, mtu=mtu)
    call(world, SIZE // 4, mtu=mtu)


def test_576(world):
    """on a link of 576 bytes all arrives, in both roles"""
    check_mtu(world, 576)


test_576.worlds = ["ip4"]  # there is no IPv6 on such a link


def test_1280(world):
    """on a link of 1280 bytes all arrives, in both roles"""
    check_mtu(world, 1280)


def test_9000(world):
    """on a link of 9000 bytes all arrives, in both roles"""
    check_mtu(world, 9000)


def test_narrow_path(world):
    """behind a router to a smaller link all arrives, in both roles"""
    serve(world, SIZE, far_mtu=PATH_MTU)
    call(world, SIZE // 4, far_mtu=PATH_MTU)


def too_bigs(world):
    """How often the router has said that a packet is too big."""
    name = "IcmpOutDestUnreachs" if world.version == 4 else "Icmp6OutPktTooBigs"
    with world.router:
        words = run("nstat", "-asz", name).stdout.split()
    return int(words[words.index(name) + 1])


class Download:
    """A body read in two halves, between which something happens to the path."""

    def __init__(self, image, world):
        self.got = bytearray()
        with image.net:
            self.s = world.connect(80, PATIENCE)
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.s.sendall(b"GET /%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % DOWNLOAD)

    def read(self, length=1 << 30):
        while len(self.got) < length and (piece := self.s.recv(65536)):
            self.got += piece

    def check(self):
        self.read()
        self.s.close()
        head, _, body = bytes(self.got).partition(b"\r\n\r\n")
        check(head.startswith(b"HTTP/1.1 200"), head)
        check_bytes(body, pattern(DOWNLOAD), "the download")


def test_lowered(world):
    """a path that becomes narrower during a download delays it, and no more"""
    with world.start(world.build("transfer"), far_mtu=1500).wait_up() as image:
        download = Download(image, world)
        download.read(DOWNLOAD // 3)
        before = too_bigs(world)
        world.set_far_mtu(image.net, NARROWED[world.version])
        download.check()
        check(too_bigs(world) > before, "the router had nothing to complain of")


def test_black_hole(world):
    """a path that becomes narrower without a word is found out by probing"""
    with world.start(world.build("transfer"), far_mtu=1500).wait_up() as image:
        with world.router:
            run("nft", "-f", "-", input="""table inet silent {
                chain output {
                    type filter hook output priority 0;
                    icmp type destination-unreachable drop
                    icmpv6 type packet-too-big drop
                }
            }""")
        download = Download(image, world)
        download.read(DOWNLOAD // 3)
        world.set_far_mtu(image.net, 1300)
        download.check()
