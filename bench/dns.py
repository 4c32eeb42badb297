"""kiln bench dns: Kiln's name server beside BIND, NSD and Knot, and a loop without a server.

Each server runs on one processor, its client on another, in a namespace one link away: a veth
for the servers on Linux's sockets and for AF_XDP, the tap itself for an image behind one. All
have one process or thread that answers, and the same zone.

dns-100 dns-10000    a zone of so many names; addresses are asked for by dnsperf, with 1,000
dns-1000000          queries on their way: of names by chance, of which one in ten does not exist.
                     What is lost (a socket as the three have it takes some 270 that come at once)
                     is given up after 0.1 s
dns-100-flood ...    the same queries as fast as kxdpgun sends them, by frames of its own
first-answer-...     from exec to the first answer, with the zone of 1,000,000 names and of 100
lookup               from the bytes of a query to those of its answer, and nothing else, with a zone
                     of 10,000 names (bench/dns_lookup.c, which says how)

In a round a server is started once with each zone, and goes through all cases of that zone; with
--quick there is one round. A zone's file is in the order of its names, as what signs or transfers
zones writes them: all three read it faster so than by chance.

kiln-jail-tap        appliance/dns, with the zone embedded
kiln-jail-xdp        the same image on AF_XDP, by the kernel's copy
kiln-kvm             the same appliance in a virtual machine
bind nsd knot        Debian's, as tool/nameservers.py configures them. Knot takes all processors as
                     it starts, and is put on its own once it has answered
kiln-host            lib/dns in a program of its own, for lookup
frame-loop           the limit: a program that reads frames from a tap, says that they are answers,
                     and writes them back (bench/frame_loop.c)

What is in the figures:

ops_per_s      answers that came in a second
cpu_us_per_op  what the server took of its processor, as in kiln bench web, by answers
p50_us p99_us  of first-answer: from exec. Under dnsperf: from a query to its answer, in a run of
               its own, in which dnsperf tells each; that costs it time, and so the other figures
               are of a run in which it does not. Of a flood and of lookup null
rss_kb         resident memory of the server's processes, added up; a page that several have (NSD's
               do) counts once
ratio          the CPU time of the better of NSD and Knot to this server's, the median over the
               rounds; for first-answer the time
"""

import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
from dataclasses import dataclass

import ground
import nameservers
import net
import report
import rounds
from first_byte import fork, when_there
from lab import (ADDRESS, CLIENT, KILN, ROOT, TAP, Failed, Netns, Process, join, kvm_serves, run,
                 wait_for)

ORIGIN = "bench.test"
OUTSTANDING = 1000
LATE = 0.1  # seconds, after which an answer is not waited for
ANSWERS_KB = 1024  # dnsperf's buffer for answers: with its own 32 it would lose most
FLOOD = 2_000_000  # queries a second, which no server answers
BEGUN = 5000  # of them: some milliseconds, in which kxdpgun divides by 0 if it is asked
LARGEST = 1_000_000
QUERIES = {100: 20_000, 10_000: 100_000, LARGEST: 300_000}  # which are asked again and again
MEMORY = {100: "32M", 10_000: "64M", LARGEST: "512M"}  # of an image
WARM = {100: 0.1, 10_000: 0.1, LARGEST: 1.5}  # seconds of load, until it is measured
QUERY = report.Unit("queries", "query", rate="queries/s")


# ---- zones and queries ----

def address_of(number):
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def name_of(number):
    """Of eight letters and digits that do not follow each other in a zone's order."""
    return f"n{number * 2654435761 % 2**32:08x}"


def write_once(path, parts):
    """Not written anew if it is there, or images would be built anew; but if this file, which says
    what is in it, is newer."""
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(__file__):
        with open(path + ".new", "w", encoding="ascii") as file:
            file.writelines(parts)
        os.replace(path + ".new", path)


def zone_text(size):
    yield (f"$TTL 3600\n@ SOA ns hostmaster 1 3600 900 604800 300\n@ NS ns\n"
           f"ns A {ADDRESS}\n")
    yield from sorted(f"{name_of(number)} A {address_of(number)}\n" for number in range(size))


def queries_text(size):
    rng = random.Random(size)
    for _ in range(QUERIES[size]):
        number = rng.randrange(size)
        there = rng.random() >= 0.1
        yield f"{name_of(number)}{'' if there else 'x'}.{ORIGIN} A\n"


def query(text, kind=1):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in text.split("."))
    return struct.pack(">6H", 0x4b69, 0, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, kind, 1)


