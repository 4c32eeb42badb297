"""Programs that others have written, at Linux's end: ping, nc, curl, iperf3, ndisc6."""

import json
import os
import random
import re
import subprocess

from harness import TIED, WORK, Netns, Process, check, check_equal, run, wait_for
from linked import CORRUPT, JAILED, LOSS, PATIENCE, PORT, REORDER, check_bytes, wait_said
from worlds import pattern

WORLDS = JAILED
MAC = re.compile(r"\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b", re.I)
RATE = 20_000_000  # bits per second, of the link that is shared
SHARED = 8_000_000


def start_echo(world, **options):
    return world.start(world.build("echo"), **options).wait_up(7)


def ping(world, *options):
    """How many were answered, and what it printed."""
    out = run("ping", f"-{world.version}", "-q", *options, world.address,
              check_status=False).stdout
    return int(re.search(r"(\d+) received", out).group(1)), out


def test_ping_flood(world):
    """a flood of pings is answered"""
    with start_echo(world) as echo, echo.net:
        received, out = ping(world, "-f", "-c", 3000, "-w", PATIENCE)
        check(received > 2900, out)


def test_ping_flood_damaged(world):
    """of a flood of pings in fragments, with some of them damaged, no answer is wrong"""
    with start_echo(world, link=CORRUPT + REORDER) as echo, echo.net:
        received, out = ping(world, "-f", "-c", 500, "-s", 4000, "-W", 1, "-w", PATIENCE)
        check(received > 200, out)
        check("wrong" not in out, out)


def test_nc_client(world):
    """nc gets back from a server what it sends"""
    data = random.Random(1).randbytes(300_000)
    with start_echo(world, link=LOSS) as echo, echo.net:
        got = run("nc", "-N", "-w", PATIENCE, world.address, 7, input=data, text=False).stdout
        check_bytes(got, data, "what nc got")


def test_nc_server(world):
    """nc -l gets back from a client what it sends"""
    data = random.Random(2).randbytes(300_000)
    net = Netns()
    with net:
        nc = subprocess.Popen([*TIED, "nc", f"-{world.version}", "-N", "-l", str(PORT)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        wait_for(lambda: run("ss", "-tlnH").stdout, "nc listening", PATIENCE)
    with world.start_caller(net=net, link=LOSS) as caller:
        check_bytes(nc.communicate(data, timeout=PATIENCE)[0], data, "what nc got")
        wait_said(caller, "caller: 1 of 1 went well")


def test_curl(world):
    """curl fetches fifty bodies at once"""
    count, size = 50, 20_000
    with world.start(world.build("transfer"), link=LOSS).wait_up() as image:
        command = []
        for number in range(count):
            command += ["-o", os.path.join(WORK, f"{world.name}-{number}"),
                        f"{image.url}/{size}"]
        image.curl("--fail", "-Z", "--parallel-immediate", "--parallel-max", count, *command)
        for number in range(count):
            with open(os.path.join(WORK, f"{world.name}-{number}"), "rb") as body:
                check_bytes(body.read(), pattern(size), f"body {number}")


def test_iperf3(world):
    """a download that shares a narrow link with one of iperf3's arrives, and so does that"""
    with world.start(world.build("transfer"),
                     link=("--rate", str(RATE), "--queue", "100", "--delay", "5ms")) as image:
        image.wait_up()
        other = world.network + "3"
        with world.link.netns:
            run("ip", "address", "add", f"{other}/{world.bits}", "dev", "bridge0",
                *(["nodad"] if world.version == 6 else []))
        server = Process("iperf3", "--server", "--one-off", "--forceflush",
                         netns=world.link.netns)
        wait_for(lambda: "listening" in server.text(), "iperf3 listening", PATIENCE)
        with image.net:
            client = subprocess.Popen([*TIED, "iperf3", "--client", other, "--reverse", "--json",
                                       "--bytes", str(SHARED)], stdout=subprocess.PIPE)
        check_bytes(image.fetch(f"/{SHARED}"), pattern(SHARED), "the download")
        report = json.loads(client.communicate(timeout=PATIENCE)[0])
        received = report["end"]["sum_received"]["bytes"]
        check(received >= SHARED * 9 // 10, f"of iperf3's bytes {received} arrived")


def need_mac(world, echo):
    with echo.net:
        known = run("ip", f"-{world.version}", "neighbour", "show", world.address).stdout
    return MAC.search(known).group().lower()


def test_ndisc6(world):
    """ndisc6 finds the image's link address; rdisc6 finds that it is no router"""
    with start_echo(world) as echo, echo.net:
        found = run("ndisc6", "-q", "-r", 10, world.address, "link0").stdout
        check_equal(found.strip().lower(), need_mac(world, echo), "the link address")
        out = run("rdisc6", "-r", 1, "-w", 500, "link0", check_status=False)
        check_equal(out.returncode, 2, f"status of rdisc6, which printed {out.stdout}")


def test_traceroute6(world):
    """tracert6 by ping and by TCP end at the image, behind the router"""
    with start_echo(world, far_mtu=1500) as echo, echo.net:
        for command in (["tracert6", "-n", world.address],
                        ["tcptraceroute6", "-n", world.address, "7"]):
            out = run(*command).stdout
            # A probe that comes back too late is a star.
            hops = re.findall(r"^ *\d+ +(?:\* +)*(\S+)", out, re.M)
            check_equal(hops, [f"{world.far_network}1", world.address], out)


def test_tcpspray6(world):
    """tcpspray6 gets its blocks back"""
    with start_echo(world, link=LOSS) as echo, echo.net:
        out = run("tcpspray6", "-e", world.address).stdout
        check("Received 102400 bytes" in out, out)


for test in (test_ndisc6, test_traceroute6, test_tcpspray6):
    test.worlds = ["ip6"]
