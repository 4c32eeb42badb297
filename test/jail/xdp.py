"""An interface of the host's that an image has by AF_XDP: what becomes of it meanwhile, and after."""

import contextlib

from harness import (ADDRESS, CLIENT, KILN, Netns, Process, check, check_equal, ip, need_root, run,
                     wait_for)
from worlds import build, finish_checksums

HOST = "10.7.0.9"  # the host's own address on the interface


class Link:
    """A veth: "eth0" is the host's, "peer0" in another namespace its client's."""

    def __init__(self, queues=1):
        need_root()
        self.host, self.peer = Netns(), Netns()
        with self.host:
            ip(f"link add eth0 numrxqueues {queues} numtxqueues {queues} "
               f"type veth peer name peer0 netns {self.peer.path}",
               "link set eth0 addrgenmode none up", f"address add {HOST}/24 dev eth0")
        with self.peer:
            finish_checksums("peer0")
            ip(f"address add {CLIENT}/24 dev peer0", "link set peer0 up")

    def answers(self, address):
        with self.peer:
            return run("ping", "-c", 1, "-W", 1, address, check_status=False).returncode == 0

    def shown(self):
        with self.host:
            return run("ip", "-d", "link", "show", "eth0").stdout

    @contextlib.contextmanager
    def image(self, network="xdp:eth0", ip=f"{ADDRESS}/24"):
        process = Process(KILN, "run", build("echo", "jail"), "--net", network, "--ip", ip,
                          "--ip6", "off", netns=self.host)
        try:
            yield process
            check_equal(process.stop(), 0, "status")
        finally:
            process.end()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.host.close()
        self.peer.close()


def test_given_back(_):
    """the interface is the image's while that runs, and afterwards the host's as it was"""
    with Link() as link:
        wait_for(lambda: link.answers(HOST), "an answer of the host's before")
        with link.image():
            wait_for(lambda: link.answers(ADDRESS), "an answer of the image's")
            check(not link.answers(HOST), "the host answers as well")
            shown = link.shown()
            check("prog/xdp" in shown and "allmulti 1" in shown, shown)
        wait_for(lambda: "prog/xdp" not in link.shown(), "the program gone")
        check("allmulti 0" in link.shown(), link.shown())
        check(link.answers(HOST), "the host answers again")
        check(not link.answers(ADDRESS), "the image answers still")


def test_killed(_):
    """the same, if it is killed"""
    with Link() as link:
        with contextlib.suppress(Exception), link.image() as process:
            wait_for(lambda: link.answers(ADDRESS), "an answer of the image's")
            process.kill()
        wait_for(lambda: "prog/xdp" not in link.shown(), "the program gone")
        check(link.answers(HOST), "the host answers again")


def test_again(_):
    """the next image has the interface at once"""
    with Link() as link:
        for _ in range(3):
            with link.image():
                wait_for(lambda: link.answers(ADDRESS), "an answer of the image's")


def test_other_queue(_):
    """what arrives on another queue than the image's is the host's"""
    with Link(queues=2) as link, link.image("xdp:eth0,queue=1") as process:
        wait_for(lambda: "net0 up" in process.text(), "the image up")
        check(link.answers(HOST), "the host answers")
        check(not link.answers(ADDRESS), "the image answers")


def test_beside_taps(_):
    """devices of both kinds serve one image beside each other"""
    with Link() as link:
        with link.host:
            ip("tuntap add dev outer0 mode tap", "address add 10.8.0.1/24 dev outer0",
               "link set outer0 up")
        process = Process(KILN, "run", build("devices", "jail"), "--net", "inner=xdp:eth0",
                          "--net", "outer=tap:outer0",
                          "--ip", f"inner={ADDRESS}/24,outer=10.8.0.2/24", netns=link.host)
        try:
            wait_for(lambda: link.answers(ADDRESS), "an answer by AF_XDP")
            with link.host:
                run("ping", "-c", 1, "-W", 5, "10.8.0.2")
            check_equal(process.stop(), 0, "status")
        finally:
            process.end()


def test_down_and_up(_):
    """an image goes on after its interface was down"""
    with Link() as link, link.image():
        wait_for(lambda: link.answers(ADDRESS), "an answer of the image's")
        with link.host:
            ip("link set eth0 down", "link set eth0 up")
        wait_for(lambda: link.answers(ADDRESS), "an answer again")


def test_removed(_):
    """an image whose interface is removed says so, and can be stopped"""
    with Link() as link, link.image(ip="dhcp") as process:
        wait_for(lambda: "prog/xdp" in link.shown(), "the program")
        with link.host:
            run("ip", "link", "delete", "eth0")
        wait_for(lambda: "a network device is gone" in process.text(), "it told", 60)
