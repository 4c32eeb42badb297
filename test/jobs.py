"""Runs what the suites consist of, several things at a time, and prints what was found as if one
had run after the other.

Some jobs compute: as many run as there are processors. The others wait for most of the time,
for what they have started or for an answer: they run beside those, and go first where both want
a processor. So none is idle, and what has a deadline does not have to share.

A job is a process that prints TAP: a test program, or the tests of one module (in one world),
which run.py runs in a process of its own, with a folder of its own to work in.
"""

import codecs
import collections
import os
import selectors
import signal
import subprocess
import time

import harness
from harness import ROOT
from lab import TIED

PATIENCE = 10  # seconds for a job to end what it has started
PROCESSORS = os.cpu_count() or 1
WAIT_AT_ONCE = PROCESSORS  # jobs that do not compute
LOWER = ("nice", "-n", "5")  # in front of the command of one that does


class Job:
    """A process, and what is done with its output."""

    seconds = None     # after which it is killed
    alone = False      # it measures time: nothing runs beside it
    early = False      # it is long, and begun before others, which fill the time until the end
    computes = True
    environment = {}   # beyond that of this process

    def __init__(self, suite, name, command):
        self.suite = suite
        self.name = name
        self.command = command
        self.process = None
        self.status = None   # of its end
        self.late = False    # and so killed
        self.took = self.processor = 0.0
        self.output = ""
        self.decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self.doing = f"running {name}"

    def start(self):
        self.began = time.monotonic()
        lower = LOWER if self.computes and not self.alone else ()
        self.process = subprocess.Popen([*TIED, *lower, *self.command], cwd=ROOT,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT,
                                        env=dict(os.environ, **self.environment))
        os.set_blocking(self.process.stdout.fileno(), False)

    def read(self):
        """Takes what it has printed; False at the end."""
        data = self.process.stdout.read()
        if data is None:
            return True
        self.output += self.decoder.decode(data)
        return bool(data)

    def end(self):
        """Takes its status."""
        _, status, used = os.wait4(self.process.pid, 0)
        self.process.stdout.close()
        self.status = self.process.returncode = os.waitstatus_to_exitcode(status)
        self.took = time.monotonic() - self.began
        self.processor = used.ru_utime + used.ru_stime

    def stop(self, number):
        if self.process and self.status is None:
            self.process.send_signal(number)

    def show(self, results):
        """Its output so far; called again when there is more, but for the last time once it
        has ended."""
        if self.status is not None:
            self.judge(results)

    def judge(self, results):
        """What its whole output says."""
        raise NotImplementedError


class Program(Job):
    """A test program (cmocka's)."""

    seconds = 300
    early = True  # not long, but the first to be shown
    environment = {"CMOCKA_MESSAGE_OUTPUT": "TAP"}

    def __init__(self, suite, name, program):
        super().__init__(suite, name, [os.path.join(ROOT, program)])
        self.program = program

    def judge(self, results):
        if self.late:
            results.fail(self.name, f"did not end within {self.seconds} s",
                         harness.tail(self.output))
            return
        failed_before = results.failed
        planned = [line for line in self.output.splitlines() if line.startswith("1..")]
        seen = self.pass_on(results)
        if self.status and results.failed == failed_before:
            results.fail(self.name, f"ended with {harness.describe(self.status)}",
                         harness.tail(self.output))
        elif sum(int(line[3:].split()[0]) for line in planned) != seen or not seen:
            results.fail(self.name, f"planned {planned}, saw {seen} results",
                         harness.tail(self.output))

    def pass_on(self, results):
        """How many results there were."""
        seen = 0
        for line in self.output.splitlines():
            words = line.split(" ", 2)
            if line.startswith("ok "):
                rest = words[2] if len(words) > 2 else ""
                name, _, directive = rest.partition("#")
                if directive.strip().upper().startswith("SKIP"):
                    why = directive.strip()[4:].strip()
                    results.skip(f"{self.name}: {name.strip(' -') or why}", why)
                else:
                    results.ok(f"{self.name}: {name.strip(' -')}")
                seen += 1
            elif line.startswith("not ok "):
                name = line.split(" ", 3)[3] if line.count(" ") > 2 else line
                results.fail(f"{self.name}: {name.strip(' -')}", "", harness.tail(self.output))
                seen += 1
        return seen


