"""kiln link: that a real path does what the simulated link's model says."""

import contextlib
import itertools
import json
import os
import random
import socket
import statistics
import struct
import subprocess
import threading

from harness import (KILN, WORK, Failed, Netns, Process, check, check_equal, describe, ip,
                     need_root, run, wait_for)

ALONE = True
ETHERTYPE = 0x88b5  # IEEE 802, local experiments
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35  # Linux, asm-generic/socket.h
COUNT = 4000
SENT = 3_000_000
A, B = "linka", "linkb"


class Link:
    """A relay between two taps of one namespace, with nobody else on them."""

    def __init__(self, *options):
        need_root()
        self.netns = Netns()
        with self.netns:
            # Else the kernel has a word to say on every new interface.
            with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w") as file:
                file.write("1")
        self.process = Process(KILN, "link", "--json", *options, A, B, netns=self.netns)
        wait_for(lambda: "are joined" in self.process.text(), "the link")
        with self.netns:
            run("ip", "link", "set", A, "txqueuelen", "20000")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.end()
        self.netns.close()

    def stop(self):
        """What was counted of frames from A to B."""
        status = self.process.stop()
        if status != 0:
            raise Failed(f"status {describe(status)}")
        lines = [line for line in self.process.text().splitlines() if line.startswith("{")]
        return json.loads(lines[0])

    def open(self, interface):
        with self.netns:
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.bind((interface, 0))
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        return s


def frame(number, size):
    head = b"\x02\0\0\0\0\x02" + b"\x02\0\0\0\0\x01" + struct.pack("!HI", ETHERTYPE, number)
    return head + random.Random(number).randbytes(size - len(head))


def receive(s, seconds):
    """A frame and when it came, in seconds; None if none does in time."""
    s.settimeout(seconds)
    try:
        data, extra, _, _ = s.recvmsg(65536, 64)
    except TimeoutError:
        return None
    for level, kind, value in extra:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            whole, ns = struct.unpack("qq", value[:16])
            return data, whole + ns / 1e9
    raise Failed("a frame without a timestamp")


def send_all(*options, count=COUNT, size=100):
    """Frames sent one behind the other: those that came, as (number or None if it was
    damaged, when), and what the link counted."""
    frames = [frame(number, size) for number in range(count)]
    numbers = {data: number for number, data in enumerate(frames)}
    arrived = []
    with Link(*options) as link, link.open(A) as out, link.open(B) as into:
        for data in frames:
            out.send(data)
        while got := receive(into, 0.5):
            arrived.append((numbers.get(got[0]), got[1]))
        counters = link.stop()
    check_equal(counters["frames"], count, "frames that the link saw")
    return arrived, counters


def numbers_of(arrived):
    return [number for number, _ in arrived]


def check_share(count, of, share, what):
    """Within five standard deviations of a binomial draw."""
    spread = 5 * (of * share * (1 - share)) ** 0.5
    check(abs(count - of * share) <= spread, f"{count} of {of} {what}, where {share:.0%} should be")


# ---- what happens to frames ----

def test_perfect(_):
    """without options every frame arrives, once and in order"""
    arrived, counters = send_all()
    check_equal(numbers_of(arrived), list(range(COUNT)), "what arrived")
    check_equal(counters["bytes"], COUNT * 100, "bytes")


def test_loss(_):
    """as many frames are lost as was said, and they are counted"""
    arrived, counters = send_all("--loss", "10%")
    check_equal(counters["lost"], COUNT - len(arrived), "frames counted as lost")
    check_share(counters["lost"], COUNT, 0.1, "frames lost")


def test_burst(_):
    """frames are lost many in a row, as many as was said"""
    arrived, counters = send_all("--burst", "1%:10")
    bursts = sum(1 for a, b in itertools.pairwise([-1, *numbers_of(arrived), COUNT]) if b > a + 1)
    check_equal(counters["lost"], COUNT - len(arrived), "frames counted as lost")
    check(5 < counters["lost"] / bursts < 20, f"{counters['lost']} lost in {bursts} bursts")


def test_blackhole(_):
    """larger packets vanish"""
    arrived, counters = send_all("--blackhole", "85")
    check_equal((len(arrived), counters["lost"]), (0, COUNT), "arrived, lost")


