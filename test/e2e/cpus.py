"""kiln run --cpus: several images of one appliance that share an address, each on a processor
of its own."""

import concurrent.futures
import contextlib
import os
import re
import signal
import socket

from harness import ADDRESS, CLIENT, KILN, TAP, Netns, Process, check, check_equal, run, wait_for
import worlds
from worlds import pattern

WORLDS = worlds.WORLDS[1:]
ADDRESS6, CLIENT6 = "2001:db8::2", "2001:db8::1"
IMAGES = 2
PORT = 7


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as pids:
        return [int(one) for one in pids.read().split()]


def ticks(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


class Images:
    """Those of appliance/echo, up and answering."""

    def __init__(self, world, *options):
        world.need()
        if world.monitor:
            options += ("--monitor", world.monitor)
        self.net = Netns()
        self.process = Process(KILN, "run", world.build("echo"), "--cpus", IMAGES, "--net",
                               f"tap:{TAP}", "--ip", f"{ADDRESS}/24", "--gateway", CLIENT,
                               *options, name="cpus", netns=self.net)
        wait_for(self.answers, "an answer")

    def answers(self):
        self.process.check_alive()
        with contextlib.suppress(OSError):
            self.echo(b"?", timeout=1)
            return True
        return False

    def echo(self, data, address=ADDRESS, timeout=10):
        with self.net, socket.create_connection((address, PORT), timeout) as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            back = b"".join(iter(lambda: s.recv(65536), b""))
        check_equal(back, data, "what came back")

    def monitors(self):
        """The images' processes: of each `kiln run` below ours the one that it runs."""
        return [pid for below in children(self.process.pid) for pid in children(below)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.end()
        self.net.close()


def test_spread(world):
    """connections are spread over the images, and each is answered by the one it began with"""
    with Images(world) as images:
        monitors = images.monitors()
        check_equal(len(monitors), IMAGES, "images")
        allowed = {frozenset(os.sched_getaffinity(pid)) for pid in monitors}
        check_equal(sorted(map(len, allowed)), [1] * IMAGES, "processors of each")
        before = {pid: ticks(pid) for pid in monitors}
        data = pattern(100_000)

        def used():
            for _ in range(10 if world.slow else 50):
                images.echo(data)
            return all(ticks(pid) > before[pid] for pid in monitors)
        wait_for(used, "work in all images", 30)
        check_equal(images.process.stop(), 0, "status")


def test_at_once(world):
    """many connections at once, of both families, arrive whole"""
    with Images(world, "--ip6", f"{ADDRESS6}/64") as images:
        with images.net:
            run("ip", "address", "add", f"{CLIENT6}/64", "dev", TAP, "nodad")
        wait_for(lambda: not images.echo(b"?", ADDRESS6), "an answer by IPv6")
        # Of a thread each: the namespace is a thread's.
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            done = [pool.submit(images.echo, pattern(20_000 + i), address)
                    for i in range(30 if world.slow else 150) for address in (ADDRESS, ADDRESS6)]
            for one in done:
                one.result()


def test_datagrams(world):
    """so do datagrams, in fragments and whole"""
    with Images(world) as images, images.net:
        for _ in range(20):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(5)
                s.connect((ADDRESS, PORT))
                for size in (1, 1000, 5000):
                    s.send(pattern(size))
                    check_equal(s.recv(9000), pattern(size), f"{size} bytes")
        out = run("ping", "-c", 3, "-i", "0.02", "-W", 5, ADDRESS).stdout
        check(" 0% packet loss" in out, out)


def test_neighbours(world):
    """each image learns for itself where the client is, again after the client has forgotten it"""
    with Images(world) as images:
        for _ in range(5):
            with images.net:
                run("ip", "neigh", "flush", "all")
            for _ in range(10):
                images.echo(b"still there?")


def test_one_ends(world):
    """the end of one image is the end of all, and the status says so"""
    with Images(world) as images:
        os.kill(images.monitors()[1], signal.SIGKILL)
        wait_for(lambda: not images.process.alive(), "the end")
        check(images.process.popen.returncode not in (0, None), images.process.text())
        check(re.search(r"one of 2 images has ended: the others are stopped",
                        images.process.text()), images.process.text())
        wait_for(lambda: images.net.interfaces() == ["lo"], "the tap gone")


def test_terminated(world):
    """asked to stop, all do, with status 0"""
    with Images(world) as images:
        monitors = images.monitors()
        os.kill(images.process.pid, signal.SIGTERM)
        wait_for(lambda: not images.process.alive(), "the end")
        check_equal(images.process.popen.returncode, 0, images.process.text())
        check(not any(os.path.exists(f"/proc/{pid}") for pid in monitors), "images left")
