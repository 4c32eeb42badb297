"""kiln bench: what it prints, what it refuses, and what it leaves behind."""

import glob
import json
import os
import signal
import tempfile
import xml.etree.ElementTree

from harness import KILN, Process, Skip, check, check_equal, kvm_serves, need_root, run, wait_for

ALONE = True
WEB = [KILN, "bench", "web", "--rounds", "2", "--seconds", "0.2", "--starts", "1"]
CASES = ["1k-keepalive-1", "1k-keepalive-64", "1k-keepalive-512", "100k-keepalive-64",
         "1k-close-64", "first-byte"]
KEYS = ["ops_per_s", "cpu_us_per_op", "p50_us", "p99_us", "rss_kb"]


def need_two_processors():
    need_root()
    if len(os.sched_getaffinity(0)) < 2:
        raise Skip("one processor alone")


def leftovers():
    """Folders, interfaces of this namespace, and processes of a bench."""
    found = set(glob.glob(os.path.join(tempfile.gettempdir(), "kiln-bench-*")))
    found |= set(os.listdir("/sys/class/net"))
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                command = file.read()
        except OSError:
            continue
        if b"kiln-bench-" in command or b"build/bench/" in command or b"bench/run.py" in command:
            found.add(command)
    return found


def started():
    """The folders of the servers that were started."""
    return set(glob.glob(os.path.join(tempfile.gettempdir(), "kiln-bench-*", "kiln-host")))


def refused(*arguments, says):
    done = run(KILN, "bench", *arguments, check_status=False)
    check_equal(done.returncode, 2, f"status of kiln bench {' '.join(arguments)}")
    check(says in done.stderr and done.stderr.startswith("kiln: "), done.stderr)


def test_json(_):
    """bench web measures two servers in every case, as JSON and as a picture"""
    need_two_processors()
    before = leftovers()
    with tempfile.TemporaryDirectory() as folder:
        picture = os.path.join(folder, "web.svg")
        out = run(*WEB, "--quick", "--json", "-o", picture, "--subject", "kiln-jail-tap",
                  "--subject", "lighttpd").stdout
        xml.etree.ElementTree.parse(picture)
    rows = [json.loads(line) for line in out.splitlines()]
    check_equal([(row["case"], row["subject"]) for row in rows],
                [(case, subject) for case in CASES for subject in ("kiln-jail-tap", "lighttpd")],
                "what was measured")
    for row in rows:
        where = f"{row['subject']} in {row['case']}"
        check_equal((row["bench"], row["runs"]), ("web", 2), where)
        for key in KEYS:
            if key == "ops_per_s" and row["case"] == "first-byte":
                check_equal(row[key], None, f"{key} of {where}")
            else:
                check(row[key] > 0, f"{key} of {where}")
        check(row["p50_us"] <= row["p99_us"] <= (row["p999_us"] or row["p99_us"]),
              f"percentiles of {where}")
        check_equal(row["p999_us"] is None, row["case"] == "first-byte", f"the 999th of {where}")
        check(row["cpu_us_per_op_min"] <= row["cpu_us_per_op"] <= row["cpu_us_per_op_max"],
              f"spread of {where}")
        check_equal(row["ratio_to"], "lighttpd", f"the best rival of {where}")
        check(row["ratio"] == 1 if row["subject"] == "lighttpd" else row["ratio"] > 0,
              f"ratio of {where}")
    check_equal(leftovers() - before, set(), "what the bench left")


def test_table(_):
    """bench web prints a table for the case that was chosen"""
    need_two_processors()
    subjects = ["kiln-jail-tap"] + ["kiln-kvm"] * kvm_serves()
    chosen = [word for name in subjects for word in ("--subject", name)]
    out = run(*WEB, "--case", "1k-keepalive-64", *chosen).stdout
    check("1k-keepalive-64: 1,024 bytes" in out and "1k-close-64" not in out, out)
    for name in subjects:
        check(f"\n  {name} " in out, f"no line of {name}'s in\n{out}")


