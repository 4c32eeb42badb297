"""kiln bench net: Kiln's network stack beside the kernel's, and beside a loop without a stack.

Each server runs on one processor, its client on another, in a namespace one link away: a veth
for what uses the kernel's sockets, the tap itself for an image with its own stack. It is started
anew for each turn.

udp-64b-256            64 bytes of UDP, echoed; 256 on their way at a time. A datagram that is lost
                       is sent again after 100 ms, and warned of.
bulk-in bulk-out       one TCP stream to the server, or from it. Segmentation and checksums are left
                       to the interface, on both sides.
bulk-in-nooffload,     the same with all offloads off, on both sides: each frame is 1,514 bytes,
bulk-out-nooffload     and all checksums are made and checked.

idle-100k              requests to a web server (1,024 bytes, 64 connections) while 100,000 other
                       connections are open and idle, in an image of 256 MB. With --quick once only

cpus-2                 requests to one web server (as above), and to two that share its address, on a
                       processor each (kiln run --cpus), none of which polls before it sleeps. The
                       client has to share a processor with one of the two: it is what limits the
                       requests in a second. Of them fewer come at a time to each server then, which
                       costs more of its processor for each

kiln-jail-tap          appliance/echo, one that discards or sends (bench/image/bulk), and a web
                       server that does not close what is idle (bench/image/patient)
kiln-jail-xdp          the same on AF_XDP at one end of a veth, whose other end is the client's. Its
                       frames are whole: it has no offloads, and the client's end leaves it no checksum
                       to finish
kernel-udp             one socket, recvmmsg and sendmmsg (bench/udp_echo.c)
iperf3                 Debian's, server and client
kiln-jail-alone        the same web server without the idle ones
kiln-cpus-1, -2        the same web server once, and twice
frame-loop             the limit: a program that reads frames from a tap and writes them back, or
                       only reads, or only writes (bench/frame_loop.c). Its frames are those of the
                       case: 1,514 bytes, or 64 KB for the interface to cut. For `in` the client
                       sends datagrams, for `out` the host drops the frames as they come in.

What is in the figures:

ops_per_s      (ops_unit) echoes that came; or bytes of payload that passed the interface
cpu_us_per_op  what the server took of its processor, as in kiln bench web, by echoes; for a stream
               (cpu_unit) by KB, of 1,000 bytes
p50_us p99_us  of the time from a datagram to its echo
p999_us
rss_kb         resident memory of the server's processes at the end of the load
ratio          the CPU time of the kernel's to this server's, the median over the rounds
rate           (idle-100k) its requests per second by those of kiln-jail-alone, likewise
bytes_per_conn what the server's resident memory grew by, by the idle connections
floor_ratio    the CPU time of this server to the frame loop's, likewise
"""

import contextlib
import fcntl
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import time

import ground
import report
import rounds
import web
from lab import ADDRESS, CLIENT, KILN, ROOT, TAP, Failed, Netns, ip, join, run, wait_for

BUILT = os.path.join(ROOT, "build/bench")
IPERF = "/usr/bin/iperf3"
IPERF_PORT = 5201
STREAM = report.Unit("bytes", "KB", "ns", 1e3, "MB/s", 1e6)
HEADERS = 66  # of a TCP segment with timestamps, Ethernet's too
BEGUN = 1 << 20  # bytes, from which on a stream is under way
WARM = 0.1  # seconds, until it is measured


def program(name, *arguments):
    return [os.path.join(BUILT, name), *map(str, arguments)]


class UdpEcho(rounds.Case):
    offloads = True
    image, memory = "echo", "16M"  # as in bench web
    port = 7
    frame = 64
    loop = ("echo",)

    def __init__(self):
        super().__init__("udp-64b-256", "64 bytes of UDP echoed, 256 on their way")

    def measure(self, bench, running):
        subject = running.subject
        with subject.client:
            run(*program("udp_load", ADDRESS, self.port, 0))  # it answers, with the same bytes
            meter = bench.meter(running)
            out = run(*program("udp_load", ADDRESS, self.port, bench.seconds),
                      timeout=60 + bench.seconds).stdout
        meter.stop()
        found = json.loads(out)
        if not found["ops"]:
            raise Failed(f"{subject.name}, {self.name}: no echo came: {out}")
        bench.lost += found["lost"]
        return {"ops_per_s": found["ops"] / found["seconds"], "p50_us": found["p50_us"],
                "p99_us": found["p99_us"], "p999_us": found["p999_us"],
                "client_busy": found["client_busy"], "rss_kb": running.rss_kb(), **meter.sample(found["ops"])}


