"""kiln bench boot: how fast images start, and tasks, switches and timers.

first-byte   from exec to the first byte of a page: the web servers of kiln bench web
hello        from exec to exit: appliance/hello, beside a program that writes a line too and is
             linked statically (bench/hello.c, with musl). The program that starts and awaits it
             is on the same processor
task-create  a task started and ended; ten million of them (the thread benchmark of the Mirage
             paper, ASPLOS 2013). pthread: a thread created and joined; fewer of them
task-switch  from one task to the next, by way of the loop. pthread: from one thread to another that
             it wakes by a semaphore
timer        set, and cancelled. pthread: timer_settime(2), twice

What is in the figures:

p50_us         for what is started: the time that it took
ops_per_s      (ops_unit) of the others, so many were made in a second
cpu_us_per_op  for what is started: user and system, until then; the others' time, as nothing else
               runs on their processor but for what the kernel has to do there
cycles_per_op  that in cycles of the time stamp counter
ratio          the time of the best rival (ratio_to) to this subject's, the median over the rounds
"""

import os
import subprocess

import report
import rounds
import servers
import web
from lab import KILN, ROOT, TIED, Failed, kvm_serves, run

BUILT = os.path.join(ROOT, "build/bench")
HELLOS = 10  # for each start of a server


class Hello(rounds.Case):
    compared = "p50_us"
    unit = report.STARTS

    def __init__(self):
        super().__init__("hello", "from exec to exit, one line written")

    def samples(self, bench, subject):
        out = bench.output(os.path.join(BUILT, "starts"), HELLOS * bench.starts,
                           *subject.command(self))
        for line in out.splitlines():
            took, used = map(int, line.split())
            yield {"p50_us": took / 1e3, "cpu_us_per_op": used / 1e3}


class Count(rounds.Case):
    """So many of something. The kernel's are slower, and a part of it suffices."""

    def __init__(self, name, title, units, unit, count, kernel_part):
        super().__init__(name, title)
        self.count = count
        self.kernel_part = kernel_part
        self.unit = report.Unit(units, unit, "ns", 1e3, f"1000 {units}/s", 1e3)

    def samples(self, bench, subject):
        out = bench.output(*subject.command(self, 0.1 if bench.quick else 1.0))
        found = {name: int(value) for name, value in map(str.split, out.splitlines())}
        yield {"ops_per_s": found["count"] / found["ns"] * 1e9,
               "cpu_us_per_op": found["ns"] / found["count"] / 1e3,
               "cycles_per_op": found["cycles"] / found["count"]}


COUNTS = {"task-create": "create", "task-switch": "switch", "timer": "timer"}


class Program(rounds.Subject):
    """A program that is run to its end."""

    def prepare(self, site):
        """What is done once, before anything is measured."""

    def command(self, case, share=1.0):
        """What to run; `share` of the count, where there is one."""
        raise NotImplementedError


class HelloImage(Program):
    cases = ("hello",)

    def __init__(self, name, target, monitor):
        super().__init__(name)
        self.target = target
        self.monitor = os.path.join(ROOT, "build/bin", monitor)
        self.image = os.path.join(BUILT, f"hello.{target}")

    def missing(self):
        if self.target == "vm" and not kvm_serves():
            return "/dev/kvm does not open here"
        return None

    def prepare(self, site):
        run(KILN, "build", os.path.join(ROOT, "appliance/hello"), "-t", self.target, "-o",
            self.image, timeout=600)

    def command(self, case, share=1.0):
        return [self.monitor, self.image]


class StaticBinary(Program):
    cases = ("hello",)

    def prepare(self, site):
        rounds.make("hello")

    def command(self, case, share=1.0):
        return [os.path.join(BUILT, "hello")]


class Tasks(Program):
    cases = tuple(COUNTS)
    image = os.path.join(BUILT, "tasks.host")

    def prepare(self, site):
        run(KILN, "build", os.path.join(ROOT, "bench/image/tasks"), "-t", "host", "-o", self.image,
            timeout=600)

    def command(self, case, share=1.0):
        return [self.image, "--what", COUNTS[case.name], "--count", int(case.count * share)]


class Threads(Program):
    cases = tuple(COUNTS)

    def prepare(self, site):
        rounds.make("threads")

    def command(self, case, share=1.0):
        return [os.path.join(BUILT, "threads"), COUNTS[case.name],
                int(case.count * case.kernel_part * share)]


class Boot(web.Served):
    name = "boot"
    about = __doc__
    all_cases = [
        web.FIRST_BYTE,
        Hello(),
        Count("task-create", "a task started and ended", "tasks", "task", 10_000_000, 1 / 500),
        Count("task-switch", "from one task to the next", "switches", "switch", 10_000_000, 1 / 50),
        Count("timer", "a timer set and cancelled", "timers", "timer", 10_000_000, 1 / 10),
    ]
    rivals = web.Web.rivals + ("static-binary", "pthread")
    has_starts = True
    has_seconds = False

    @classmethod
    def all_subjects(cls):
        served = servers.web_servers()
        for subject in served:
            subject.cases = (web.FIRST_BYTE.name,)
        return served + [HelloImage("kiln-jail", "jail", "kiln-jail"),
                         HelloImage("kiln-kvm", "vm", "kiln-kvm"),
                         StaticBinary("static-binary"), Tasks("kiln-host"), Threads("pthread")]

    def prepare(self):
        rounds.make("starts")
        super().prepare()

    def title(self):
        return (f"{self.rounds} round{'s' * (self.rounds > 1)}, on processor "
                f"{self.processors.server}; medians, from the least to the greatest")

    def output(self, *command):
        """What a program prints, that runs on the server's processor."""
        with self.processors.on_server():
            done = subprocess.run([*TIED, *map(str, command)], capture_output=True, text=True,
                                  check=False)
        if done.returncode:
            raise Failed(f"{' '.join(map(str, command))}: status {done.returncode}\n"
                         f"{done.stdout}{done.stderr}")
        return done.stdout

    def turn(self, subject, case, first):
        if case is web.FIRST_BYTE:
            return list(self.first_bytes(subject, self.starts))
        return list(case.samples(self, subject))


def main(arguments):
    return rounds.main(Boot, arguments)