class Module(Job):
    """Tests of Python's, whose results are shown as they come."""

    def __init__(self, suite, name, command):
        super().__init__(suite, name, command)
        work = os.path.join(harness.WORK, "work", name.replace("/", "-"))
        os.makedirs(work, exist_ok=True)
        self.environment = {"KILN_TEST_WORK": work,
                            "KILN_STATE": os.path.join(work, "appliance")}
        self.shown = self.seen = 0  # lines of the output, results among them

    def read(self):
        going_on = super().read()
        doing = [line for line in self.output.splitlines() if line.startswith(harness.DOING)]
        if doing:
            self.doing = doing[-1][len(harness.DOING):]
        return going_on

    def show(self, results):
        lines = self.output.split("\n")[:-1]
        for line in lines[self.shown:]:
            self.pass_on(results, line)
        self.shown = len(lines)
        super().show(results)

    def pass_on(self, results, line):
        kind, _, name = line.partition(" - ")
        self.seen += kind.startswith(("ok ", "not ok "))
        if kind.startswith("ok "):
            name, _, why = name.partition(" # SKIP ")
            if why:
                results.skip(name, why)
            else:
                results.ok(name)
        elif kind.startswith("not ok "):
            results.fail(name)
        elif line.startswith("#") and not line.startswith(harness.DOING):
            results.note(line)

    def judge(self, results):
        if f"\n1..{self.seen}\n" not in self.output:
            said = [line for line in self.output.splitlines()
                    if not line.startswith(harness.DOING)]
            results.fail(self.name, f"ended with {harness.describe(self.status)}",
                         harness.tail("\n".join(said)))
        results.note(spent(self.name, self.took, self.processor))


def spent(name, took, processor):
    return f"# {name}: {took:.1f} s, {processor:.1f} s of a processor"


class Runner:
    def __init__(self, results, jobs):
        self.results = results
        self.jobs = jobs                         # in the order in which they are shown
        # Those that run alone do so before there are others to wait for.
        self.waiting = sorted(jobs, key=lambda job: (not job.alone, not job.early))
        self.running = []
        self.shown = 0                           # jobs that have been, to their end
        self.selector = selectors.DefaultSelector()
        self.took = collections.Counter()        # by suite
        self.processor = collections.Counter()

    def run(self):
        try:
            while self.waiting or self.running:
                self.start_some()
                self.take_some()
                self.show_some()
        finally:
            self.stop_all()

    def start_some(self):
        for job in list(self.waiting):
            if self.running and (job.alone or self.running[0].alone):
                return
            if not self.has_room(job):
                continue
            self.waiting.remove(job)
            job.start()
            self.running.append(job)
            self.selector.register(job.process.stdout, selectors.EVENT_READ, job)

    def has_room(self, job):
        alike = sum(other.computes == job.computes for other in self.running)
        return alike < (PROCESSORS if job.computes else WAIT_AT_ONCE)

    def take_some(self):
        harness.progress("; ".join(job.doing for job in self.running))
        for key, _ in self.selector.select(1):
            if not key.data.read():
                self.selector.unregister(key.fileobj)
                key.data.end()
                self.running.remove(key.data)
        for job in self.running:
            if job.seconds and time.monotonic() > job.began + job.seconds:
                job.late = True
                job.stop(signal.SIGKILL)

    def show_some(self):
        while self.shown < len(self.jobs) and self.jobs[self.shown].process:
            job = self.jobs[self.shown]
            job.show(self.results)
            if job.status is None:
                return
            self.shown += 1
            self.took[job.suite] += job.took
            self.processor[job.suite] += job.processor
            if all(other.suite != job.suite for other in self.jobs[self.shown:]):
                self.results.note(spent(job.suite, self.took[job.suite],
                                        self.processor[job.suite]))

    def stop_all(self):
        """Each ends what it has started."""
        for job in self.running:
            job.stop(signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        for job in self.running:
            while job.process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            job.stop(signal.SIGKILL)
