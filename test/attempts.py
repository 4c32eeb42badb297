"""Tables of attempts on the seal, and how they are made.

A table is a text file. "= sentence" begins a group, which becomes one test of that name; each
further line is an attempt: what it would be, how it is made, and how it must end, with " | "
between them. "#" begins a comment. How is in the words of test/image/attack.h; $NAME in it
stands for the number of a system call.

How it must end is one of these, or several with "/" between them:

    SIGSYS, SIGSEGV, ...   the signal that ends the image
    fault                  one of a fault's signals; of a guest: a report of its fault
    held                   the image goes on, and nothing has happened
    returned N             the image goes on: it is told that number, and nothing has happened
    "sentence"             the monitor ends the image with that sentence
"""

import os
import re
import signal
import subprocess
import sys

from harness import ROOT, Failed, check, run

FAULTS = {"SIGSEGV", "SIGILL", "SIGTRAP", "SIGBUS"}
CALL_NUMBERS = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
NEWER_CALLS = {"map_shadow_stack": 453, "mseal": 462}  # than Debian 12's header

TRIES = 5
IN_USE = ("in use by another process", "another process has its queue")  # of the monitor

# How kiln run tells of an end.
REFUSED = "crashed: its filter refused the system call"
CRASHED = " crashed: "


def call_numbers():
    """The kernel's numbers of system calls by name."""
    with open(CALL_NUMBERS) as lines:
        known = re.findall(r"#define __NR_(\w+) (\d+)", lines.read())
    return {**NEWER_CALLS, **{name: int(number) for name, number in known}}


# getpid() by int 0x80, whose number is 20 there.
INT80 = """
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes.fromhex("53 b8 14000000 cd80 5b c3"))
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
"""


def has_int80():
    """Whether this kernel has the entry of 32-bit programs; without, it is a fault."""
    return run(sys.executable, "-c", INT80, check_status=False).returncode == 0


class Attempt:
    def __init__(self, what, how, end):
        self.what, self.how = what, how
        self.ends = [one.strip() for one in end.split("/")]

    def ends_image(self):
        return not any(end == "held" or end.startswith("returned ") for end in self.ends)


class Outcome:
    """What became of an attacking image. `status` as subprocess has it; None: it did not end."""

    def __init__(self, status, output):
        self.status, self.output = status, output
        self.survived = "survived" in output
        self.signal = signal.Signals(-status).name if status and status < 0 else ""

    def __str__(self):
        if self.status is None:
            return "did not end"
        return f"{self.signal or f'status {self.status}'} {self.output.strip()[-300:]!r}"

    def is_(self, end):
        if end == "held":
            return self.status == 0 and self.survived and "returned" not in self.output
        if end.startswith("returned "):
            return self.status == 0 and self.survived and f"{end}\n" in self.output
        if self.survived:
            return False
        if end.startswith('"'):
            return self.status == 1 and end.strip('"') in self.output
        if end == "fault":
            return self.signal in FAULTS or (
                self.status == 1 and (" fault" in self.output or CRASHED in self.output))
        return self.signal == end

    def is_told(self, end):
        """The same, by what kiln run says of it."""
        if self.status != 1 or self.survived:
            return False
        if end.startswith('"'):
            return end.strip('"') in self.output
        return (REFUSED if end == "SIGSYS" else CRASHED) in self.output


def outcome_of(command, timeout=60, **options):
    """Where the attempt before this one has the interface still, it is made again: on a busy
    machine the kernel takes a ring apart seconds after its process has ended."""
    for _ in range(TRIES):
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=timeout, check=False,
                                  **options)
        except subprocess.TimeoutExpired as late:
            return Outcome(None, (late.stdout or b"").decode(errors="replace"))
        outcome = Outcome(done.returncode, done.stdout.decode(errors="replace"))
        if not any(text in outcome.output for text in IN_USE):
            break
    return outcome


def read_table(path):
    """The groups of a table: a list of (title, attempts)."""
    numbers = call_numbers()
    groups = []
    with open(os.path.join(ROOT, path)) as lines:
        for number, line in enumerate(lines, 1):
            line = line.split("#", 1)[0].strip()
            if line.startswith("= "):
                groups.append((line[2:], []))
            elif line:
                parts = [part.strip() for part in line.split(" | ")]
                check(len(parts) == 3, f"{path}:{number}: not three parts")
                parts[1] = re.sub(r"\$(\w+)", lambda m: str(numbers[m[1]]), parts[1])
                groups[-1][1].append(Attempt(*parts))
    return groups


def make(attempts, start, told=False):
    """Makes each attempt by start(how), which returns its Outcome; names all that failed.
    `told`: by kiln run, of which it must be told how it ended."""
    wrong = []
    for attempt in attempts:
        outcome = start(attempt.how)
        right = outcome.is_told if told else outcome.is_
        if not any(right(end) for end in attempt.ends):
            wrong.append(f"{attempt.what} ({attempt.how}): {outcome}, not "
                         f"{' or '.join(attempt.ends)}")
    if wrong:
        raise Failed("\n".join([f"{len(wrong)} of {len(attempts)}:"] + wrong))


def sample(path, each=8):
    """Some attempts of each group, of those that end the image; all that are to mislead whoever
    reports it."""
    chosen = []
    for title, attempts in read_table(path):
        if not title.startswith("QEMU: "):
            chosen += attempts if "mislead" in title else attempts[::each]
    return [attempt for attempt in chosen if attempt.ends_image()]


def add_tests(module, path, test):
    """Gives a suite's module a test for each group of the table, which test(attempts) makes."""
    for index, (title, attempts) in enumerate(read_table(path)):
        def function(_, attempts=attempts):
            test(attempts)
        function.__doc__ = f"{title} ({len(attempts)} attempts)"
        name = os.path.basename(path).removesuffix("attempts") + str(index)
        module[f"test_table_{name}"] = function
