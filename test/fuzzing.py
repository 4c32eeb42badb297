"""The fuzz suite: each target of test/fuzz under libFuzzer, from its committed corpus on.

    kiln test fuzz                      all of them, 40 seconds in all
    kiln test fuzz --time 1h --seed 7
    kiln test fuzz/http --time 10m --grow

A target fails if an input crashes it, breaks what it checks, or hangs it; that input is kept
below build/fuzz, and a command that repeats it is printed. It fails as well if its inputs do
not get to all the places that it names by FUZZ_REACH. With --grow, inputs that reached new
code are added to test/fuzz/corpus, which is kept as small as covers the same code.
"""

import glob
import os
import re
import shutil
import subprocess

import harness
import jobs
from harness import ROOT

SECONDS = 40            # for all targets together, on all processors
INPUT_SECONDS = 10      # a single input that takes longer hangs
CORPORA_MOST = 200_000  # bytes, of all that is committed
SOURCES = os.path.join(ROOT, "test/fuzz")
FOUND = os.path.join(ROOT, "build/fuzz")


def seconds(text):
    """"90", "30s", "10m", "1h"."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not match or float(match[1]) == 0:
        raise ValueError
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


class Target(jobs.Job):
    # addr2line finds the lines of a backtrace where LLVM's own program is missing.
    environment = {"ASAN_OPTIONS": "allow_addr2line=1",
                   "UBSAN_OPTIONS": "print_stacktrace=1:allow_addr2line=1"}

    def __init__(self, name, time, options):
        self.program = f"build/test/fuzz/{name}"
        self.corpus = os.path.join(SOURCES, "corpus", name)
        self.found = os.path.join(FOUND, name)   # what this run adds
        self.options = options
        dictionary = os.path.join(SOURCES, f"{name}.dict")
        super().__init__("fuzz", f"fuzz/{name}", self.arguments(
            f"-max_total_time={max(1, round(time))}", f"-seed={options.seed}",
            f"-artifact_prefix={self.found}/", "-print_final_stats=1",
            *([f"-dict={dictionary}"] if os.path.exists(dictionary) else []),
            os.path.join(self.found, "corpus"), self.corpus))
        self.doing = f"fuzzing {name} for {time:.0f} s, seed {options.seed}"

    def arguments(self, *arguments):
        return [os.path.join(ROOT, self.program), f"-timeout={INPUT_SECONDS}",
                "-rss_limit_mb=2048", *arguments]

    def start(self):
        shutil.rmtree(self.found, ignore_errors=True)
        os.makedirs(os.path.join(self.found, "corpus"))
        os.makedirs(self.corpus, exist_ok=True)
        super().start()

    def grow(self):
        """The fewest inputs, of the committed ones and those just found, that cover as much:
        edges, not how often each was taken, which would keep ten times as many."""
        least = os.path.join(self.found, "least")
        os.makedirs(least)
        merged = subprocess.run(
            self.arguments("-merge=1", "-use_counters=0", least, self.corpus,
                           os.path.join(self.found, "corpus")),
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace")
        if merged.returncode:
            raise harness.Failed(f"the corpus cannot be merged:\n{harness.tail(merged.stdout)}")
        shutil.rmtree(self.corpus)
        shutil.move(least, self.corpus)

    def figures(self):
        """"38,210 runs, 912 edges, 140 inputs": what libFuzzer counted."""
        runs = re.findall(r"^Done (\d+) runs", self.output, re.M)
        last = re.findall(r"cov: (\d+) ft: \d+ corp: (\d+)/", self.output)
        if not runs or not last:
            return "no figures"
        return f"{int(runs[-1]):,} runs, {last[-1][0]} edges, {last[-1][1]} inputs"

    def missed(self):
        """The places that should be reached, and were not."""
        return re.findall(r"^reached: 0 (.*)$", self.output, re.M)

    def failure(self):
        """What went wrong, and how to see it again."""
        said = re.findall(r"^.*(?:does not hold|runtime error|SUMMARY: ).*$", self.output, re.M)
        inputs = re.findall(r"Test unit written to (\S+)", self.output)
        text = said[0] if said else f"ended with {harness.describe(self.status)}"
        if inputs:
            path = os.path.relpath(inputs[-1], ROOT)
            text += f"\nthe input is kept in {path}; to repeat it: {self.program} {path}"
        return text


    def judge(self, results):
        if self.status != 0:
            results.fail(self.name, self.failure(), harness.tail(self.output))
        elif self.missed():
            results.fail(self.name, "its inputs do not reach: " + "; ".join(self.missed()))
        else:
            results.ok(f"{self.name}: nothing found")
        results.note(f"# {self.name}: {self.figures()}")
        if self.options.grow and self.status == 0:
            self.grow()


class Size(jobs.Job):
    """Looks at the size of what is committed once the others, which may grow it, are judged."""

    def __init__(self):
        super().__init__("fuzz", "fuzz/size", ["true"])

    def judge(self, results):
        files = glob.glob(os.path.join(SOURCES, "corpus/*/*"))
        size = sum(os.path.getsize(path) for path in files)
        name = f"fuzz: the corpora are below {CORPORA_MOST:,} bytes"
        if size < CORPORA_MOST:
            results.ok(name)
        else:
            results.fail(name, f"{len(files)} inputs of {size:,} bytes")


def targets(sources, options):
    """A job for each of the (name, path)."""
    time = (options.time or SECONDS) / max(1, -(-len(sources) // jobs.PROCESSORS))
    return [Target(name, time, options) for name, _ in sources]