def check_answers(subject, size):
    """The right ones to a name that is there and to one that is not."""
    with subject.client, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.connect((ADDRESS, 53))
        for number in (0, size - 1):
            s.send(query(f"{name_of(number)}.{ORIGIN}"))
            answer = s.recv(4096)
            if answer[3] & 15 or not answer.find(socket.inet_aton(address_of(number))) > 0:
                raise Failed(f"{subject.name}: answers {answer!r} to {name_of(number)}")
        s.send(query(f"absent.{ORIGIN}"))
        if s.recv(4096)[3] & 15 != 3:
            raise Failed(f"{subject.name}: has a name that is not in the zone")


# ---- cases ----

class Load(rounds.Case):
    """dnsperf, which waits for answers."""

    unit = QUERY

    def __init__(self, size, ending="", title="1,000 queries on their way"):
        super().__init__(f"dns-{size}{ending}", f"a zone of {size:,} names, {title}")
        self.size = size

    def measure(self, bench, running):
        """Some seconds of it."""
        meter = bench.meter(running)
        found = dnsperf(bench, running.subject, self.size, bench.seconds)
        meter.stop()
        return {**self.sample(running, meter, found.answers, found.seconds, found.busy),
                **self.latencies(bench, running.subject)}

    def sample(self, running, meter, answers, seconds, busy):
        if not answers:
            raise Failed(f"{running.subject.name}, {self.name}: no answers")
        return {"ops_per_s": answers / seconds, "rss_kb": memory_kb(running), "client_busy": busy,
                **meter.sample(answers)}

    def latencies(self, bench, subject):
        found = sorted(dnsperf(bench, subject, self.size, bench.seconds / 2, "-v").latencies)
        if not found:
            raise Failed(f"{subject.name}, {self.name}: no answers")
        return {"p50_us": report.nearest_rank(found, 0.5), "p99_us": report.nearest_rank(found, 0.99)}


class Flood(Load):
    """kxdpgun, which does not wait for answers."""

    def __init__(self, size):
        super().__init__(size, "-flood", "as many queries as can be sent")

    def measure(self, bench, running):
        subject = running.subject
        flood = Process("stdbuf", "-oL", "kxdpgun", "-t", 60 + bench.seconds, "-Q", FLOOD, "-b", 32,
                        "-F", bench.processors.client, "-i", bench.queries(self.size), "-I",
                        subject.interface, "-l", CLIENT, ADDRESS, netns=subject.client)
        try:
            self.begin(bench, subject, flood)
            # It tells what has come as late after the meter's beginning as after its end.
            meter, busy, before = bench.meter(running), ground.cpu_ns(flood.pid), replies(flood)
            time.sleep(bench.seconds)
            busy = ground.cpu_ns(flood.pid) - busy
            meter.stop()
            answers = replies(flood) - before
        finally:
            flood.kill()
            with subject.client:  # it leaves its program there
                run("ip", "link", "set", subject.interface, "xdp", "off", check_status=False)
        return self.sample(running, meter, answers, meter.took, busy / 1e9 / meter.took)

    def begin(self, bench, subject, flood):
        """Once it has its interface, its first thread sleeps for a second, has the other one begin,
        and does no more. A signal ends that sleep; but its handler tells the other one to end, if
        that looks before it is told to begin: so the first one wakes on another processor."""
        wait_for(lambda: flood.check_alive() or has_xdp(subject), "kxdpgun on its interface")
        time.sleep(0.1)  # it does, too, before that second
        sent = subject.sent()
        os.sched_setaffinity(flood.pid, {bench.processors.server})
        flood.popen.send_signal(signal.SIGINT)
        wait_for(lambda: flood.check_alive() or subject.sent() - sent > BEGUN, "the flood",
                 step=0.001)


class FirstAnswer(rounds.Case):
    compared = "p50_us"
    unit = report.STARTS

    def __init__(self, size):
        super().__init__(f"first-answer-{size}",
                         f"from exec to the first answer, with a zone of {size:,} names")
        self.size = size


class Lookup(rounds.Case):
    unit = QUERY
    size = 10_000
    queries = 200_000

    def __init__(self):
        super().__init__("lookup", f"from query to answer, without a network; {self.size:,} names")

    def sample(self, processors):
        with processors.on_server():
            out = run(*net.program("dns_lookup", self.size, self.queries), timeout=60).stdout
        rate = float(re.search(r"answers_per_second (\d+)", out).group(1))
        return {"ops_per_s": rate, "cpu_us_per_op": 1e6 / rate}


LOOKUP = Lookup()


@dataclass
class Asked:
    """What dnsperf found."""

    answers: int
    seconds: float
    busy: float  # of its processor
    latencies: list  # in us, of each answer, if it is told to say them


