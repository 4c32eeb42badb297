"""Where a benchmark runs servers: processors, processes, and what they use.

One processor is the server's and one the client's. The benchmark itself stays on the client's
and sleeps while something is measured. What else runs on the machine comes after both.
"""

import contextlib
import os
import re
import signal
import time

from lab import CLONE_NEWPID, Failed, Process, call, die_with_parent


PRIORITY = -20


def first_in_line(work):
    """Calls work in a process that comes before what else this machine does, with all that it
    starts, so that less of that is measured; the status that it returns.

    Where the kernel schedules by sessions (sched(7), autogroup), a nice value counts within one
    only, and so it takes a session of its own, whose value is set. The terminal's Ctrl-C does not
    reach it there: this process passes it on.
    """
    pid = os.fork()
    if pid == 0:
        die_with_parent()
        os.setsid()
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
        with contextlib.suppress(OSError), open("/proc/self/autogroup", "w") as group:
            group.write(str(PRIORITY))
        return work()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: os.kill(pid, number))
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return status if status >= 0 else 128 - status


class Processors:
    """One for the server under test, one for its client; this process moves to the latter."""

    def __init__(self, server=None, client=None):
        allowed = sorted(os.sched_getaffinity(0))
        if server is None:
            if len(allowed) < 2:
                raise Failed("a benchmark needs two processors: one for the server and one for "
                             "the client")
            client, server = allowed[0], allowed[1]
        for processor in (server, client):
            if processor not in allowed:
                raise Failed(f"processor {processor} is not there, or not ours to use: it is one "
                             f"of {', '.join(map(str, allowed))}")
        self.server, self.client = server, client
        os.sched_setaffinity(0, {client})

    @contextlib.contextmanager
    def on_server(self, client_too=False):
        """What is started inside runs on the server's, or on both."""
        os.sched_setaffinity(0, {self.server} | ({self.client} if client_too else set()))
        try:
            yield
        finally:
            os.sched_setaffinity(0, {self.client})


class Guard:
    """A process namespace for everything that is started from here on: nothing in it outlives
    this process, not even what a killed server had forked."""

    def __init__(self):
        call("unshare", CLONE_NEWPID)
        self.pid = os.fork()  # the namespace's first process, whose end is the end of all
        if self.pid == 0:
            try:
                die_with_parent()
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                signal.signal(signal.SIGCHLD, signal.SIG_IGN)
                while True:
                    signal.pause()
            finally:
                os._exit(1)

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        Process.kill_all()
        # It ends once nothing in it is left, not even a child of this process's to wait for.
        while os.wait()[0] != self.pid:
            pass


def family(pid):
    """The process and all its descendants."""
    found = [pid]
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as children:
            for child in children.read().split():
                found += family(int(child))
    return found


def cpu_ns(pid):
    """What the scheduler has charged to a process: all its threads, also those that ended, user
    and system (and guest), to the nanosecond.

    This is its CPU-time clock, clock_getcpuclockid(3). The ticks of /proc/PID/stat are made from
    the same figure, but cut to 10 ms.
    """
    return time.clock_gettime_ns((~pid << 3) | 2)


def resident_kb(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))


def proportional_kb(pid):
    """Resident, of a page that several processes have a share."""
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        return int(re.search(r"Pss:\s+(\d+)", rollup.read()).group(1))


def processors_of(pid):
    """Those that any of a process's threads may run on."""
    allowed = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        allowed |= os.sched_getaffinity(int(task))
    return allowed


def pin(pids, processor):
    """Moves processes to a processor, with all their threads: some leave that where they were
    started."""
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(task), {processor})


def idle_seconds(processor):
    """How long a processor has been idle."""
    with open("/proc/stat") as stat:
        fields = re.search(rf"^cpu{processor} (.*)$", stat.read(), re.M).group(1).split()
    return (int(fields[3]) + int(fields[4])) / os.sysconf("SC_CLK_TCK")


def soft_interrupt_pid(processor):
    """The kernel's thread for what its interrupts leave to do; None where it is not to be seen,
    as in a container."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/comm") as comm:
                if comm.read().strip() == f"ksoftirqd/{processor}":
                    return int(entry)
    return None
