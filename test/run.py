#!/usr/bin/python3
"""Builds and runs the suites: kiln test [SUITE...]. Prints TAP; the last line, alone, counts.

    unit         each library on the host, with AddressSanitizer and UBSan
    conformance  whole stacks over a simulated network
    door         a stack behind BSD sockets, as drivers of other suites see it
    proof        what parses bytes from outside, under Frama-C's Eva: see test/proving.py
    fuzz         what reads bytes from outside, under libFuzzer: see test/fuzzing.py
    tool         the kiln command: messages, exit codes, builds
    seal         every appliance as a sealed image: sizes, seal, what is linked in
    jail         what the jail holds against an image that tries
    vm           what holds an image in ring 3, on KVM and QEMU
    e2e          appliances against Linux's own stack, on host, jail, KVM and QEMU
    net          Kiln's stack against Linux's in both roles, by IPv4 and IPv6, over bad links
    dns          appliance/dns beside BIND, NSD and Knot: the same answers, and transfers

A suite can be narrowed to one of its files, e2e/web, and e2e to one world, e2e/web@jail; the
worlds of net are ip4 and ip6.
Programs and modules run beside each other (jobs.py); the time told of a suite is that of all
its jobs, added up.
"""

import argparse
import glob
import importlib.util
import os
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import fuzzing  # noqa: E402
import harness  # noqa: E402
import jobs  # noqa: E402
import proving  # noqa: E402
from harness import ROOT, Process, Results  # noqa: E402

SUITES = ["unit", "conformance", "door", "proof", "fuzz", "tool", "seal", "jail", "vm",
          "e2e", "net", "dns"]
PROGRAMS = ["unit", "conformance", "door"]  # the others are written in Python
WAIT = ["jail", "e2e", "net", "dns"]  # for most of the time: they do not compute


def make(*goals):
    """Whether it went well, and what was printed."""
    done = subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "-C", ROOT, *goals],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    return done.returncode == 0, done.stdout


def only_built(results, found):
    """Builds the jobs' programs; without those that do not build."""
    if found:
        harness.progress(f"building test/{found[0].suite}")
    built, output = make("-k", *(job.program for job in found)) if found else (True, "")
    ready = []
    for job in found:
        if built or make("-q", job.program)[0]:
            ready.append(job)
        else:
            results.fail(job.name, "does not build", harness.tail(output))
    return ready


def sources(suite, only, ending):
    """(name, path) of the suite's files."""
    paths = sorted(glob.glob(os.path.join(ROOT, f"test/{suite}/{only or '*'}{ending}")))
    return [(os.path.basename(path)[:-len(ending)], path) for path in paths]


def load(path):
    name = os.path.basename(path)[:-3]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def module_jobs(results, suite, only, only_world):
    """test/SUITE/*.py. Those of e2e and net run once in each world of theirs. A module with a
    true ALONE measures time; one with a true LONG takes several times as long as most."""
    for name, path in sources(suite, only, ".py"):
        try:
            module = load(path)
            worlds = [world.name for world in getattr(module, "WORLDS", [])]
        except Exception as error:
            results.fail(f"{suite}/{name}", f"cannot be loaded: {error}")
            continue
        for world in worlds or [""]:
            if only_world and world and world != only_world:
                continue
            title = f"{suite}/{name}@{world}" if world else f"{suite}/{name}"
            job = jobs.Module(suite, title, [sys.executable, __file__, "--job", title])
            job.alone = getattr(module, "ALONE", False)
            job.early = getattr(module, "LONG", False)
            job.computes = suite not in WAIT
            yield job


def run_job(text):
    """In a process of its own, for jobs.Module: the tests of a module, in one world."""
    path, _, only_world = text.partition("@")
    suite, _, only = path.partition("/")
    harness.progress = lambda doing: print(harness.DOING + doing, flush=True)
    results = Results()
    for name, path in sources(suite, only, ".py"):
        module = load(path)
        for world in getattr(module, "WORLDS", [None]):
            if world and world.name == only_world:
                harness.run_tests(results, f"{suite}/{name} on {world.name}", module, world)
            elif not world:
                harness.run_tests(results, f"{suite}/{name}", module, None)
    return results


def jobs_of(results, text, options):
    path, _, world = text.partition("@")
    suite, _, only = path.partition("/")
    if suite in PROGRAMS:
        names = [name for name, _ in sources(suite, only, ".c")]
        if suite == "door":  # over the library as it is, and once more with sanitizers
            names += [f"{name}.asan" for name in names]
        return only_built(results, [jobs.Program(suite, f"{suite}/{name}",
                                                 f"build/test/{suite}/{name}")
                                    for name in names])
    if suite == "proof":
        return proving.proofs(sources(suite, only, ".c"))
    if suite == "fuzz":
        targets = fuzzing.targets(sources(suite, only, ".c"), options)
        return only_built(results, targets) + [fuzzing.Size()]
    return list(module_jobs(results, suite, only, world))


def parse(arguments):
    parser = argparse.ArgumentParser("kiln test", add_help=False)
    parser.add_argument("suites", nargs="*")
    parser.add_argument("--time", type=fuzzing.seconds, help="how long to fuzz: 90s, 10m, 1h")
    parser.add_argument("--seed", type=int, default=1, help="of the fuzzer")
    parser.add_argument("--grow", action="store_true", help="keep inputs that reach new code")
    parser.add_argument("--job", help="of ours: one module, in one world")
    return parser.parse_args(arguments)


def run_suites(suites, options):
    results = Results()
    todo = [job for suite in suites for job in jobs_of(results, suite, options)]
    jobs.Runner(results, todo).run()
    return results


def main(arguments):
    options = parse(arguments)
    suites = options.suites or SUITES
    for suite in suites:
        if suite.partition("@")[0].partition("/")[0] not in SUITES:
            print(f"kiln: there is no suite '{suite}': choose from {' '.join(SUITES)}",
                  file=sys.stderr)
            return 2
    # Ctrl-C and SIGTERM unwind, so that every process is stopped by those who started it.
    # A shell that runs this in the background has had SIGINT ignored, for the tests' own
    # processes too, which are stopped by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.environ.setdefault("KILN_TEST_RUN", f"{os.getpid()} {time.time_ns()}")
    try:
        print("TAP version 13", flush=True)
        results = run_job(options.job) if options.job else run_suites(suites, options)
        results.end()
    except KeyboardInterrupt:
        if not options.job:
            print("kiln: interrupted", file=sys.stderr)
        return 130
    finally:
        Process.kill_all()
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
