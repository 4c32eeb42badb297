"""Kiln's own stack below TCP, against Linux: ping, UDP, DHCP. Sealed targets only: on host,
Linux's own stack would answer."""

import os
import re
import socket
import tempfile

import harness
import worlds
from harness import Netns, Process, check, check_equal, ip, run, wait_for
from worlds import ADDRESS, CLIENT, TAP

WORLDS = [world for world in worlds.WORLDS if world.target != "host"]


def start(world, name="echo", port=7, **options):
    return world.start(world.build(name), **options).wait_up(port)


def test_ping(world):
    """ping is answered, at every size up to fragments"""
    with start(world) as echo, echo.net:
        for size in (0, 1, 56, 1400, 1472, 1473, 3000, 8000):
            out = run("ping", "-c", 2, "-i", "0.02", "-W", 5, "-s", size, ADDRESS).stdout
            check(" 0% packet loss" in out, f"{size} bytes: {out}")


def test_ping_flood(world):
    """a burst of pings is answered, or dropped, and harms nobody"""
    count = 200 if world.slow else 1000
    with start(world) as echo:
        with echo.net:
            out = run("ping", "-q", "-f", "-c", count, "-w", 10, ADDRESS,
                      check_status=False).stdout
            received = int(re.search(r"(\d+) received", out).group(1))
        check(received > 0, out)
        check(echo.answers(7), "TCP still answers")


def test_unreachable(world):
    """a UDP port that is closed is answered with port unreachable"""
    with start(world) as echo, echo.net:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.connect((ADDRESS, 4444))
            s.send(b"anybody?")
            try:
                s.recv(10)
            except ConnectionRefusedError:
                return
            raise harness.Failed("data came from a closed port")


def test_closed_port(world):
    """a TCP port that is closed refuses at once"""
    with start(world) as echo, echo.net:
        try:
            worlds.connect(81, 5).close()
        except ConnectionRefusedError:
            return
        raise harness.Failed("a closed port took the connection")


def test_interface_removed(world):
    """an image whose interface is taken away says so, sleeps, and still stops"""
    spent = []

    def sleeps():
        with open(f"/proc/{echo.process.child()}/stat") as stat:
            spent.append(stat.read().rsplit(")", 1)[1].split()[11:13])
        return len(spent) > 20 and spent[-1] == spent[-20]

    with start(world) as echo:
        with echo.net:
            run("ip", "link", "delete", TAP)
        wait_for(lambda: " is gone" in echo.process.text(), "a message")
        wait_for(sleeps, "no more use of the processor", step=0.02)


test_interface_removed.worlds = ["jail", "kvm"]  # on QEMU the tap is QEMU's own affair


def test_dhcp(world):
    """it gets its address from a DHCP server"""
    world.need()
    net = Netns()
    with net, tempfile.TemporaryDirectory(prefix="kiln-dhcp-") as folder:
        lease = os.path.join(folder, "leases")
        ip(f"tuntap add {TAP} mode tap", f"address add {CLIENT}/24 dev {TAP}",
           f"link set {TAP} up")
        server = Process("dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts",
                         "--conf-file=/dev/null", "--port=0", "--log-dhcp",
                         "--log-facility=-", f"--interface={TAP}", "--bind-interfaces",
                         f"--dhcp-range={ADDRESS},{ADDRESS},2m", "--dhcp-authoritative",
                         "--no-ping", "--user=root", "--pid-file=",
                         f"--dhcp-leasefile={lease}", name="dnsmasq", netns=net)
        with world.start(world.build("web"), address=None, net=net) as web:
            wait_for(lambda: server.check_alive() or os.path.exists(lease) and
                     ADDRESS in open(lease).read(), "a lease", 20)
            web.wait_up()
            check(web.fetch("/"), "the site is served at the leased address")
            with web.net:
                check_equal(TAP in web.net.interfaces(), True, "the tap that was there stays")
        server.kill()