class Stream(rounds.Case):
    image, memory = "bulk", "64M"  # room for a stream's window
    unit = STREAM

    def __init__(self, way, offloads):
        super().__init__(f"bulk-{way}" + ("" if offloads else "-nooffload"),
                         f"one TCP stream {'to' if way == 'in' else 'from'} the server, "
                         f"{'segments cut by the interface' if offloads else 'no offloads'}")
        self.way = way
        self.offloads = offloads
        self.port = 9 if way == "in" else 19
        self.frame = 44 * 1448 if offloads else 1448  # payload
        self.loop = ("sink",) if way == "in" else ("source", self.frame)

    def measure(self, bench, running):
        subject = running.subject
        with self.client(subject) as client:
            before = subject.moved(self.way)
            wait_for(lambda: running.process.check_alive() or
                     subject.moved(self.way) - before > BEGUN, f"{self.name} under way")
            time.sleep(WARM)
            meter, before = bench.meter(running), subject.moved(self.way)
            client_used = ground.cpu_ns(client.pid) if client else 0
            time.sleep(bench.seconds)
            meter.stop()
            moved = subject.moved(self.way) - before
            client_used = ground.cpu_ns(client.pid) - client_used if client else 0
        return {"ops_per_s": moved / meter.took, "rss_kb": running.rss_kb(),
                "client_busy": client_used / 1e9 / meter.took, **meter.sample(moved / 1000)}

    @contextlib.contextmanager
    def client(self, subject):
        command = subject.client_of(self)
        if not command:
            yield None
            return
        with subject.client, open(os.path.join(BUILT, "client.log"), "w+b") as log:
            client = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                yield client
                if client.poll() is not None:
                    log.seek(0)
                    raise Failed(f"{subject.name}, {self.name}: the client ended: {log.read()}")
            finally:
                client.kill()
                client.wait()


class Idle(web.Load):
    """The requests of a case of bench web, while others say nothing."""

    image, memory = "patient", "256M"
    offloads = True
    figures = {"rate": "rate", "bytes_per_conn": "bytes/conn"}

    def __init__(self, count):
        super().__init__(f"idle-{count // 1000}k", "1k", 64)
        self.count = count
        self.title += f", while {count:,} others are idle"

    def measure(self, bench, running):
        subject = running.subject
        wait_for(lambda: running.process.check_alive() or subject.answers(), "an answer")
        before = running.rss_kb()
        with self.crowd(subject, self.count if subject.crowded else 0):
            taken = (running.rss_kb() - before) * 1024
            return {"bytes_per_conn": taken / self.count if subject.crowded else None,
                    **web.load(bench, running, self)}

    @contextlib.contextmanager
    def crowd(self, subject, count):
        """So many connections: a process has as many as it may have files, and an address as many
        as it finds ports for quickly."""
        most = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 64, 20_000)
        crowd = []
        try:
            with subject.client:
                for n, begun in enumerate(range(0, count, most)):
                    crowd.append(open_some(min(most, count - begun), f"10.7.0.{100 + n}"))
            yield
            closed = sum(int(process.communicate()[0]) for process in crowd)
            if closed:
                raise Failed(f"{subject.name}: closed {closed} of {count} idle connections")
        finally:
            for process in crowd:
                process.kill()
                process.wait()


