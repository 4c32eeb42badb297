"""What the suites written in Python share: tests and their results.

A suite is a module with functions named test_*; each takes the suite's context and returns
if all is well, raises Failed (or any exception) if not, and Skip if it cannot be run here.
The name of a test is its docstring's first line: the sentence that it proves.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "tool"))

from lab import (ADDRESS, CLIENT, KILN, LOGS, ROOT, TAP, TIED, WORK, Failed,  # noqa: E402,F401
                 Netns, Process, describe, ip, is_root, join, kvm_serves, make_site,
                 progress, progress_end, run, wait_for)

# What is made of appliances on the way to their images.
STATE = os.environ.get("KILN_STATE") or os.path.join(ROOT, "build/appliance")
# What a job prints before what it does: for people, and no part of its results (jobs.py).
DOING = "# doing: "


class Skip(Exception):
    """A test cannot be run here; the text says why."""


def check(condition, message):
    if not condition:
        raise Failed(message)


def check_equal(got, expected, what):
    if got != expected:
        raise Failed(f"{what}: got {got!r}, expected {expected!r}")


def need_root():
    if not is_root():
        raise Skip("not root")


class Results:
    """Counts, and prints a TAP line for each test."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def _line(self, ok, name, directive=""):
        progress_end()
        number = self.passed + self.failed + self.skipped
        print(f"{'ok' if ok else 'not ok'} {number} - {name}{directive}", flush=True)

    def ok(self, name):
        self.passed += 1
        self._line(True, name)

    def skip(self, name, why):
        self.skipped += 1
        self._line(True, name, f" # SKIP {why}")

    def fail(self, name, message="", log=""):
        self.failed += 1
        self._line(False, name)
        for line in (message + "\n" + log).rstrip().splitlines():
            self.note(f"#   {line}")

    def note(self, line):
        progress_end()
        print(line, flush=True)

    def end(self):
        """The plan, and the count."""
        print(f"1..{self.passed + self.failed + self.skipped}")
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped", flush=True)


def tail(text, lines=60):
    kept = text.rstrip().splitlines()
    return "\n".join(kept[-lines:])


def run_tests(results, prefix, module, context):
    """Runs the test functions of a module, in the order in which they are written. One with
    an attribute `worlds` is about these worlds alone."""
    for name, function in list(vars(module).items()):
        if not name.startswith("test_") or not callable(function):
            continue
        if context and context.name not in getattr(function, "worlds", [context.name]):
            continue
        title = f"{prefix}: {(function.__doc__ or name).strip().splitlines()[0].rstrip('.')}"
        run_one(results, title, lambda f=function: f(context))


def run_one(results, title, function):
    before = set(Process.running)
    progress(f"running {title}")
    try:
        function()
        results.ok(title)
    except Skip as why:
        results.skip(title, str(why))
    except Exception as error:  # a broken test is a failed one
        message = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
        logs = "".join(f"--- {p.log}\n{tail(p.text())}\n" for p in Process.running)
        results.fail(title, message, logs)
    finally:
        for process in set(Process.running) - before:
            process.kill()
