"""Bulk: large downloads and uploads, compared by checksum."""

import os
import random
import zlib

from harness import check, check_equal
import worlds
from worlds import pattern

WORLDS = worlds.WORLDS + [worlds.CALLS, worlds.XDP, worlds.XDP_GENERIC]


def size(world):
    return (2 if world.slow else 20) * 1000 * 1000 + 77


def test_upload(world):
    """an upload arrives intact"""
    data = random.Random(1).randbytes(size(world))
    with world.start(world.build("transfer")).wait_up() as sink:
        text = sink.curl("-T", "-", f"{sink.url}/", input=data, text=False).stdout
        check_equal(text.decode().strip(), f"{len(data)} {zlib.crc32(data):08x}",
                    "length and CRC of what arrived")


def test_chunked_upload(world):
    """an upload of unknown length arrives intact"""
    data = random.Random(2).randbytes(300000)
    with world.start(world.build("transfer")).wait_up() as sink:
        text = sink.curl("-T", "-", "-H", "Transfer-Encoding: chunked", f"{sink.url}/",
                         input=data, text=False).stdout
        check_equal(text.decode().strip(), f"{len(data)} {zlib.crc32(data):08x}",
                    "length and CRC of what arrived")


def test_generated_download(world):
    """a download that is made on the fly arrives intact"""
    length = size(world)
    with world.start(world.build("transfer")).wait_up() as source:
        got = source.fetch(f"/{length}")
        check(got == pattern(length), f"{len(got)} bytes differ from the {length} expected")


def test_embedded_download(world):
    """a large embedded file arrives intact"""
    data = random.Random(3).randbytes(8 * 1000 * 1000)

    def make(folder):
        with open(os.path.join(folder, "large.bin"), "wb") as file:
            file.write(data)
    image = world.build("web", "--site", worlds.shared("large-site", make))
    with world.start(image).wait_up() as web:
        for _ in range(2):
            check(web.fetch("/large.bin") == data, "the file differs")