def open_some(count, address):
    """Connections from an address; the process that has them."""
    run("ip", "address", "add", f"{address}/24", "dev", TAP)
    process = subprocess.Popen(program("crowd", ADDRESS, 80, count, address),
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if process.stdout.readline() != "open\n":
        raise Failed(f"{count} idle connections cannot be had")
    return process


class Subject(rounds.Subject):
    """A server, and its clients' side of a link."""

    programs = ()  # of bench/*.c, that it takes

    def command(self, case, tap):
        """What to run; `tap` is the descriptor of a tap, if it takes one."""
        raise NotImplementedError

    def launch(self, bench, case):
        return bench.run(self, self.command(case, None))

    def client_of(self, case):
        """The client's command, for a stream."""
        return program("stream_load", case.way, ADDRESS, case.port)

    def moved(self, way):
        """Payload that has passed the clients' interface to the server or from it: what the
        interface counts, less the headers."""
        counts = interface_counts(self.client, self.interface)
        size, frames = counts[8:10] if way == "in" else counts[0:2]
        return max(0, size - frames * HEADERS)


class OnTap(Subject):
    """Behind a tap in its clients' namespace."""

    interface = TAP

    def missing(self):
        if not os.path.exists("/dev/net/tun"):
            return "no /dev/net/tun: this kernel has no tap interfaces"
        return None

    def place(self):
        self.client = self.home = Netns()

    def launch_on(self, bench, case, offloads):
        """With a tap that is made here, and lives as long as the server."""
        with open_tap(self.home, offloads) as tap:
            return bench.run(self, self.command(case, tap.fileno()), (tap.fileno(),))

    def stop(self, process):
        super().stop(process)
        wait_for(lambda: TAP not in self.client.interfaces(), "the interface gone")


class Image(OnTap):
    cases = ("udp-64b-256", "bulk-in", "bulk-out", "bulk-in-nooffload", "bulk-out-nooffload",
             "idle-100k")
    stop_signal = signal.SIGINT
    crowded = True

    def answers(self):
        with self.client, contextlib.suppress(OSError):
            socket.create_connection((ADDRESS, 80), 1).close()
            return True
        return False

    def launch(self, bench, case):
        if case.offloads:
            return super().launch(bench, case)
        return self.launch_on(bench, case, 0)

    def command(self, case, tap):
        return [os.path.join(ROOT, "build/bin/kiln-jail"), "--net",
                f"tap:{TAP}" if tap is None else f"fd:{tap},{MTU}", "-m", case.memory,
                os.path.join(BUILT, f"{case.image}.jail"), f"ip={ADDRESS}/24",
                f"gateway={CLIENT}"]


class XdpImage(Subject):
    """An image that takes and sends frames by AF_XDP, behind a veth."""

    cases = ("udp-64b-256", "bulk-in-nooffload", "bulk-out-nooffload")
    interface = "veth0"
    stop_signal = signal.SIGINT

    def missing(self):
        try:
            socket.socket(AF_XDP, socket.SOCK_RAW).close()
        except OSError as error:
            return f"no AF_XDP here: {error.strerror}"
        return None

    def place(self):
        self.client, self.home = Netns(), Netns()
        with self.client:
            ip(f"link add veth0 type veth peer name veth1 netns {self.home.path}",
               f"address add {CLIENT}/24 dev veth0", "link set veth0 up")
        with self.home:
            ip("link set veth1 addrgenmode none up")

    def launch(self, bench, case):
        set_offloads(self.client, "veth0", case.offloads)
        set_offloads(self.home, "veth1", False)
        with self.client:
            run("ethtool", "-K", "veth0", "tx", "off")
        return super().launch(bench, case)

    def command(self, case, tap):
        return [os.path.join(ROOT, "build/bin/kiln-jail"), "--net", "xdp:veth1", "-m", case.memory,
                os.path.join(BUILT, f"{case.image}.jail"), f"ip={ADDRESS}/24",
                f"gateway={CLIENT}"]


class Alone(Image):
    cases = ("idle-100k",)
    crowded = False


class Cpus(web.Load):
    """The requests of a case of bench web, to as many images as a subject is."""

    image, memory = "patient", "16M"
    offloads = True

    def __init__(self):
        super().__init__("cpus-2", "1k", 64)
        self.title += ", to one image, and to two on a processor each"

    def measure(self, bench, running):
        wait_for(lambda: running.process.check_alive() or running.subject.answers(), "an answer")
        running.find()  # kiln run has started them
        return web.load(bench, running, self)


class OnCpus(Image):
    """Images of one appliance that share an address."""

    cases = ("cpus-2",)

    def __init__(self, count):
        super().__init__(f"kiln-cpus-{count}")
        self.count = count
        self.on_both = count > 1

    def command(self, case, tap):
        return [KILN, "run", "--cpus", self.count, "--spin", "0us", "--net", f"tap:{TAP}",
                "-m", case.memory, os.path.join(BUILT, f"{case.image}.jail"),
                "--ip", f"{ADDRESS}/24", "--gateway", CLIENT]


class FrameLoop(OnTap):
    cases = ("udp-64b-256", "bulk-in", "bulk-out", "bulk-in-nooffload", "bulk-out-nooffload")
    programs = ("frame_loop",)

    def launch(self, bench, case):
        running = self.launch_on(bench, case, OFFLOADS if case.offloads else 0)
        with self.client:
            run("ip", "neigh", "replace", ADDRESS, "lladdr", STATION, "dev", TAP)
            if case.frame > MTU:  # a flood fills the queue: with no more than a window
                run("ip", "link", "set", TAP, "txqueuelen", QUEUE)
        return running

    def command(self, case, tap):
        mode, *rest = case.loop
        return program("frame_loop", mode, tap, *rest)

    def client_of(self, case):
        return program("stream_load", "flood", ADDRESS, case.port) if case.way == "in" else None


class OnSockets(Subject):
    """On the kernel's sockets, behind a veth."""

    interface = "veth0"

    def place(self):
        self.client, self.home = Netns(), Netns()
        join(self.client, self.home)

    def launch(self, bench, case):
        for netns, interface in ((self.client, "veth0"), (self.home, "veth1")):
            set_offloads(netns, interface, case.offloads)
        return super().launch(bench, case)


class KernelUdp(OnSockets):
    cases = ("udp-64b-256",)
    programs = ("udp_echo",)

    def command(self, case, tap):
        return program("udp_echo", case.port)


class Iperf(OnSockets):
    cases = ("bulk-in", "bulk-out", "bulk-in-nooffload", "bulk-out-nooffload")

    def missing(self):
        return None if os.access(IPERF, os.X_OK) else f"no {IPERF}: apt-get install iperf3"

    def command(self, case, tap):
        return [IPERF, "-s"]

    def launch(self, bench, case):
        running = super().launch(bench, case)
        wait_for(lambda: running.process.check_alive() or listens(self.home, IPERF_PORT),
                 "iperf3 listening")
        return running

    def client_of(self, case):
        return [IPERF, "-c", ADDRESS, "-t", "600", *(["-R"] if case.way == "out" else [])]


# ---- interfaces ----

AF_XDP = 44
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
TUNSETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ = 0x400454ca, 0x400454d0, 0x400454d8
OFFLOADS = 0x01 | 0x02 | 0x04 | 0x20 | 0x40  # checksum, TSO4, TSO6, USO4, USO6
QUEUE = 32  # frames
MTU = 1500
STATION = "02:00:00:00:00:02"  # of one that does not answer ARP


def open_tap(netns, offloads):
    """A tap with virtio-net headers, for a server that is to have one with these offloads."""
    with netns:
        tap = open("/dev/net/tun", "r+b", buffering=0)
        os.set_blocking(tap.fileno(), False)
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", TAP.encode(),
                                                IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
        fcntl.ioctl(tap, TUNSETVNETHDRSZ, struct.pack("i", 10))
        fcntl.ioctl(tap, TUNSETOFFLOAD, offloads)
        run("ip", "address", "add", f"{CLIENT}/24", "dev", TAP)
        run("ip", "link", "set", TAP, "up")
        if not offloads:
            set_offloads(netns, TAP, False)
    return tap


def set_offloads(netns, interface, on):
    """What the kernel leaves to an interface, or takes together before it looks at it."""
    state = "on" if on else "off"
    with netns:
        run("ethtool", "-K", interface, *(word for what in ("tx", "rx", "sg", "tso", "gso", "gro")
                                          for word in (what, state)))


def interface_counts(netns, interface):
    """What it has received (bytes, frames and six others) and sent (likewise): 0, if it is not."""
    with netns, open("/proc/thread-self/net/dev", encoding="ascii") as file:
        counts = {name.strip(): values.split() for name, _, values in
                  (line.partition(":") for line in file)}
    return list(map(int, counts.get(interface, [0] * 16)))


def listens(netns, port):
    with netns:
        found = run("ss", "-Hltn", f"sport = :{port}").stdout
    return bool(found.strip())


class Net(rounds.Bench):
    name = "net"
    about = __doc__
    all_cases = [UdpEcho(), *(Stream(way, offloads) for offloads in (True, False)
                              for way in ("in", "out")), Idle(100_000), Cpus()]
    rivals = ("kernel-udp", "iperf3", "kiln-jail-alone", "kiln-cpus-1")
    lost = 0  # datagrams

    @classmethod
    def all_subjects(cls):
        return [Image("kiln-jail-tap"), XdpImage("kiln-jail-xdp"), KernelUdp("kernel-udp"),
                Iperf("iperf3"), FrameLoop("frame-loop"), Alone("kiln-jail-alone"),
                OnCpus(1), OnCpus(2)]

    def prepare(self):
        rounds.make("udp_load", "stream_load", "crowd",
                    *(name for subject in self.subjects for name in subject.programs))
        site = os.path.join(BUILT, "site")
        web.write_site(site)
        for name, folder, *options in (("echo", "appliance/echo"), ("bulk", "bench/image/bulk"),
                                       ("patient", "bench/image/patient", "--site", site)):
            run(KILN, "build", os.path.join(ROOT, folder), "-t", "jail", "-o",
                os.path.join(BUILT, f"{name}.jail"), *options, timeout=600)
        super().prepare()

    def remarks(self):
        if self.lost:
            yield f"{self.lost} datagrams were lost, and sent again"

    def results(self):
        for case, found in super().results():
            alone = self.samples.get((case.name, "kiln-jail-alone"))
            if alone and isinstance(case, Idle):
                for row in found:
                    row["rate"] = report.by_rounds(self.samples[case.name, row["subject"]], alone,
                                                   "ops_per_s")
            yield case, found

    def turn(self, subject, case, first):
        if isinstance(case, Idle) and self.quick and not first:
            return []  # it takes as long as all others
        running = subject.launch(self, case)
        if first and not subject.on_both:
            running.check_place(self.processors.server)
        sample = case.measure(self, running)
        subject.stop(running.process)
        return [sample]


def main(arguments):
    return rounds.main(Net, arguments)