def test_net(_):
    """bench net measures every server in every case of its own, and the floor"""
    need_two_processors()
    before = leftovers()
    with tempfile.TemporaryDirectory() as folder:
        picture = os.path.join(folder, "net.svg")
        out = run(KILN, "bench", "net", "--rounds", "1", "--seconds", "0.2", "--json", "-o",
                  picture).stdout
        xml.etree.ElementTree.parse(picture)
    rows = [json.loads(line) for line in out.splitlines()]
    check_equal([(row["case"], row["subject"]) for row in rows],
                [("udp-64b-256", subject) for subject in
                 ("kiln-jail-tap", "kiln-jail-xdp", "kernel-udp", "frame-loop")] +
                [(case, subject) for case in ("bulk-in", "bulk-out")
                 for subject in ("kiln-jail-tap", "iperf3", "frame-loop")] +
                [(case, subject) for case in ("bulk-in-nooffload", "bulk-out-nooffload")
                 for subject in ("kiln-jail-tap", "kiln-jail-xdp", "iperf3", "frame-loop")] +
                [("idle-100k", subject) for subject in ("kiln-jail-tap", "kiln-jail-alone")] +
                [("cpus-2", subject) for subject in ("kiln-cpus-1", "kiln-cpus-2")],
                "what was measured")
    for row in rows:
        where = f"{row['subject']} in {row['case']}"
        stream = row["case"].startswith("bulk-")
        rival = {"udp-64b-256": "kernel-udp", "idle-100k": "kiln-jail-alone",
                 "cpus-2": "kiln-cpus-1"}
        check_equal((row["ops_unit"], row["cpu_unit"]),
                    ("bytes", "KB") if stream else ("requests", "request"), f"units of {where}")
        for key in ("ops_per_s", "cpu_us_per_op", "rss_kb",
                    *(["p50_us", "p99_us", "p999_us"] * (not stream))):
            check(row[key] > 0, f"{key} of {where}")
        if stream or row["case"] == "udp-64b-256":
            check(row["floor_ratio"] == 1 if row["subject"] == "frame-loop"
                  else row["floor_ratio"] > 0, f"how far {where} is above the floor")
        check_equal(row["ratio_to"], rival.get(row["case"], "iperf3"), f"the rival of {where}")
        if stream:
            check(row["ops_per_s"] > 1e6, f"{row['ops_per_s']} bytes a second by {where}")
    idle, alone = rows[-4:-2]
    check(idle["rss_kb"] - alone["rss_kb"] > 100_000, f"connections in {idle['rss_kb']} KiB")
    check(idle["bytes_per_conn"] < 1600, f"{idle['bytes_per_conn']} bytes a connection")
    check(idle["rate"] > 0 and alone["rate"] == 1, f"rates {idle['rate']}, {alone['rate']}")
    check_equal(leftovers() - before, set(), "what the bench left")


def test_dns(_):
    """bench dns measures name servers under load and flood, their starts, and the floor"""
    need_two_processors()
    before = leftovers()
    cases = ("dns-100", "dns-100-flood", "lookup", "first-answer-100")
    with tempfile.TemporaryDirectory() as folder:
        picture = os.path.join(folder, "dns.svg")
        out = run(KILN, "bench", "dns", "--rounds", "1", "--seconds", "0.2", "--json", "-o", picture,
                  *(word for name in cases for word in ("--case", name)),
                  *(word for name in ("kiln-jail-tap", "bind", "knot", "kiln-host", "frame-loop")
                    for word in ("--subject", name))).stdout
        xml.etree.ElementTree.parse(picture)
    rows = {(row["case"], row["subject"]): row for row in map(json.loads, out.splitlines())}
    check_equal(list(rows), [*((case, subject) for case in cases[:2]
                               for subject in ("kiln-jail-tap", "bind", "knot", "frame-loop")),
                             ("lookup", "kiln-host"),
                             *(("first-answer-100", subject)
                               for subject in ("kiln-jail-tap", "bind", "knot"))],
                "what was measured")
    for (case, subject), row in rows.items():
        keys = {"lookup": ("ops_per_s",), "first-answer-100": ("p50_us", "rss_kb"),
                "dns-100": ("ops_per_s", "rss_kb", "p50_us", "p99_us")}
        for key in ("cpu_us_per_op", *keys.get(case, ("ops_per_s", "rss_kb"))):
            check(row[key] > 0, f"{key} of {subject} in {case}")
        check_equal(row["ratio_to"], None if case == "lookup" else "knot", f"rival in {case}")
        if case == "dns-100":  # some of 1,000 queries wait for the others
            check(100 < row["p50_us"] <= row["p99_us"] <= 100_000, f"latencies of {subject}: {row}")
        else:
            check(case == "first-answer-100" or row["p50_us"] is None, f"{case}: {row}")
    for case in cases[:2]:  # it does the least
        check(rows[case, "frame-loop"]["cpu_us_per_op"] < rows[case, "bind"]["cpu_us_per_op"], case)
    check_equal(leftovers() - before, set(), "what the bench left")


