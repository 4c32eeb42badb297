"""kiln sim: appliances and clients in a simulated network, by options and by scenarios.

What a scenario expects is its own test; what stands here beside it is that the network did what
the scenario says, and that a seed repeats it.
"""

import json
import os
import re
import shutil
import tempfile

from harness import KILN, ROOT, check, check_equal, run

ECHO, WEB = (os.path.join(ROOT, "appliance", name) for name in ("echo", "web"))


def sim(*arguments, status=0, folder=None):
    """What it printed, and what it said on stderr."""
    done = run(KILN, "sim", *arguments, check_status=False, cwd=folder)
    check_equal(done.returncode, status, f"status of kiln sim ({done.stderr})")
    return done


def figures(*arguments, **options):
    return json.loads(sim("--json", *arguments, **options).stdout)


class Scenario:
    """A scenario in a folder of its own."""

    def __init__(self, text):
        self.folder = tempfile.TemporaryDirectory(prefix="kiln-sim-")
        self.path = os.path.join(self.folder.name, "test.sim")
        with open(self.path, "w") as file:
            file.write(text.replace("ECHO", ECHO).replace("WEB", WEB))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def figures(self, *arguments, **options):
        return figures(self.path, *arguments, folder=self.folder.name, **options)

    def read(self, name):
        with open(os.path.join(self.folder.name, name), "rb") as file:
            return file.read()


# ---- folders ----

def test_thousand_clients(_):
    """a server under a thousand clients over a link that loses 2 % serves all of them"""
    seen = figures(WEB, "--clients", "1000", "--requests", "3", "--loss", "2%", "--seed", "7")
    check_equal((seen["clients"], seen["requests"], seen["failures"]), (1000, 3000, 0), "served")
    check(seen["lost"] > 500 and seen["retransmissions"] > 100, f"no bad link: {seen}")


def test_echo(_):
    """an appliance without HTTP is asked for an echo, and several run side by side"""
    seen = figures(ECHO, WEB, "--clients", "5", "--requests", "4")
    check_equal((seen["requests"], seen["failures"]), (40, 0), "served")
    check(seen["p50_ms"] >= 20, f"no delay: {seen}")


def test_table(_):
    """people get a table, on stdout alone"""
    done = sim(ECHO, "--clients", "2", "--requests", "1")
    check(re.match(r"requests +2, 0 failed\n", done.stdout), f"printed: {done.stdout}")
    check("seed 1" in done.stdout, f"no seed: {done.stdout}")


def test_show(_):
    """--show prints the scenario, and that is one that runs"""
    text = sim(WEB, "--clients", "3", "--loss", "1%", "--port", "8080", "--show").stdout
    with Scenario(text) as scenario:
        check_equal(scenario.figures()["requests"], 30, "requests")
    check(f"host host1 {WEB} lan=10.0.0.2/24 gateway 10.0.0.1 --port 8080\n" in text, text)


def test_not_served(_):
    """what is not as expected ends with status 1, and says which seed shows it"""
    done = sim(WEB, "--clients", "2", "--requests", "1", "--get", "/nothing", "--seed", "5",
               status=1)
    check("expected failures = 0, and it is 2" in done.stderr, done.stderr)
    check("seed 5 repeats the run" in done.stderr, done.stderr)
    check("2 wrong answers" in done.stdout, done.stdout)


CRASH = """
#include <kiln/tcp.h>
KILN_NET(net0, "brings the end");
KILN_PARAM_PORT(port, 7, "which it listens on");
static bool accepted(struct tcp_conn *conn, void *context)
{
\tkiln_assert(port == 8);
\treturn true;
}
int appliance(struct kiln *k)
{
\tstruct tcp_listener *listener;
\treturn tcp_listen(tcp_new(net_up(k, &net0)), port, accepted, NULL, &listener) ? 1 : kiln_run(k);
}
"""


def test_crash(_):
    """an appliance that crashes says why, and which seed shows it"""
    with tempfile.TemporaryDirectory(prefix="kiln-sim-crash-") as folder:
        with open(os.path.join(folder, "crash.c"), "w") as file:
            file.write(CRASH)
        done = run(KILN, "sim", folder, "--clients", "2", "--seed", "9", check_status=False)
        shutil.rmtree(os.path.join(ROOT, "build/appliance", os.path.basename(folder)),
                      ignore_errors=True)
    check(done.returncode not in (0, 1, 2), f"status {done.returncode}")
    check("port == 8" in done.stderr, done.stderr)
    check("seed 9 repeats the run" in done.stderr, done.stderr)


def test_debugger(_):
    """gdb stops in the appliance of each host"""
    with Scenario("""
            link lan
            host a ECHO lan=10.0.0.2/24
            host b WEB lan=10.0.0.3/24
            run 1s
            """) as scenario:
        # gdb goes along from kiln sim to what it becomes.
        done = run("gdb", "-q", "-batch", "-ex", "set breakpoint pending on", "-ex",
                   "break appliance", "-ex", "run", "-ex", "frame", "-ex", "continue", "-ex",
                   "frame", "--args", KILN, "sim", scenario.path)
    check("echo.c:" in done.stdout and "web.c:" in done.stdout, done.stdout)


# ---- scenarios ----

STORM = """
link lan
link wan delay 20ms jitter 5ms loss 3% burst 0.5%:5 reorder 2% duplicate 1% pcap wan.pcap
router r lan=10.0.0.1/24 wan=10.1.0.1/24
host e ECHO lan=10.0.0.2/24 gateway 10.0.0.1
clients 20 wan echo 10.0.0.2:7 size 20000 times 2
expect failures = 0
"""