def test_seed(_):
    """the same seed and frames have the same lost, doubled and damaged, another one others"""
    options = ("--loss", "5%", "--duplicate", "5%", "--corrupt", "5%")
    first, same, other = (numbers_of(send_all(*options, "--seed", seed)[0]) for seed in "771")
    check(first == same, "seed 7 did not repeat")
    check(first != other, "seed 1 did as seed 7")


def test_duplicate_and_corrupt(_):
    """frames are doubled and damaged as often as was said"""
    arrived, counters = send_all("--duplicate", "0.1", "--corrupt", "0.1")
    check_equal(counters["duplicated"], len(arrived) - COUNT, "frames counted as doubled")
    check_equal(counters["corrupted"], numbers_of(arrived).count(None), "counted as damaged")
    check_share(counters["duplicated"], COUNT, 0.1, "frames doubled")
    check_share(counters["corrupted"], len(arrived), 0.1, "frames damaged")


def test_reorder(_):
    """frames are held back, and none is lost by that; jitter alone keeps their order"""
    arrived, counters = send_all("--reorder", "5%")
    numbers = numbers_of(arrived)
    check_equal(sorted(numbers), list(range(COUNT)), "what arrived")
    check_share(counters["reordered"], COUNT, 0.05, "frames held back")
    check(any(a > b for a, b in itertools.pairwise(numbers)), "nothing was overtaken")
    arrived, _ = send_all("--jitter", "3ms", "--delay", "3ms")
    check_equal(numbers_of(arrived), list(range(COUNT)), "what arrived, with jitter")


def test_delay(_):
    """a frame is delayed by as much as was said, and hardly more"""
    took = []
    with (Link("--delay", "20ms") as link, link.open(A) as out, link.open(A) as watch,
          link.open(B) as into):
        for number in range(50):
            out.send(frame(number, 100))
            _, sent = receive(watch, 1)
            _, came = receive(into, 1)
            took.append((came - sent) * 1e3)
        link.stop()
    check(min(took) > 19.99, f"one took {min(took)} ms only")
    # Half of them: others compete for the processors.
    check(statistics.median(took) < 21, f"half took over {statistics.median(took)} ms")


def test_one_way(_):
    """what is said for one way leaves the other alone"""
    back = [frame(1000 + number, 100) for number in range(100)]
    with Link("--loss", "1,0") as link, link.open(A) as a, link.open(B) as b:
        for number, data in enumerate(back):
            a.send(frame(number, 100))
            b.send(data)
        got = []
        while len(got) < len(back):
            data, _ = receive(a, 2) or (None, 0)
            check(data, f"only {len(got)} of {len(back)} came back")
            if data in back:  # and no copy of what was sent from here
                got.append(data)
        check_equal(got, back, "what came back")
        check_equal(link.stop()["lost"], 100, "lost on the way there")


def test_rate(_):
    """frames leave at the rate, and those that find the queue full are dropped"""
    count, size = 400, 1250
    arrived, _ = send_all("--rate", "10M", count=count, size=size)
    check_equal(numbers_of(arrived), list(range(count)), "what arrived")
    took = arrived[-1][1] - arrived[0][1]
    rate = (count - 1) * size * 8 / took / 1e6
    check(9.7 < rate < 10.3, f"{rate:.2f} Mbit/s")
    arrived, counters = send_all("--rate", "1M", "--queue", "10", count=200, size=size)
    check_equal(counters["queue_full"], 200 - len(arrived), "dropped")
    check(len(arrived) < 40, f"{len(arrived)} of 200 found room in a queue of 10")


# ---- packets as they are on a wire ----

def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def captured(path):
    with open(path, "rb") as file:
        data = file.read()
    at = 24
    while at < len(data):
        size = struct.unpack("IIII", data[at:at + 16])[2]
        yield data[at + 16:at + 16 + size]
        at += 16 + size


