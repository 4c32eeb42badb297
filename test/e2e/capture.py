"""kiln run --pcap: what passes between an image and its network, in a file for tcpdump."""

import os
import signal
import struct
import subprocess
import tempfile

from harness import KILN, check, check_equal, run
from served import Served
from worlds import WORLDS as ALL, build, pattern

WORLDS = [world for world in ALL if world.target != "host"]

ETHERNET, ARP = 1, b"\x08\x06"


class Capture:
    """A file that a plain user may write."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="kiln-pcap-")
        os.chmod(self.folder.name, 0o777)
        self.path = os.path.join(self.folder.name, "pcap")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def frames(self):
        """Every record, read to the file's last byte: [(seconds, frame)]."""
        with open(self.path, "rb") as file:
            data = file.read()
        magic, major, minor, _, _, _, link = struct.unpack_from("<IHHIIII", data)
        check_equal((magic, major, minor, link), (0xa1b23c4d, 2, 4, ETHERNET), "the header")
        at, found = 24, []
        while at < len(data):
            seconds, nanoseconds, size, original = struct.unpack_from("<IIII", data, at)
            check(size == original and nanoseconds < 10**9, "a record's header")
            check(at + 16 + size <= len(data), "the last record is cut off")
            found.append((seconds + nanoseconds / 1e9, data[at + 16:at + 16 + size]))
            at += 16 + size
        return found

    def check(self, least, *contents):
        """That tcpdump sees the same frames as we do, the image's first among them, and these
        texts."""
        frames = self.frames()
        lines = run("tcpdump", "-nn", "-r", self.path).stdout.splitlines()
        text = run("tcpdump", "-nnA", "-r", self.path, text=False).stdout
        check_equal(len(lines), len(frames), "frames that tcpdump counts")
        check(len(frames) >= least, f"{len(frames)} frames")
        # The image's first: who has the address that is its own.
        check(any(frame[12:14] == ARP and frame[28:32] == frame[38:42] for _, frame in frames),
              "no announcement")
        times = [time for time, _ in frames]
        check_equal(times, sorted(times), "moments in order")
        for content in contents:
            check(content in text, f"nothing of {content!r}")
        return frames


REQUEST, RESPONSE = b"GET /captured HTTP/1.1", b"HTTP/1.1 404"


def test_tap(world):
    """frames on a tap are captured, from the first to the last"""
    with Capture() as capture:
        with world.start(world.build("web"), "--pcap", capture.path).wait_up() as web:
            web.curl(web.url + "/captured")
        frames = capture.check(12, REQUEST, RESPONSE)
        check(all(len(frame) <= 1514 for _, frame in frames), "a frame that no wire carries")


def test_user(world):
    """frames on a user-mode network are captured, by a plain user"""
    with Capture() as capture:
        with Served(world, world.build("web"), ["0:80"], "--pcap", capture.path) as web:
            web.curl("/")
            with web.connect() as s:
                s.sendall(REQUEST + b"\r\nHost: kiln\r\nConnection: close\r\n\r\n")
                check(RESPONSE in s.recv(100), "no response")
        capture.check(18, REQUEST, RESPONSE)


def test_killed(world):
    """the capture is whole when the image is killed in the middle"""
    with Capture() as capture:
        with Served(world, world.build("transfer"), ["0:80"], "--pcap", capture.path) as source:
            with source.connect() as s:
                s.sendall(b"GET /900000000 HTTP/1.1\r\nHost: kiln\r\n\r\n")
                got = bytearray()
                while len(got) < 200000:
                    got += s.recv(65536)
                with open(f"/proc/{source.process.pid}/task/{source.process.pid}/children") as file:
                    image, = set(map(int, file.read().split())) - {source.helper()}
                source.process.stopped = True
                os.kill(image, signal.SIGKILL)
                check_equal(source.process.wait(), 137, "exit status")
        body = bytes(got).split(b"\r\n\r\n", 1)[1]
        captured = b"".join(frame[66:] for _, frame in capture.check(10)
                            if frame[23] == 6 and frame[34:36] == b"\0P")
        check(pattern(len(body)) == body and body[-1000:] in captured,
              "what was received was not captured")


def test_sim(_):
    """frames of a simulated link are captured, with virtual times"""
    with Capture() as capture:
        subprocess.run([KILN, "run", build("web", "sim"), "--pcap", capture.path], check=True,
                       input=REQUEST + b"\r\nHost: kiln\r\nConnection: close\r\n\r\n",
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30)
        frames = capture.check(10, REQUEST, RESPONSE)
        check(frames[-1][0] < 60, "not the virtual clock")


test_sim.worlds = ["jail"]  # once