def test_seed(_):
    """the same seed has the same frames to the bit, another one others"""
    with Scenario(STORM) as scenario:
        first = scenario.figures("--seed", "3")
        frames = scenario.read("wan.pcap")
        again = scenario.figures("--seed", "3")
        check_equal(scenario.read("wan.pcap"), frames, "the capture")
        for seen in first, again:
            del seen["real_s"]
        check_equal(again, first, "the figures")
        scenario.figures("--seed", "4")
        check(scenario.read("wan.pcap") != frames, "seeds 3 and 4 have the same frames")


def test_partition(_):
    """connections go on once a partition has healed, of a link as of one host"""
    for cut in "lan", "lan e":
        with Scenario(f"""
                link lan rate 1M
                host e ECHO lan=10.0.0.2/24
                clients 3 lan echo 10.0.0.2:7 size 500000 times 1
                at 1s partition {cut}
                at 9s heal {cut}
                expect failures = 0
                expect p50 > 12s
                """) as scenario:
            check(scenario.figures()["cut"] > 0, f"nothing was lost by partition {cut}")


def test_partition_of_another(_):
    """a partition of one host leaves the others alone"""
    with Scenario("""
            link lan
            host a ECHO lan=10.0.0.2/24
            host b ECHO lan=10.0.0.3/24
            clients 1 lan echo 10.0.0.2:7 every 100ms times 50
            at 1s partition lan b
            expect failures = 0
            expect slowest < 50ms
            """) as scenario:
        scenario.figures()


def test_path_mtu(_):
    """TCP learns from a router that packets are too big for the link behind it"""
    with Scenario("""
            link lan
            link wan mtu 600 pcap wan.pcap
            router r lan=10.0.0.1/24 wan=10.1.0.1/24
            host w WEB lan=10.0.0.2/24 gateway 10.0.0.1
            clients 3 wan get http://10.0.0.2/ times 3
            expect failures = 0
            """) as scenario:
        scenario.figures()
        at, capture = 24, scenario.read("wan.pcap")
        while at < len(capture):
            size = int.from_bytes(capture[at + 8:at + 12], "little")
            check(size <= 614, f"a frame of {size} bytes")
            at += 16 + size


def test_routes(_):
    """packets find their way over several routers, and switches join links"""
    with Scenario("""
            link a
            link b delay 5ms
            link c
            link d
            router r1 a=10.0.1.1/24 b=10.0.2.1/24 route 10.0.3.0/24 via 10.0.2.2
            router r2 b=10.0.2.2/24 c=10.0.3.1/24 route 0.0.0.0/0 via 10.0.2.1
            switch s c d
            host e ECHO d=10.0.3.9/24 gateway 10.0.3.1
            clients 4 a echo 10.0.3.9:7 times 3
            expect failures = 0
            expect p50 >= 20ms
            """) as scenario:
        check_equal(scenario.figures()["requests"], 12, "requests")


def test_ip6(_):
    """clients and servers talk by IPv6, too, over a router"""
    with Scenario("""
            link lan
            link wan delay 5ms loss 2% mtu 1400
            router r lan=fd00:1::1/64,10.0.1.1/24 wan=fd00:2::1/64,10.0.2.1/24
            host e ECHO lan=fd00:1::2/64 gateway fd00:1::1
            host w WEB lan=10.0.1.3/24,fd00:1::3/64 gateway 10.0.1.1 gateway fd00:1::1
            clients 20 wan echo [fd00:1::2]:7 size 10000 times 3
            clients 20 wan get http://[fd00:1::3]/ times 3
            clients 20 wan get http://10.0.1.3/ times 3
            expect failures = 0
            """) as scenario:
        check_equal(scenario.figures()["requests"], 180, "requests")


def test_advertise(_):
    """a router that advertises its prefixes gives hosts their addresses"""
    with Scenario("""
            run 5s
            link lan
            router r lan=fd00:1::1/64 advertise
            host e ECHO lan=10.0.1.2/24
            """) as scenario:
        done = sim(scenario.path, folder=scenario.folder.name)
    check(re.search(r"^e: .* net0 up, fd00:1::", done.stderr, re.M), done.stderr)


def test_same_appliance_twice(_):
    """two hosts of one appliance have parameters of their own"""
    with Scenario("""
            link lan
            host a ECHO lan=10.0.0.2/24 --port 1007
            host b ECHO lan=10.0.0.3/24 --port 2007
            clients 2 lan echo 10.0.0.2:1007 times 1
            clients 2 lan echo 10.0.0.3:2007 times 1
            expect failures = 0
            """) as scenario:
        check_equal(scenario.figures()["requests"], 4, "requests")


def test_change(_):
    """a link gets worse under way, and a host that is stopped is silent"""
    with Scenario("""
            link lan delay 1ms
            host e ECHO lan=10.0.0.2/24
            clients 1 lan echo 10.0.0.2:7 every 100ms times 100
            at 5s link lan delay 50ms
            expect failures = 0
            expect p50 >= 4ms
            expect p90 >= 200ms
            """) as scenario:
        scenario.figures()
    with Scenario("""
            run 200s
            link lan
            host e ECHO lan=10.0.0.2/24
            clients 1 lan echo 10.0.0.2:7 every 1s times 10
            at 5500ms stop e
            expect failures >= 1
            expect requests < 10
            """) as scenario:
        scenario.figures()
