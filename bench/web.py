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
               (--spin); and to the kernel's thread for soft interrupts on its processor. The
               kernel delivers what is sent on a veth or a tap within the sender's call: the
               client's receiving is in the server's figure, and the server's receiving in the
               client's, up to the socket for a server on sockets, up to the tap's queue for an
               image. For first-byte: all from exec to the first byte.
p50_us p99_us  of the time from request to response, as wrk saw it; for first-byte from exec to
p999_us        the first byte of the page. The 99th of a hundred starts or fewer is the slowest, and
               of the 999th of a thousand nothing is said.
rss_kb         resident memory of the server's processes at the end of the load, added up.
ratio          the CPU time of the best rival (ratio_to) to this server's, for first-byte the time;
               the median over the rounds, in each of which both met the same machine.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import time

import ground
import report
import rounds
import servers
from first_byte import first_byte, fork
from lab import ADDRESS, ROOT, Failed, progress, wait_for

SIZES = {"1k": 1024, "100k": 102400}
LATE = 5.0  # seconds within which wrk stops when it is told to


class Load(rounds.Case):
    """Requests for a page."""

    def __init__(self, name, page, connections, close=False):
        way = "a connection a request" if close else "keep-alive"
        plural = "" if connections == 1 else "s"
        super().__init__(name,
                         f"{SIZES[page]:,} bytes, {way}, {connections} connection{plural}")
        self.path = f"/{page}.html"
        self.connections = connections
        self.close = close


class FirstByte(rounds.Case):
    compared = "p50_us"
    unit = report.STARTS

    def __init__(self):
        super().__init__("first-byte",
                         f"from exec to the first byte of a page of {SIZES['1k']:,} bytes")
        self.path = "/1k.html"


FIRST_BYTE = FirstByte()


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
    return fields, stream.read(int(fields["content-length"]))


def check_case(subject, case, contents):
    """The right bytes, and the connection kept or closed as the case says."""
    what = f"{subject.name}, {case.name}"
    request = f"GET {case.path} HTTP/1.1\r\nHost: {ADDRESS}\r\n"
    if case.close:
        request += "Connection: close\r\n"
    request = (request + "\r\n").encode()
    with subject.client, socket.create_connection((ADDRESS, 80), 10) as s:
        stream = s.makefile("rb")
        for _ in range(1 if case.close else 2):
            s.sendall(request)
            fields, body = read_response(stream, what)
            if body != contents[case.path]:
                raise Failed(f"{what}: {len(body)} bytes that differ from the page")
            closes = fields.get("connection", "").lower() == "close"
            if closes != case.close:
                raise Failed(f"{what}: the head says {'close' if closes else 'keep-alive'}")
        if case.close and stream.read(1):
            raise Failed(f"{what}: the connection goes on after the response")


# ---- measuring ----

class Served(rounds.Bench):
    """A bench that starts web servers."""

    def prepare(self):
        self.embedded = os.path.join(ROOT, "build/bench/site")
        write_site(self.embedded)
        self.site = os.path.join(self.folder, "site")  # where any user can read it
        self.contents = write_site(self.site)
        super().prepare()

    def prepare_subject(self, subject):
        subject.prepare(self.embedded)

    def start(self, subject):
        """Starts a server, and waits for the first byte; that as a sample, and the server."""
        folder = os.path.join(self.folder, subject.name)
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder)
        os.chmod(folder, 0o777)  # lighttpd opens its log as another user
        command = subject.command(self.site, folder)
        with subject.client:
            client = fork(lambda ready: first_byte(ready, FIRST_BYTE.path))
        running = self.run(subject, command)
        end = client()
        if not end:
            raise Failed(f"{subject.name}: no answer within 20 s\n{running.process.text()}"
                         f"{error_log(folder)}")
        running.find()
        microseconds = (end - running.process.started_ns) / 1e3
        return running, {"cpu_us_per_op": running.cpu_ns() / 1e3, "p50_us": microseconds,
                         "rss_kb": running.rss_kb()}

    def stop(self, running):
        subject = running.subject
        subject.stop(running.process)
        wait_for(lambda: servers.TAP not in subject.client.interfaces(), "the interface gone")

    def first_bytes(self, subject, count):
        """Samples of so many starts."""
        for _ in range(count):
            running, sample = self.start(subject)
            self.stop(running)
            yield sample


class Web(Served):
    name = "web"
    about = __doc__
    all_cases = [
        Load("1k-keepalive-1", "1k", 1),
        Load("1k-keepalive-64", "1k", 64),
        Load("1k-keepalive-512", "1k", 512),
        Load("100k-keepalive-64", "100k", 64),
        Load("1k-close-64", "1k", 64, close=True),
        FIRST_BYTE,
    ]
    rivals = ("nginx", "nginx-tuned", "lighttpd")
    has_starts = True

    @classmethod
    def all_subjects(cls):
        return servers.web_servers()

    def round(self, number):
        """All servers stand while the cases are gone through, warm from the one before."""
        self.standing = {s: self.start_timed(s) for s in self.subjects}
        super().round(number)
        for running in self.standing.values():
            self.stop(running)

    def start_timed(self, subject):
        """Starts it as often as first-byte wants; the last start stays."""
        samples = self.samples.get((FIRST_BYTE.name, subject.name), [])
        if FIRST_BYTE in self.cases:
            samples += self.first_bytes(subject, self.starts - 1)
        running, sample = self.start(subject)
        samples.append(sample)
        return running

    def turn(self, subject, case, first):
        if case is FIRST_BYTE:
            return []  # has been measured as they were started
        running = self.standing[subject]
        if first:
            check_case(subject, case, self.contents)
            running.check_place(self.processors.server)
        return [load(self, running, case)]


def load(bench, running, case):
    """wrk, for some time."""
    subject = running.subject
    command = ["wrk", "-t", "1", "-c", str(case.connections), "-d", "60s", "--timeout", "10s",
               "-s", os.path.join(ROOT, "bench/wrk.lua"), f"http://{ADDRESS}{case.path}"]
    if case.close:
        command += ["-H", "Connection: close"]
    meter = bench.meter(running)
    with subject.client:
        wrk = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    time.sleep(bench.seconds)
    rss = running.rss_kb()
    client_used = ground.cpu_ns(wrk.pid)
    wrk.send_signal(signal.SIGINT)
    out, _ = wrk.communicate(timeout=LATE)
    meter.stop()
    found = parse_wrk(subject, case, out)
    return {"ops_per_s": found["requests"] / found["seconds"],
            "p50_us": found["p50_us"], "p99_us": found["p99_us"],
            "p999_us": found["p999_us"], "rss_kb": rss,
            "client_busy": client_used / 1e9 / bench.seconds,
            **meter.sample(found["requests"])}


def error_log(folder):
    try:
        with open(os.path.join(folder, "error.log"), encoding="utf-8", errors="replace") as log:
            return log.read()
    except FileNotFoundError:
        return ""


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


def main(arguments):
    return rounds.main(Web, arguments)
