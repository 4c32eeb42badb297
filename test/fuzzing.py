"""The fuzz suite: each target of test/fuzz under libFuzzer, from its committed corpus on.

    kiln test fuzz                      all of them, a minute in all
    kiln test fuzz --time 1h --seed 7
    kiln test fuzz/http --time 10m --grow

A target fails if an input crashes it, breaks what it checks, or hangs it; that input is kept
below build/fuzz, and a command that repeats it is printed. It fails as well if its inputs do
not get to all the places that it names by FUZZ_REACH. With --grow, inputs that reached new
code are added to test/fuzz/corpus, which is kept as small as covers the same code.
"""

import concurrent.futures
import glob
import os
import re
import shutil
import subprocess

import harness
from harness import ROOT
from lab import die_with_parent

SECONDS = 60            # for all targets together, on all processors
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


class Target:
    def __init__(self, name):
        self.name = name
        self.program = f"build/test/fuzz/{name}"
        self.corpus = os.path.join(SOURCES, "corpus", name)
        self.found = os.path.join(FOUND, name)   # what this run adds
        self.process = None
        self.log = ""

    def command(self, *arguments):
        return [os.path.join(ROOT, self.program), f"-timeout={INPUT_SECONDS}",
                "-rss_limit_mb=2048", *arguments]

    def _run(self, command):
        # addr2line finds the lines of a backtrace where LLVM's own program is missing.
        environment = dict(os.environ, ASAN_OPTIONS="allow_addr2line=1",
                           UBSAN_OPTIONS="print_stacktrace=1:allow_addr2line=1")
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, errors="replace",
                                        preexec_fn=die_with_parent)
        self.log = self.process.communicate()[0]
        return self.process.returncode

    def fuzz(self, time, seed):
        shutil.rmtree(self.found, ignore_errors=True)
        os.makedirs(os.path.join(self.found, "corpus"))
        os.makedirs(self.corpus, exist_ok=True)
        dictionary = os.path.join(SOURCES, f"{self.name}.dict")
        return self._run(self.command(
            f"-max_total_time={max(1, round(time))}", f"-seed={seed}",
            f"-artifact_prefix={self.found}/", "-print_final_stats=1",
            *([f"-dict={dictionary}"] if os.path.exists(dictionary) else []),
            os.path.join(self.found, "corpus"), self.corpus))

    def grow(self):
        """The fewest inputs, of the committed ones and those just found, that cover as much:
        edges, not how often each was taken, which would keep ten times as many."""
        least = os.path.join(self.found, "least")
        os.makedirs(least)
        if self._run(self.command("-merge=1", "-use_counters=0", least, self.corpus,
                                  os.path.join(self.found, "corpus"))) != 0:
            raise harness.Failed(f"the corpus cannot be merged:\n{harness.tail(self.log)}")
        shutil.rmtree(self.corpus)
        shutil.move(least, self.corpus)

    def figures(self):
        """"38,210 runs, 912 edges, 140 inputs": what libFuzzer counted."""
        runs = re.findall(r"^Done (\d+) runs", self.log, re.M)
        last = re.findall(r"cov: (\d+) ft: \d+ corp: (\d+)/", self.log)
        if not runs or not last:
            return "no figures"
        return f"{int(runs[-1]):,} runs, {last[-1][0]} edges, {last[-1][1]} inputs"

    def missed(self):
        """The places that should be reached, and were not."""
        return re.findall(r"^reached: 0 (.*)$", self.log, re.M)

    def failure(self):
        """What went wrong, and how to see it again."""
        said = re.findall(r"^.*(?:does not hold|runtime error|SUMMARY: ).*$", self.log, re.M)
        inputs = re.findall(r"Test unit written to (\S+)", self.log)
        text = said[0] if said else f"ended with {harness.describe(self.process.returncode)}"
        if inputs:
            path = os.path.relpath(inputs[-1], ROOT)
            text += f"\nthe input is kept in {path}; to repeat it: {self.program} {path}"
        return text


def judge(results, target, status):
    name = f"fuzz/{target.name}"
    if status != 0:
        results.fail(name, target.failure(), harness.tail(target.log))
    elif target.missed():
        results.fail(name, "its inputs do not reach: " + "; ".join(target.missed()))
    else:
        results.ok(f"{name}: nothing found")
    print(f"# {name}: {target.figures()}", flush=True)


def check_size(results):
    files = glob.glob(os.path.join(SOURCES, "corpus/*/*"))
    size = sum(os.path.getsize(path) for path in files)
    name = f"fuzz: the corpora are below {CORPORA_MOST:,} bytes"
    if size < CORPORA_MOST:
        results.ok(name)
    else:
        results.fail(name, f"{len(files)} inputs of {size:,} bytes")


def run(results, make, only, options):
    """`make` builds; `options` are those of kiln test."""
    sources = sorted(glob.glob(os.path.join(SOURCES, f"{only or '*'}.c")))
    targets = [Target(os.path.basename(source)[:-2]) for source in sources]
    built, output = make("-k", *(target.program for target in targets))
    workers = os.cpu_count() or 1
    time = (options.time or SECONDS) / max(1, -(-len(targets) // workers))
    print(f"# fuzz: {time:.0f} s each, seed {options.seed}", flush=True)
    ready = []
    for target in targets:
        if built or make("-q", target.program)[0]:
            ready.append(target)
        else:
            results.fail(f"fuzz/{target.name}", "does not build", harness.tail(output))
    pool = concurrent.futures.ThreadPoolExecutor(workers)
    try:
        for target, status in zip(ready, pool.map(
                lambda target: target.fuzz(time, options.seed), ready)):
            judge(results, target, status)
            if options.grow and status == 0:
                target.grow()
    finally:
        for target in ready:
            if target.process and target.process.poll() is None:
                target.process.kill()
        pool.shutdown(cancel_futures=True)
    check_size(results)
