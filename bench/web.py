"""kiln bench web: Kiln's web appliance beside nginx, lighttpd and Apache, on one machine.

Each server runs on one processor, its client (wrk) on another, in a namespace one link away: a
veth for the servers on Linux's sockets, the tap itself for an image with its own stack. In each
round every server is started anew, and the cases are gone through with the servers taking
turns, so that what else the machine does meets all of them alike. A figure is the median of the
rounds.

What is in the figures:

ops_per_s      requests that wrk had answered, by the time that it took. For first-byte null.
cpu_us_per_op  what the scheduler charged to the server's processes, by requests: user and system,
               the monitor's and the guest's, and what an image spends on polling before it sleeps
               (--spin). The kernel delivers what is sent on a veth or a tap within the sender's
               call: the client's receiving is in the server's figure, and the server's receiving
               in the client's, up to the socket for a server on sockets, up to the tap's queue
               for an image. For first-byte: all from exec to the first byte.
p50_us p99_us  of the time from request to response, as wrk saw it; for first-byte from exec to
               the first byte of the page. The 99th of a hundred starts or fewer is the slowest.
rss_kb         resident memory of the server's processes at the end of the load, added up.
ratio          the CPU time of the best rival (ratio_to) to this server's, for first-byte the time;
               the median over the rounds, in each of which both met the same machine.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import ground
import plot
import report
import servers
from first_byte import first_byte, fork
from lab import ADDRESS, ROOT, Failed, is_root, progress, progress_end, wait_for

SIZES = {"1k": 1024, "100k": 102400}
RIVALS = ("nginx", "nginx-tuned", "lighttpd")  # the best of them is what the ratios are to
LATE = 5.0  # seconds within which wrk stops when it is told to


class Case:
    def __init__(self, name, page, connections, close=False):
        self.name = name
        self.page = page
        self.connections = connections
        self.close = close

    @property
    def title(self):
        if self.name == FIRST_BYTE:
            return f"from exec to the first byte of a page of {SIZES[self.page]:,} bytes"
        way = "a connection a request" if self.close else "keep-alive"
        plural = "" if self.connections == 1 else "s"
        return f"{SIZES[self.page]:,} bytes, {way}, {self.connections} connection{plural}"

    @property
    def compared(self):
        """Of which figure the ratios are."""
        return "p50_us" if self.name == FIRST_BYTE else "cpu_us_per_op"

    @property
    def path(self):
        return f"/{self.page}.html"


FIRST_BYTE = "first-byte"
CASES = [
    Case("1k-keepalive-1", "1k", 1),
    Case("1k-keepalive-64", "1k", 64),
    Case("1k-keepalive-512", "1k", 512),
    Case("100k-keepalive-64", "100k", 64),
    Case("1k-close-64", "1k", 64, close=True),
    Case(FIRST_BYTE, "1k", 1),
]


def say(text):
    print(f"kiln: {text}", file=sys.stderr, flush=True)


# ---- the site ----

def write_site(folder):
    """A page of each size, text that looks like a page's; path to content."""
    contents = {}
    os.makedirs(folder, exist_ok=True)
    for page, size in SIZES.items():
        head = "<!doctype html>\n<title>Measured</title>\n<pre>\n"
        lines = "".join(f"{n:6d} what is sent is what was asked for\n" for n in range(size // 40))
        content = (head + lines).encode()[:size - 7].ljust(size - 7) + b"</pre>\n"
        path = os.path.join(folder, f"{page}.html")
        contents[f"/{page}.html"] = content
        try:
            with open(path, "rb") as file:
                same = file.read() == content
        except FileNotFoundError:
            same = False
        if not same:  # or images would be built anew
            with open(path, "wb") as file:
                file.write(content)
    return contents


# ---- what is checked before anything is measured ----

def read_response(stream, what):
    """Status line and fields, and the body that they announce."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            raise Failed(f"{what}: the connection ended within the head {head!r}")
        head += line
    lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in
              (line.partition(":") for line in lines[1:] if line)}
    if " 200 " not in lines[0] or "content-length" not in fields:
        raise Failed(f"{what}: answered {head!r}")
    return len(head), fields, stream.read(int(fields["content-length"]))


def check_case(subject, case, contents):
    """The right bytes, and the connection kept or closed as the case says; the head's size."""
    what = f"{subject.name}, {case.name}"
    request = f"GET {case.path} HTTP/1.1\r\nHost: {ADDRESS}\r\n"
    if case.close:
        request += "Connection: close\r\n"
    request = (request + "\r\n").encode()
    with subject.client, socket.create_connection((ADDRESS, 80), 10) as s:
        stream = s.makefile("rb")
        for _ in range(1 if case.close else 2):
            s.sendall(request)
            size, fields, body = read_response(stream, what)
            if body != contents[case.path]:
                raise Failed(f"{what}: {len(body)} bytes that differ from the page")
            closes = fields.get("connection", "").lower() == "close"
            if closes != case.close:
                raise Failed(f"{what}: the head says {'close' if closes else 'keep-alive'}")
        if case.close and stream.read(1):
            raise Failed(f"{what}: the connection goes on after the response")
    return size


def check_place(subject, pids, processor):
    for pid in pids:
        allowed = ground.processors_of(pid)
        if allowed != {processor}:
            raise Failed(f"{subject.name}: process {pid} runs on processors {sorted(allowed)}, "
                         f"not on {processor} alone")


# ---- measuring ----

class Running:
    """A started server."""

    def __init__(self, subject, process):
        self.subject = subject
        self.process = process
        self.pids = ground.family(process.pid)

    def cpu_ns(self):
        return sum(map(ground.cpu_ns, self.pids))

    def rss_kb(self):
        return sum(map(ground.resident_kb, self.pids))

    def check_same(self):
        """A process more or less, and the figures would not be those of the whole server."""
        self.process.check_alive()
        if ground.family(self.process.pid) != self.pids:
            raise Failed(f"{self.subject.name}: its processes changed while it was measured")


class Bench:
    """A run: its subjects, where they run, and what was found."""

    def __init__(self, subjects, cases, rounds, seconds, starts, processors):
        self.subjects = subjects
        self.cases = cases
        self.rounds = rounds
        self.seconds = seconds
        self.starts = starts  # a round, for first-byte
        self.processors = processors
        self.folder = tempfile.mkdtemp(prefix="kiln-bench-")
        os.chmod(self.folder, 0o755)  # nginx's worker is another user
        self.softirq = ground.soft_interrupt_pid(processors.server)
        self.samples = {(case.name, s.name): [] for case in cases for s in subjects}
        self.head_sizes = {}
        self.guard = None

    def close(self):
        if self.guard:
            self.guard.close()
        for subject in self.subjects:
            subject.leave()
        shutil.rmtree(self.folder, ignore_errors=True)

    def prepare(self):
        embedded = os.path.join(ROOT, "build/bench/site")
        write_site(embedded)
        self.site = os.path.join(self.folder, "site")  # where any user can read it
        self.contents = write_site(self.site)
        for subject in self.subjects:
            progress(f"preparing {subject.name}")
            subject.prepare(embedded)
            subject.place()
            for netns in {subject.client, subject.home}:
                settle(netns)
        self.guard = ground.Guard()

    def title(self):
        return (f"{self.rounds} round{'s' * (self.rounds > 1)} of {self.seconds:g} s; server on "
                f"processor {self.processors.server}, client on {self.processors.client}; "
                f"medians, from the least to the greatest")

    def start(self, subject):
        """Starts a server, and waits for the first byte; that as a sample, and the server."""
        folder = os.path.join(self.folder, subject.name)
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder)
        os.chmod(folder, 0o777)  # lighttpd opens its log as another user
        command = subject.command(self.site, folder)
        with subject.client:
            client = fork(lambda ready: first_byte(ready, CASES[-1].path))
        with self.processors.on_server():
            process = subject.start(command)
        end = client()
        if not end:
            raise Failed(f"{subject.name}: no answer within 20 s\n{process.text()}"
                         f"{error_log(folder)}")
        running = Running(subject, process)
        microseconds = (end - process.started_ns) / 1e3
        return running, {"ops_per_s": None, "cpu_us_per_op": running.cpu_ns() / 1e3,
                         "p50_us": microseconds, "rss_kb": running.rss_kb()}

    def load(self, running, case):
        """wrk, for some time."""
        subject = running.subject
        command = ["wrk", "-t", "1", "-c", str(case.connections), "-d", "60s", "--timeout", "10s",
                   "-s", os.path.join(ROOT, "bench/wrk.lua"), f"http://{ADDRESS}{case.path}"]
        if case.close:
            command += ["-H", "Connection: close"]
        idle = ground.idle_seconds(self.processors.server)
        softirq = ground.cpu_ns(self.softirq) if self.softirq else 0
        began, used = time.monotonic(), running.cpu_ns()
        with subject.client:
            wrk = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        time.sleep(self.seconds)
        rss = running.rss_kb()
        client_used = ground.cpu_ns(wrk.pid)
        wrk.send_signal(signal.SIGINT)
        out, _ = wrk.communicate(timeout=LATE)
        used = running.cpu_ns() - used
        took = time.monotonic() - began
        softirq = ground.cpu_ns(self.softirq) - softirq if self.softirq else 0
        idle = ground.idle_seconds(self.processors.server) - idle
        running.check_same()
        found = parse_wrk(subject, case, out)
        return {"ops_per_s": found["requests"] / found["seconds"],
                "cpu_us_per_op": used / 1e3 / found["requests"],
                "p50_us": found["p50_us"], "p99_us": found["p99_us"], "rss_kb": rss,
                "server_busy": used / 1e9 / took,
                "client_busy": client_used / 1e9 / self.seconds,
                "softirq_us_per_op": softirq / 1e3 / found["requests"],
                "others_busy": max(0, took - idle - (used + softirq) / 1e9) / took}

    def round(self, number):
        running = []
        for subject in self.subjects:
            running.append(self.start_timed(subject))
        for case in self.cases:
            if case.name == FIRST_BYTE:
                continue
            for server in turns(running, number):
                key = (case.name, server.subject.name)
                progress(f"round {number} of {self.rounds}: {', '.join(key)}")
                if number == 1:
                    self.head_sizes[key] = check_case(server.subject, case, self.contents)
                    check_place(server.subject, server.pids, self.processors.server)
                self.samples[key].append(self.load(server, case))
        for server in running:
            server.subject.stop(server.process)

    def start_timed(self, subject):
        """Starts it as often as first-byte wants; the last start stays."""
        samples = self.samples.get((FIRST_BYTE, subject.name))
        for _ in range(self.starts - 1 if samples is not None else 0):
            running, sample = self.start(subject)
            samples.append(sample)
            subject.stop(running.process)
            self.wait_gone(subject)
        running, sample = self.start(subject)
        if samples is not None:
            samples.append(sample)
        return running

    def wait_gone(self, subject):
        wait_for(lambda: servers.TAP not in subject.client.interfaces(), "the interface gone")


def error_log(folder):
    try:
        with open(os.path.join(folder, "error.log"), encoding="utf-8", errors="replace") as log:
            return log.read()
    except FileNotFoundError:
        return ""


def turns(running, number):
    """In each round another one begins."""
    first = number % len(running)
    return running[first:] + running[:first]


def settle(netns):
    """What Linux's stack shall do, alike for all: it has ports enough for a connection a request,
    and Debian's congestion control, whatever this machine's is. (BBR would pace the servers on
    sockets by timers, which cost them much on so short a way.) Where a namespace may not choose
    cubic it has reno, which on a link without losses is much the same."""
    with netns:
        set_ip4("ip_local_port_range", "1024 65535")
        try:
            set_ip4("tcp_congestion_control", "cubic")
        except PermissionError:
            set_ip4("tcp_congestion_control", "reno")


def set_ip4(name, value):
    with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as file:
        file.write(value)


def parse_wrk(subject, case, out):
    what = f"{subject.name}, {case.name}"
    last = out.strip().rpartition("\n")[2]
    try:
        found = json.loads(last)
    except ValueError:
        raise Failed(f"{what}: wrk said\n{out}") from None
    if found["errors"] or not found["requests"]:
        raise Failed(f"{what}: wrk saw errors\n{out}")
    return found


# ---- the command ----

class Arguments(argparse.ArgumentParser):
    def error(self, message):
        print(f"kiln: bench web: {message}\nkiln: see kiln bench web --help", file=sys.stderr)
        sys.exit(2)


def at_least(least, kind):
    def check(text):
        value = kind(text)
        if not least <= value < 1e6:
            raise argparse.ArgumentTypeError(f"{text} is not {least} or more")
        return value
    check.__name__ = "number"
    return check


def pair(text):
    server, client = map(int, text.split(","))
    if server == client or min(server, client) < 0:
        raise ValueError
    return server, client


def read_arguments(arguments):
    names = [s.name for s in servers.web_servers()]
    parser = Arguments(prog="kiln bench web", allow_abbrev=False, description=__doc__,
                       formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="3 short rounds: under a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("-o", metavar="FILE.svg", dest="plot", help="draw the figures")
    parser.add_argument("--rounds", type=at_least(1, int), help="7; with --quick 3")
    parser.add_argument("--seconds", type=at_least(0.1, float),
                        help="of load in each: 1; with --quick 0.3")
    parser.add_argument("--starts", type=at_least(1, int),
                        help="in each round for first-byte: 3; with --quick 2")
    parser.add_argument("--case", action="append", choices=[c.name for c in CASES],
                        help="only this one (again for several)")
    parser.add_argument("--subject", action="append", choices=names, help="likewise")
    parser.add_argument("--cpus", type=pair, metavar="SERVER,CLIENT", help="their processors")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (3 if options.quick else 7)
    options.seconds = options.seconds or (0.3 if options.quick else 1.0)
    options.starts = options.starts or (2 if options.quick else 3)
    if options.plot:
        try:
            with open(options.plot, "a", encoding="utf-8"):
                pass
        except OSError as error:
            parser.error(f"cannot write {options.plot}: {error.strerror}")
    return options


def choose_subjects(wanted):
    chosen = []
    for subject in servers.web_servers():
        if wanted and subject.name not in wanted:
            continue
        why = subject.missing()
        if why:
            say(f"without {subject.name}: {why}")
        else:
            chosen.append(subject)
    if not chosen:
        raise Failed("none of the servers can be measured here")
    return chosen


def measure(options):
    processors = ground.Processors(*(options.cpus or ()))
    cases = [case for case in CASES if not options.case or case.name in options.case]
    bench = Bench(choose_subjects(options.subject), cases, options.rounds, options.seconds,
                  options.starts, processors)
    try:
        bench.prepare()
        for number in range(1, options.rounds + 1):
            bench.round(number)
    finally:
        progress_end()
        bench.close()
    results = [(case, report.rows("web", case, {subject.name: bench.samples[case.name, subject.name]
                                                for subject in bench.subjects}, RIVALS))
               for case in cases]
    if options.json:
        for _, rows in results:
            for row in rows:
                print(json.dumps(row))
    else:
        report.print_tables(bench.title(), results)
    if options.plot:
        plot.write(options.plot, "kiln bench web", bench.title(),
                   [(case.name, case.title, rows) for case, rows in results])
    for text in report.warnings(results):
        say(f"warning: {text}")


def main(arguments):
    options = read_arguments(arguments)
    if not is_root():
        say("a benchmark makes network namespaces: run it as root")
        return 1
    return ground.first_in_line(lambda: run_bench(options))


def run_bench(options):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    try:
        measure(options)
    except KeyboardInterrupt:
        say("interrupted: everything is stopped")
        return 130
    except (Failed, OSError, subprocess.SubprocessError) as error:
        say(str(error))
        return 1
    return 0