def test_boot(_):
    """bench boot measures starts, tasks, switches and timers, in ns and cycles"""
    need_two_processors()
    before = leftovers()
    out = run(KILN, "bench", "boot", "--quick", "--rounds", "1", "--starts", "1", "--json",
              *(word for name in ("kiln-jail-tap", "lighttpd", "kiln-jail", "static-binary",
                                  "kiln-host", "pthread") for word in ("--subject", name))).stdout
    rows = {(row["case"], row["subject"]): row for row in map(json.loads, out.splitlines())}
    counts = ["task-create", "task-switch", "timer"]
    check_equal(list(rows), [("first-byte", "kiln-host"), ("first-byte", "kiln-jail-tap"),
                             ("first-byte", "lighttpd"), ("hello", "kiln-jail"),
                             ("hello", "static-binary"),
                             *((case, subject) for case in counts
                               for subject in ("kiln-host", "pthread"))], "what was measured")
    for (case, subject), row in rows.items():
        for key in ("ops_per_s", "cycles_per_op") if case in counts else ("p50_us", "p99_us"):
            check(row[key] > 0, f"{key} of {subject} in {case}")
        check(row["cpu_us_per_op"] > 0 and row["ratio"] > 0, f"{subject} in {case}: {row}")
    check_equal(rows["hello", "kiln-jail"]["runs"], 10, "starts of hello")
    for case in counts:  # no thread is as cheap as a task
        check(rows[case, "kiln-host"]["ratio"] > 2, f"{case}: {rows[case, 'kiln-host']}")
    check_equal(leftovers() - before, set(), "what the bench left")


def test_sim(_):
    """bench sim measures the simulator, and the memory of a stack and of a connection"""
    rows = [json.loads(line) for line in
            run(KILN, "bench", "sim", "--quick", "--json").stdout.splitlines()]
    check_equal([row["case"] for row in rows], ["transfer-10M", "stacks-1000", "conns-100000"],
                "cases")
    check(rows[0]["virtual_per_cpu"] >= 100 and 9 < rows[0]["megabits_per_s"] <= 10, f"{rows[0]}")
    check(rows[1]["served"] == 990 and rows[1]["bytes_per_stack"] < 150_000, f"{rows[1]}")
    check(rows[2]["conns"] == 100_000 and rows[2]["bytes_per_conn"] < 1200, f"{rows[2]}")
    # No search: the same few are as quickly found among all.
    check(rows[2]["request_us_few_of_all"] < 2 * rows[2]["request_us_few"], f"{rows[2]}")
    check("stacks-1000" in run(KILN, "bench", "sim", "--quick").stdout, "the table")


def test_usage(_):
    """bench lists what there is, and refuses what there is not"""
    check("kiln bench web: " in run(KILN, "bench").stdout, "the list")
    refused("wb", says="no bench 'wb'")
    refused("web", "--case", "2k", says="invalid choice: '2k'")
    refused("web", "--subject", "iis", says="invalid choice: 'iis'")
    refused("web", "--rounds", "0", says="0 is not 1 or more")
    refused("web", "--seconds", "x", says="--seconds")
    refused("web", "--cpus", "1", says="--cpus")
    refused("web", "-o", "/nowhere/x.svg", says="cannot write /nowhere/x.svg")
    refused("web", "more", says="more")


def test_interrupted(_):
    """Ctrl-C stops a bench, and leaves nothing behind"""
    need_two_processors()
    before, started_before = leftovers(), started()
    bench = Process(*WEB, "--rounds", "50", "--case", "1k-keepalive-64", "--subject",
                    "kiln-jail-tap", "--subject", "kiln-host", name="bench")
    wait_for(lambda: bench.check_alive() or started() - started_before, "a server started", 60)
    check_equal(bench.stop(signal.SIGINT, 20), 130, "exit status")
    wait_for(lambda: leftovers() <= before, "everything gone", 5)
    bench.kill()