def dnsperf(bench, subject, size, seconds, *options):
    path = os.path.join(bench.folder, "dnsperf")
    with subject.client, open(path, "w+", encoding="ascii") as file:
        before, began = children_seconds(), time.monotonic()
        # Now and then it counts an answer more than there were queries, and waits on and on.
        run("timeout", "--preserve-status", "--signal", "INT", seconds + LATE + 1,
            "dnsperf", "-s", ADDRESS, "-d", bench.queries(size), "-l", seconds, "-q", OUTSTANDING,
            "-c", 1, "-T", 1, "-t", LATE, "-b", ANSWERS_KB, "-O", "suppress=timeout,unexpected",
            *options, stdout=file, stderr=subprocess.STDOUT)
        busy = (children_seconds() - before) / (time.monotonic() - began)
        file.seek(0)
        said = file.read()
    answers = re.search(r"Queries completed: +(\d+)", said)
    took = re.search(r"Run time \(s\): +([\d.]+)", said)
    if not answers or not took:
        raise Failed(f"{subject.name}: dnsperf said\n{said}")
    return Asked(int(answers.group(1)), float(took.group(1)), busy,
                 [float(seconds) * 1e6 for seconds in
                  re.findall(r"^> [A-Z]{2,} \S+ A (\d+\.\d+)$", said, re.M)])


def children_seconds():
    times = os.times()
    return times.children_user + times.children_system


def replies(flood):
    """How many kxdpgun has had, which it tells when it gets a signal."""
    def told():
        return re.findall(r"^total replies: +(\d+)", flood.text(), re.M)
    before = len(told())
    flood.popen.send_signal(signal.SIGUSR1)
    wait_for(lambda: flood.check_alive() or told()[before:], "kxdpgun's figures", step=0.001)
    return int(told()[-1])


def has_xdp(subject):
    with subject.client:
        return "xdp" in run("ip", "link", "show", subject.interface).stdout


def memory_kb(running):
    return sum(map(ground.proportional_kb, running.pids))


def is_quiet(running):
    """Whether it does nothing for some time."""
    before = running.cpu_ns()
    time.sleep(0.1)
    return running.cpu_ns() - before < 2e6


# ---- subjects ----

class Server(rounds.Subject):
    interface = "veth0"  # of its clients

    def does(self, case):
        return case is not LOOKUP

    def sent(self):
        """Frames, by its clients."""
        return net.interface_counts(self.client, self.interface)[9]

    def command(self, size, zone, folder):
        raise NotImplementedError


class Debian(Server):
    """A program on Linux's sockets, behind a veth."""

    def __init__(self, server):
        super().__init__(server.name)
        self.server = server

    def missing(self):
        return self.server.missing()

    def place(self):
        self.client, self.home = Netns(), Netns()
        join(self.client, self.home)

    def command(self, size, zone, folder):
        os.mkdir(os.path.join(folder, "knot"))
        return self.server.command(folder, [nameservers.Zone(ORIGIN, zone)], ADDRESS, 53)


class Image(Server):
    """appliance/dns with the zone inside it, for one of the targets, behind a tap."""

    interface = TAP
    stop_signal = net.Image.stop_signal
    target, monitor = "jail", "kiln-jail"

    missing = net.OnTap.missing
    place = net.OnTap.place

    def image(self, size):
        return image_of(size, self.target)

    def device(self):
        return f"tap:{TAP}"

    def command(self, size, zone, folder):
        return [os.path.join(ROOT, "build/bin", self.monitor), "--net", self.device(), "-m",
                MEMORY[size], self.image(size), f"ip={ADDRESS}/24", f"gateway={CLIENT}"]


def folder_of(size):
    return os.path.join(net.BUILT, f"dns-{size}")


def image_of(size, target):
    return f"{folder_of(size)}.{target}"


def embed_zone(size, zone):
    """Makes an appliance of the zone's own."""
    shutil.copytree(os.path.join(ROOT, "appliance/dns"), folder_of(size), dirs_exist_ok=True)
    embedded = os.path.join(folder_of(size), "zones")
    shutil.rmtree(embedded, ignore_errors=True)
    os.mkdir(embedded)
    os.link(zone, os.path.join(embedded, f"{ORIGIN}.zone"))


def build(size, target):
    """Begins to; the process."""
    return Process(KILN, "build", folder_of(size), "-t", target, "-o", image_of(size, target))


class OnXdp(Image):
    """On one end of a veth, by AF_XDP."""

    interface = "veth0"

    def missing(self):
        return super().missing() or net.XdpImage.missing(self)

    def place(self):
        net.XdpImage.place(self)
        with self.client:  # who takes a frame by AF_XDP is not told what its checksum lacks
            run("ethtool", "-K", "veth0", "tx", "off")

    def device(self):
        return "xdp:veth1"


class Virtual(Image):
    target, monitor = "vm", "kiln-kvm"

    def missing(self):
        return super().missing() or (None if kvm_serves() else "/dev/kvm does not open here")


class Library(rounds.Subject):
    cases = (LOOKUP.name,)