def test_segments(_):
    """large segments from behind a bridge are cut, and their checksums complete"""
    pcap = os.path.join(WORK, "link.pcap")
    with Link("--pcap", pcap, "--delay", "1ms") as link, contextlib.closing(Netns()) as far:
        with link.netns:
            ip(f"link add veth0 type veth peer name veth1 netns {far.path}",
               "link add bridge0 type bridge",
               *(f"link set {port} master bridge0 up" for port in (A, "veth0")),
               "link set bridge0 up", f"address add 10.9.0.2/24 dev {B}")
        with far:
            ip("address add 10.9.0.1/24 dev veth1", "link set veth1 up")
        data = bytes(SENT)
        with link.netns, socket.create_server(("10.9.0.2", 9)) as server:
            with far:
                sender = socket.create_connection(("10.9.0.2", 9), 10)
            taker, _ = server.accept()
        with sender, taker:
            thread = threading.Thread(target=lambda: (sender.sendall(data),
                                                      sender.shutdown(socket.SHUT_WR)))
            thread.start()
            got = 0
            while piece := taker.recv(262144):
                got += len(piece)
            thread.join()
        check_equal(got, SENT, "bytes that arrived")
        link.stop()
    segments = 0
    for packet in captured(pcap):
        check(len(packet) <= 1514, f"a frame of {len(packet)} bytes")
        if packet[12:14] == b"\x08\0" and packet[23] == 6:
            total = struct.unpack("!H", packet[16:18])[0]
            segment = packet[34:14 + total]
            pseudo = packet[26:34] + struct.pack("!HH", 6, len(segment))
            check_equal(checksum(packet[14:34]), 0, "checksum of an IP header")
            check_equal(checksum(pseudo + segment), 0, "checksum of a segment")
            segments += 1
    check(segments > SENT / 1500, f"only {segments} segments")


# ---- what can go wrong ----

def fails(status, *arguments, **options):
    done = subprocess.run([KILN, "link", *arguments], capture_output=True, text=True, timeout=20,
                          stdin=subprocess.DEVNULL, check=False, **options)
    check_equal(done.returncode, status, f"kiln link {' '.join(arguments)}")
    check(done.stderr.startswith("kiln: "), f"said: {done.stderr}")
    return done.stderr


def test_usage(_):
    """what cannot be meant is refused with status 2 and a hint"""
    for options in (["--loss", "120%"], ["--loss", "-1"], ["--loss", "2%,x"], ["--loss", ""],
                    ["--delay", "soon"], ["--delay", "-1"], ["--delay", "99h"], ["--rate", "fast"],
                    ["--queue", "0"], ["--jitter", "1,2,3"], ["--corrupt", "nan"],
                    ["--burst", "1%:0"], ["--mark", "-1"], ["--blackhole", "60"]):
        check("makes no sense" in fails(2, *options, A, B), f"{options}")
    check("is one" in fails(2, A, A), "the same tap twice")
    check("two tap interfaces" in fails(2, A), "one tap")
    check("two tap interfaces" in fails(2, A, B, "c"), "three taps")
    check("kiln help link" in fails(2, "--los", "2%", A, B), "an unknown option")
    check("is no number" in fails(2, "--seed", "x", A, B), "a seed")


def test_failures(_):
    """what does not work says why and what to do, with status 1"""
    need_root()
    with contextlib.closing(Netns()) as netns, netns:
        check("run as root" in fails(1, A, B, user=65534, group=65534), "not permitted")
        check("another interface's" in fails(1, "lo", B), "no tap")
        check("at most 15 bytes" in fails(1, "a" * 16, B), "a long name")
        check("cannot write" in fails(1, "--pcap", "/nowhere/x", A, B), "no such folder")


def test_gone(_):
    """an interface that goes cuts the link: status 1, and the counters are printed"""
    for name in (A, B):
        with Link("--delay", "1ms") as link:
            with link.netns:
                run("ip", "link", "delete", name)
            check_equal(link.process.wait(), 1, "exit status")
            check(f"{name} has gone" in link.process.text(), link.process.text())
            check('"frames": ' in link.process.text(), "no counters")


def test_table(_):
    """people get a table"""
    need_root()
    with contextlib.closing(Netns()) as netns:
        process = Process(KILN, "link", A, B, netns=netns)
        wait_for(lambda: "are joined" in process.text(), "the link")
        check_equal(process.stop(), 0, "exit status")
        check(f"{A} -> {B}" in process.text() and "duplicated" in process.text(), process.text())
