"""Images behind `kiln link`, which loses, delays, reorders, doubles and damages frames."""

import os
import random
import socket
import subprocess
import zlib

from harness import ROOT, TIED, WORK, Failed, check, check_equal, run
from worlds import ADDRESS, LINKED_WORLDS

WORLDS = LINKED_WORLDS
SITE = os.path.join(ROOT, "doc/site")
TRIES = 20  # for a datagram, which nobody sends again
TRANSFER = 10 * 1000 * 1000
TRANSFER_SECONDS = 60


def site_files():
    """(path in the URL, path of the file) of every page."""
    for folder, _, names in os.walk(SITE):
        for name in names:
            path = os.path.join(folder, name)
            yield "/" + os.path.relpath(path, SITE), path


def check_bad(counters):
    """The traffic did go through the link, and the link did what it was told."""
    for way in counters:
        check(way["frames"] > 0, f"nothing passed: {way}")
    for what in ("lost", "duplicated", "reordered", "corrupted"):
        check(sum(way[what] for way in counters), f"nothing was {what}: {counters}")


def test_pages(world):
    """every page arrives byte for byte"""
    with world.start(world.build("web", "--site", SITE)).wait_up() as web:
        for _ in range(3):
            for path, file in site_files():
                with open(file, "rb") as page:
                    check(web.fetch(path) == page.read(), f"{path} differs from its file")


def ask(s, data):
    """The echo of a datagram that is sent until it comes back."""
    for _ in range(TRIES):
        s.send(data)
        try:
            while True:
                if s.recv(65536) == data:
                    return
        except TimeoutError:
            pass
    raise Failed(f"no echo of {len(data)} bytes in {TRIES} tries")


def test_echo(world):
    """echo returns what was sent, by TCP and by UDP"""
    data = random.Random(4).randbytes(100000)
    with world.start(world.build("echo")).wait_up(7) as echo, echo.net:
        got = run("nc", "-N", "-w", 20, ADDRESS, 7, input=data, text=False).stdout
        check(got == data, f"{len(got)} bytes came back, not the {len(data)} sent")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.1)
            s.connect((ADDRESS, 7))
            for size in (1, 100, 1472, 1473, 4000):
                ask(s, random.Random(size).randbytes(size))


def pattern(length):
    """What test/image/transfer sends."""
    block = bytes((i * 167 + (i >> 8) * 13) & 255 for i in range(65536))
    turns = (block.translate(bytes((b + 5 * turn) & 255 for b in range(256)))
             for turn in range(length // 65536 + 1))
    return b"".join(turns)[:length]


def start_curl(net, *arguments):
    with net:
        return subprocess.Popen([*TIED, "curl", "-sS", "--fail", "--max-time", str(TRANSFER_SECONDS),
                                 *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_transfer(world):
    """10 MB each way, at the same time, arrive intact"""
    data = random.Random(1).randbytes(TRANSFER)
    path = os.path.join(WORK, f"{world.name}-download")
    with world.start(world.build("transfer")).wait_up() as image:
        down = start_curl(image.net, f"{image.url}/{TRANSFER}", "-o", path)
        up = start_curl(image.net, "-T", "-", f"{image.url}/")
        said = up.communicate(data)[0].decode().strip()
        check_equal(down.wait(), 0, "status of the download")
        check_equal(said, f"{len(data)} {zlib.crc32(data):08x}", "length and CRC of the upload")
        with open(path, "rb") as file:
            check(file.read() == pattern(TRANSFER), "the download differs")
        check_bad(world.link.counters())
