#!/usr/bin/python3
"""Builds and runs the suites: kiln test [SUITE...]. Prints TAP; the last line, alone, counts.

    unit         each library on the host, with AddressSanitizer and UBSan
    conformance  whole stacks over a simulated network
    fuzz         what reads bytes from outside, under libFuzzer: see test/fuzzing.py
    tool         the kiln command: messages, exit codes, builds
    seal         every appliance as a sealed image: sizes, seal, what is linked in
    jail         what the jail holds against an image that tries
    vm           what holds an image in ring 3, on KVM and QEMU
    e2e          appliances against Linux's own stack, on host, jail, KVM and QEMU

A suite can be narrowed to one of its files, e2e/web, and e2e to one world, e2e/web@jail.
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
from harness import ROOT, Process, Results  # noqa: E402

SUITES = ["unit", "conformance", "fuzz", "tool", "seal", "jail", "vm", "e2e"]
PROGRAM_SECONDS = 300


def make(*goals):
    """Whether it went well, and what was printed."""
    done = subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "-C", ROOT, *goals],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    return done.returncode == 0, done.stdout


def tap_lines(results, suite, output):
    """Passes on the results in a program's TAP; how many there were."""
    seen = 0
    for line in output.splitlines():
        words = line.split(" ", 2)
        if line.startswith("ok "):
            rest = words[2] if len(words) > 2 else ""
            name, _, directive = rest.partition("#")
            if directive.strip().upper().startswith("SKIP"):
                why = directive.strip()[4:].strip()
                results.skip(f"{suite}: {name.strip(' -') or why}", why)
            else:
                results.ok(f"{suite}: {name.strip(' -')}")
            seen += 1
        elif line.startswith("not ok "):
            name = line.split(" ", 3)[3] if line.count(" ") > 2 else line
            results.fail(f"{suite}: {name.strip(' -')}", "", harness.tail(output))
            seen += 1
    return seen


def run_program(results, suite, program):
    """A test program that prints TAP (cmocka's)."""
    name = f"{suite}/{os.path.basename(program)}"
    harness.progress(f"running {name}")
    failed_before = results.failed
    try:
        done = subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=PROGRAM_SECONDS, cwd=ROOT,
                              env=dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP"))
    except subprocess.TimeoutExpired as late:
        results.fail(name, f"did not end within {PROGRAM_SECONDS} s",
                     harness.tail((late.stdout or b"").decode(errors="replace")))
        return
    planned = [line for line in done.stdout.splitlines() if line.startswith("1..")]
    seen = tap_lines(results, name, done.stdout)
    if done.returncode and results.failed == failed_before:
        results.fail(name, f"ended with {harness.describe(done.returncode)}",
                     harness.tail(done.stdout))
    elif sum(int(line[3:].split()[0]) for line in planned) != seen or not seen:
        results.fail(name, f"planned {planned}, saw {seen} results", harness.tail(done.stdout))


def run_programs(results, suite, only):
    sources = sorted(glob.glob(os.path.join(ROOT, f"test/{suite}/{only or '*'}.c")))
    programs = [f"build/test/{suite}/{os.path.basename(s)[:-2]}" for s in sources]
    harness.progress(f"building test/{suite}")
    built, output = make("-k", *programs)
    for program in programs:
        if built or make("-q", program)[0]:
            run_program(results, suite, os.path.join(ROOT, program))
        else:
            results.fail(f"{suite}/{os.path.basename(program)}", "does not build",
                         harness.tail(output))


def load(path):
    name = os.path.basename(path)[:-3]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_modules(results, suite, only, only_world):
    """test/SUITE/*.py. Those of e2e run once in each world of theirs."""
    for path in sorted(glob.glob(os.path.join(ROOT, f"test/{suite}/{only or '*'}.py"))):
        name = f"{suite}/{os.path.basename(path)[:-3]}"
        try:
            module = load(path)
        except Exception as error:
            results.fail(name, f"cannot be loaded: {error}")
            continue
        if hasattr(module, "WORLDS"):
            for world in module.WORLDS:
                if only_world and world.name != only_world:
                    continue
                harness.run_tests(results, f"{name} on {world.name}", module, world)
        else:
            harness.run_tests(results, name, module, None)


def run_suite(results, text, options):
    path, _, world = text.partition("@")
    suite, _, only = path.partition("/")
    if suite in ("unit", "conformance"):
        run_programs(results, suite, only)
    elif suite == "fuzz":
        fuzzing.run(results, make, only, options)
    else:
        run_modules(results, suite, only, world)


def parse(arguments):
    parser = argparse.ArgumentParser("kiln test", add_help=False)
    parser.add_argument("suites", nargs="*")
    parser.add_argument("--time", type=fuzzing.seconds, help="how long to fuzz: 90s, 10m, 1h")
    parser.add_argument("--seed", type=int, default=1, help="of the fuzzer")
    parser.add_argument("--grow", action="store_true", help="keep inputs that reach new code")
    return parser.parse_args(arguments)


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
    results = Results()
    try:
        print("TAP version 13")
        for suite in suites:
            began = time.monotonic()
            run_suite(results, suite, options)
            print(f"# {suite}: {time.monotonic() - began:.1f} s", flush=True)
    except KeyboardInterrupt:
        print("kiln: interrupted", file=sys.stderr)
        return 130
    finally:
        Process.kill_all()
    total = results.passed + results.failed + results.skipped
    print(f"1..{total}")
    print(f"{results.passed} passed, {results.failed} failed, {results.skipped} skipped")
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
