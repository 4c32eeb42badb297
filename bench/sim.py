"""kiln bench sim: how fast the simulator is, and how many stacks and connections it takes.

transfer-10M    one TCP transfer over a link of 10 Mbit/s: virtual seconds by real ones, and by
                seconds of the processor, which other work on the machine does not change
stacks-10000    so many stacks in one process, each of which serves or has something echoed once;
                bytes_per_stack is what the process has in memory, by their number
conns-1000000   so many TCP connections to one stack, from a hundred others. bytes_per_conn is what
                one end of one takes of the process's memory, conn_bytes what of that is the
                struct. request_us: of the processor for 64 bytes and their echo, both ends and
                the simulator: with a few connections open, on the same few with all of them
                open (what finding a connection takes), and on any of all, which is in no cache
"""

import argparse
import json
import os
import subprocess
import sys

from lab import ROOT, Failed, progress, progress_end
import report
from rounds import make

PROGRAM = os.path.join(ROOT, "build/bench/sim")


def measure(*arguments):
    """The figures of a run."""
    progress(" ".join(arguments))
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"build/bench/sim {' '.join(arguments)} ended with status "
                     f"{done.returncode}: {done.stdout}{done.stderr}")
    return {name: float(value) if "." in value else int(value)
            for name, value in (line.split() for line in done.stdout.splitlines())}


def transfer(quick):
    row = {"bench": "sim", "case": "transfer-10M", **measure("transfer", "100" if quick else "1000")}
    row["virtual_per_real"] = round(row["virtual_s"] / max(row["real_s"], 1e-3), 1)
    row["virtual_per_cpu"] = round(row["virtual_s"] / max(row["cpu_s"], 1e-3), 1)
    return row


def stacks(quick):
    count = 1000 if quick else 10000
    return {"bench": "sim", "case": f"stacks-{count}", **measure("stacks", str(count))}


def conns(quick):
    count = 100000 if quick else 1000000
    return {"bench": "sim", "case": f"conns-{count}", **measure("conns", str(count))}


def print_tables(rows):
    first, second, third = rows
    report.print_table(
        ["case", "virtual s", "real s", "processor s", "virtual by real", "bytes a stack"],
        [[first["case"], str(first["virtual_s"]), f"{first['real_s']:.2f}",
          f"{first['cpu_s']:.2f}", f"{first['virtual_per_real']:,.0f}", ""],
         [second["case"], str(second["virtual_s"]), f"{second['real_s']:.2f}",
          f"{second['cpu_s']:.2f}", f"{second['virtual_s'] / second['real_s']:.2f}",
          f"{second['bytes_per_stack']:,}"]])
    print()
    report.print_table(
        ["case", "bytes a connection", "of these its struct", f"us a request, {third['few']:,} open",
         "these, all open", "any, all open"],
        [[third["case"], f"{third['bytes_per_conn']:,}", f"{third['conn_bytes']:,}",
          f"{third['request_us_few']:.2f}", f"{third['request_us_few_of_all']:.2f}",
          f"{third['request_us_any']:.2f}"]])


def main(arguments):
    parser = argparse.ArgumentParser(prog="kiln bench sim", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of it")
    parser.add_argument("--json", action="store_true", help="a line for each case, for programs")
    options = parser.parse_args(arguments)
    try:
        make("sim")
        rows = [transfer(options.quick), stacks(options.quick), conns(options.quick)]
    except Failed as failed:
        print(f"kiln: {failed}", file=sys.stderr)
        return 1
    finally:
        progress_end()
    if options.json:
        for row in rows:
            print(json.dumps(row))
    else:
        print_tables(rows)
    return 0