class FrameLoop(net.FrameLoop, Server):
    """As in kiln bench net; it knows no zones."""

    cases = None

    def does(self, case):
        return isinstance(case, Load)


class Dns(rounds.Bench):
    name = "dns"
    about = __doc__
    all_cases = [*(kind(size) for kind in (Load, Flood) for size in (100, 10_000, LARGEST)),
                 LOOKUP, *(FirstAnswer(size) for size in (100, LARGEST))]
    rivals = ("nsd", "knot")
    quick_rounds, quick_seconds = 1, 0.2

    @classmethod
    def all_subjects(cls):
        return [Image("kiln-jail-tap"), OnXdp("kiln-jail-xdp"), Virtual("kiln-kvm"),
                *map(Debian, nameservers.ALL), Library("kiln-host"), FrameLoop("frame-loop")]

    def prepare(self):
        os.makedirs(net.BUILT, exist_ok=True)
        rounds.make("frame_loop", "dns_lookup")
        self.sizes = sorted({case.size for case in self.cases if case is not LOOKUP})
        with self.processors.on_server(client_too=True):
            self.write_zones()
        super().prepare()

    def write_zones(self):
        """The zones, and what is asked for; and all images at once, the largest first."""
        targets = dict.fromkeys(s.target for s in self.subjects if isinstance(s, Image))
        self.zones, builds = {}, []
        for size in reversed(self.sizes):
            rounds.progress(f"writing {size:,} names")
            # Where any user can read it.
            self.zones[size] = os.path.join(net.BUILT, f"{size}.zone")
            write_once(self.zones[size], zone_text(size))
            embed_zone(size, self.zones[size])
            builds += [build(size, target) for target in targets]
            write_once(self.queries(size), queries_text(size))
        rounds.progress("building images")
        for process in builds:
            if process.wait(600):
                raise Failed(process.text())

    def queries(self, size):
        return os.path.join(net.BUILT, f"{size}.queries")

    def round(self, number):
        """By size, each server is started once, and goes through the cases of that size."""
        for samples in (self.samples.get((LOOKUP.name, s.name)) for s in self.subjects):
            if samples is not None:
                samples.append(LOOKUP.sample(self.processors))
        for size in self.sizes:
            cases = [case for case in self.cases if case.size == size and case is not LOOKUP]
            for subject in rounds.turns(self.subjects, number):
                self.go_through(subject, [case for case in cases if subject.does(case)], number)

    def go_through(self, subject, cases, number):
        if not cases:
            return
        size = cases[0].size
        rounds.progress(f"round {number} of {self.rounds}: {size:,} names, {subject.name}")
        running, started = self.start(subject, size)
        for case in cases:
            sample = started if isinstance(case, FirstAnswer) else case.measure(self, running)
            self.samples[case.name, subject.name].append(sample)
        subject.stop(running.process)
        wait_for(lambda: TAP not in subject.client.interfaces(), "the interface gone")

    def curves(self, results):
        """As the paper draws them: by the zone's size."""
        for kind, title in ((Load, "queries answered in a second of the server's processor, by "
                             "the zone's names"), (Flood, "the same, of a flood of queries")):
            points = [(case.size, row) for case, found in results if type(case) is kind
                      for row in found]
            if len({size for size, _ in points}) > 1:
                yield title, points

    def start(self, subject, size):
        """Starts a server, and waits for its first answer; that as a sample, and the server."""
        if isinstance(subject, FrameLoop):
            return subject.launch(self, LOOPED), None
        folder = os.path.join(self.folder, subject.name)
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder)
        command = subject.command(size, self.zones[size], folder)
        with subject.client:
            client = fork(first_answer)
        running = self.run(subject, command)
        end = client()
        if not end:
            raise Failed(f"{subject.name}: no answer within 20 s\n{running.process.text()}")
        running.find()
        sample = {"cpu_us_per_op": running.cpu_ns() / 1e3, "rss_kb": memory_kb(running),
                  "p50_us": (end - running.process.started_ns) / 1e3}
        check_answers(subject, size)
        ground.pin(running.pids, self.processors.server)
        wait_for(lambda: is_quiet(running), f"{subject.name} done with its start", 20, 0.05)
        dnsperf(self, subject, size, min(WARM[size], 2 * self.seconds))
        return running, sample


def first_answer(ready):
    """Asks until an answer to a name of the zone comes; when it has, in ns."""
    wanted = query(f"{name_of(0)}.{ORIGIN}")

    def ask():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.005)
            s.connect((ADDRESS, 53))
            s.send(wanted)
            answer = s.recv(4096)
            return answer[3] & 15 == 0 and answer[6:8] != b"\0\0"
    return when_there(ready, ask)


LOOPED = net.UdpEcho()  # what the loop has to know of a case
LOOPED.loop = ("answer",)


def main(arguments):
    return rounds.main(Dns, arguments)
