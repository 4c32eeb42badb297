"""What the benches that compare have in common: rounds, subjects and cases, and the command.

In each round every case is gone through with its subjects taking turns, so that what else the
machine does meets all of them alike. A subject runs on one processor, what loads it on the
other (ground.py); a figure is the median of the rounds (report.py).

A bench is a class below Bench, which says what is compared in which cases, and how one turn of a
subject in a case is measured; its module calls main() with it.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import ground
import plot
import report
from lab import ROOT, Failed, Process, is_root, progress, progress_end


def say(text):
    print(f"kiln: {text}", file=sys.stderr, flush=True)


class Case:
    """What is measured of several subjects. Its ratios are of the figure `compared`."""

    compared = "cpu_us_per_op"
    unit = report.REQUESTS
    figures = {}  # what else its samples have, and the title that is shown above

    def __init__(self, name, title):
        self.name = name
        self.title = title


class Subject:
    """What is measured: a program, started anew for it."""

    stop_signal = signal.SIGTERM
    on_both = False  # whether it has the client's processor, too
    cases = None  # the names of those that it is measured in; None: all

    def __init__(self, name):
        self.name = name
        self.client = self.home = None  # the namespaces of its clients and of itself, if any

    def missing(self):
        """Why it cannot be measured here; None if it can."""
        return None

    def does(self, case):
        return self.cases is None or case.name in self.cases

    def place(self):
        """Makes the namespaces."""

    def netns(self):
        return {self.client, self.home} - {None}

    def leave(self):
        for netns in self.netns():
            netns.close()

    def start(self, command, pass_fds=()):
        return Process(*command, name=f"bench-{self.name}", netns=self.home, dies=True,
                       pass_fds=pass_fds)

    def stop(self, process):
        """It must have lived until now; what it makes of a signal is its own affair."""
        process.check_alive()
        process.stop(self.stop_signal)
        process.kill()


class Running:
    """A started subject."""

    def __init__(self, subject, process):
        self.subject = subject
        self.process = process
        self.find()

    def find(self):
        """Its processes: again, once it is up, where it starts more."""
        self.pids = ground.family(self.process.pid)

    def cpu_ns(self):
        return sum(map(ground.cpu_ns, self.pids))

    def rss_kb(self):
        return sum(map(ground.resident_kb, self.pids))

    def check_same(self):
        """A process more or less, and the figures would not be those of the whole server."""
        self.process.check_alive()
        if ground.family(self.process.pid) != self.pids:
            raise Failed(f"{self.subject.name}: its processes changed while it was measured")

    def check_place(self, processor):
        for pid in self.pids:
            allowed = ground.processors_of(pid)
            if allowed != {processor}:
                raise Failed(f"{self.subject.name}: process {pid} runs on processors "
                             f"{sorted(allowed)}, not on {processor} alone")


class Meter:
    """What a running subject takes of its processor, from here to stop(). The kernel's thread for
    what interrupts leave to do there works for nobody else, and so is counted with it."""

    def __init__(self, running, processor):
        self.running = running
        self.processor = processor
        self.thread = ground.soft_interrupt_pid(processor)
        self.before = self.read()

    def read(self):
        softirq = ground.cpu_ns(self.thread) if self.thread else 0
        return (time.monotonic(), ground.idle_seconds(self.processor),
                (self.running.cpu_ns() + softirq) / 1e9)

    def stop(self):
        self.took, idle, self.used = (now - then for now, then in zip(self.read(), self.before))
        self.others = max(0, self.took - idle - self.used)
        self.running.check_same()
        return self

    def sample(self, operations):
        """The figures by so many operations."""
        return {"cpu_us_per_op": self.used * 1e6 / operations,
                "server_busy": self.used / self.took, "others_busy": self.others / self.took}


class Bench:
    """A run: its subjects, where they run, and what was found."""

    name = ""
    about = ""  # the module's documentation
    all_cases = []
    rivals = ()  # subjects: the best of them is what the ratios are to
    has_starts = False  # whether starts are counted
    has_seconds = True  # whether there is load
    quick_rounds, quick_seconds = 3, 0.3

    def __init__(self, options):
        self.processors = ground.Processors(*(options.cpus or ()))
        self.quick = options.quick
        self.rounds = options.rounds
        self.seconds = options.seconds
        self.starts = options.starts if self.has_starts else 0
        self.cases = [c for c in self.all_cases if not options.case or c.name in options.case]
        self.subjects = self.choose(options.subject)
        self.samples = {(case.name, s.name): [] for case in self.cases for s in self.subjects
                        if s.does(case)}
        self.folder = tempfile.mkdtemp(prefix="kiln-bench-")
        os.chmod(self.folder, 0o755)  # nginx's worker is another user
        self.guard = None

    @classmethod
    def all_subjects(cls):
        raise NotImplementedError

    def choose(self, wanted):
        """The subjects that are wanted, have to do with the cases, and can be measured here."""
        chosen, absent = [], {}
        for subject in self.all_subjects():
            if wanted and subject.name not in wanted or not any(map(subject.does, self.cases)):
                continue
            why = subject.missing()
            if why:
                absent[subject.name] = why
            else:
                chosen.append(subject)
        for name, why in absent.items():
            say(f"without {name}: {why}")
        if not chosen:
            raise Failed("nothing of that can be measured here")
        return chosen

    def prepare(self):
        """What is done once, before anything is measured."""
        for subject in self.subjects:
            progress(f"preparing {subject.name}")
            self.prepare_subject(subject)
            subject.place()
            for netns in subject.netns():
                settle(netns)
        self.guard = ground.Guard()

    def prepare_subject(self, subject):
        pass

    def round(self, number):
        for case in self.cases:
            for subject in turns([s for s in self.subjects if s.does(case)], number):
                progress(f"round {number} of {self.rounds}: {case.name}, {subject.name}")
                self.samples[case.name, subject.name] += self.turn(subject, case, number == 1)

    def turn(self, subject, case, first):
        """Samples (report.py) of a subject in a case."""
        raise NotImplementedError

    def run(self, subject, command, pass_fds=()):
        """Starts a subject, on its processor."""
        with self.processors.on_server(subject.on_both):
            process = subject.start(command, pass_fds)
        return Running(subject, process)

    def meter(self, running):
        return Meter(running, self.processors.server)

    def close(self):
        if self.guard:
            self.guard.close()
        for subject in self.subjects:
            subject.leave()
        shutil.rmtree(self.folder, ignore_errors=True)

    def title(self):
        return (f"{self.rounds} round{'s' * (self.rounds > 1)} of {self.seconds:g} s; server on "
                f"processor {self.processors.server}, client on {self.processors.client}; "
                f"medians, from the least to the greatest")

    def remarks(self):
        """What else a reader has to know."""
        return []

    def curves(self, results):
        """What is drawn as curves: titles, with (size, row) of each case and subject."""
        return []

    def results(self):
        """(case, rows) of all that was measured."""
        for case in self.cases:
            samples = {s.name: self.samples[case.name, s.name] for s in self.subjects
                       if s.does(case)}
            if samples:
                yield case, report.rows(self.name, case, samples, self.rivals)


def turns(running, number):
    """In each round another one begins."""
    first = number % max(1, len(running))
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


def make(*programs):
    """Builds programs of bench/*.c; they are in build/bench."""
    progress("building the benchmark")
    done = subprocess.run(["make", "-s", "-C", ROOT, *(f"build/bench/{p}" for p in programs)],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{', '.join(programs)}: does not build:\n{done.stdout}{done.stderr}")


# ---- the command ----

class Arguments(argparse.ArgumentParser):
    def error(self, message):
        print(f"kiln: {self.prog[5:]}: {message}\nkiln: see {self.prog} --help", file=sys.stderr)
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


def read_arguments(bench, arguments):
    cases = [case.name for case in bench.all_cases]
    subjects = list(dict.fromkeys(subject.name for subject in bench.all_subjects()))
    parser = Arguments(prog=f"kiln bench {bench.name}", allow_abbrev=False,
                       description=bench.about,
                       formatter_class=argparse.RawDescriptionHelpFormatter)
    rounds, seconds = bench.quick_rounds, bench.quick_seconds
    parser.add_argument("--quick", action="store_true",
                        help=f"{rounds} short round{'s' * (rounds > 1)}: under a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("-o", metavar="FILE.svg", dest="plot", help="draw the figures")
    parser.add_argument("--rounds", type=at_least(1, int), help=f"7; with --quick {rounds}")
    if bench.has_seconds:
        parser.add_argument("--seconds", type=at_least(0.1, float),
                            help=f"of load in each: 1; with --quick {seconds}")
    if bench.has_starts:
        parser.add_argument("--starts", type=at_least(1, int),
                            help="in each round, of what is but started: 3; with --quick 2")
    parser.add_argument("--case", action="append", choices=cases,
                        help="only this one (again for several)")
    parser.add_argument("--subject", action="append", choices=subjects, help="likewise")
    parser.add_argument("--cpus", type=pair, metavar="SERVER,CLIENT", help="their processors")
    parser.set_defaults(seconds=None, starts=None)
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (rounds if options.quick else 7)
    options.seconds = options.seconds or (seconds if options.quick else 1.0)
    options.starts = options.starts or (2 if options.quick else 3)
    if options.plot:
        try:
            with open(options.plot, "a", encoding="utf-8"):
                pass
        except OSError as error:
            parser.error(f"cannot write {options.plot}: {error.strerror}")
    return options


def measure(kind, options):
    bench = kind(options)
    try:
        bench.prepare()
        for number in range(1, options.rounds + 1):
            bench.round(number)
    finally:
        progress_end()
        bench.close()
    results = list(bench.results())
    if options.json:
        for _, rows in results:
            for row in rows:
                print(json.dumps(row))
    else:
        report.print_tables(bench.title(), results)
    if options.plot:
        plot.write(options.plot, f"kiln bench {bench.name}", bench.title(), results,
                   bench.curves(results))
    for text in [*report.warnings(results), *bench.remarks()]:
        say(f"warning: {text}")


def main(kind, arguments):
    """The command of a bench; its exit status."""
    options = read_arguments(kind, arguments)
    if not is_root():
        say("a benchmark makes network namespaces: run it as root")
        return 1
    return ground.first_in_line(lambda: run_bench(kind, options))


def run_bench(kind, options):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    try:
        measure(kind, options)
    except KeyboardInterrupt:
        say("interrupted: everything is stopped")
        return 130
    except (Failed, OSError, subprocess.SubprocessError) as error:
        say(str(error))
        return 1
    return 0
