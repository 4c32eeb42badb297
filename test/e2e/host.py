"""The host target under the checkers that it is there for."""

import os
import signal

from harness import Netns, Process, check, check_equal, need_root, run, wait_for
from worlds import ADDRESS, LARGE, Instance, WORLDS as ALL, build, connect, join, site


def serve(*command):
    need_root()
    net, other = Netns(), Netns()
    join(net, other)
    process = Process(*command, name=os.path.basename(command[0]), netns=other)
    return Instance(ALL[0], process, net, other, [other])


def use_web(web):
    with web:
        web.wait_up(80, 60)
        for _ in range(5):
            check(web.fetch("/"), "the front page")
            web.fetch(LARGE)
        with web.net:
            connect().close()
            check_equal(web.curl("-o", "/dev/null", "-w", "%{http_code}",
                                 f"http://{ADDRESS}/nothing").stdout, "404", "status")
        check_equal(web.process.stop(signal.SIGINT, 60), 0, "exit status")


def use_echo(echo):
    with echo:
        echo.wait_up(7, 60)
        with echo.net, connect(7, 60) as s:
            for size in (1, 1000, 100000):
                s.sendall(b"x" * size)
                got = 0
                while got < size:
                    got += len(s.recv(65536))
        check_equal(echo.process.stop(signal.SIGINT, 60), 0, "exit status")


def test_families(_):
    """web answers by IPv4 and IPv6 alike, or by the one that --bind says"""
    need_root()
    image = build("web", "host", "--site", site())
    for bind, served in (((), ("127.0.0.1", "[::1]")),
                         (("--bind", "::1"), ("[::1]",)),
                         (("--bind", "127.0.0.1"), ("127.0.0.1",))):
        net = Netns()
        process = Process(image, "--port", "8080", *bind, name="web", netns=net)

        def fetches(host):
            return run("curl", "-sS", "--fail", "-o", os.devnull, f"http://{host}:8080/",
                       check_status=False).returncode == 0
        with net:
            wait_for(lambda: fetches(served[0]), f"{served[0]} served", 60)
            for host in ("127.0.0.1", "[::1]"):
                check_equal(fetches(host), host in served, f"{host} with {bind}")
        check_equal(process.stop(signal.SIGINT, 60), 0, "exit status")
        net.close()


VALGRIND = ("valgrind", "-q", "--error-exitcode=9", "--leak-check=full")


def test_valgrind_web(_):
    """web runs under valgrind without an error"""
    use_web(serve(*VALGRIND, build("web", "host", "--site", site())))


def test_valgrind_echo(_):
    """echo, with its tasks, runs under valgrind without an error"""
    use_echo(serve(*VALGRIND, build("echo", "host")))


def test_sanitized_web(_):
    """web runs under AddressSanitizer and UBSan"""
    use_web(serve(build("web", "host", "--sanitize", "--site", site())))


def test_sanitized_echo(_):
    """echo, with its tasks, runs under AddressSanitizer and UBSan"""
    use_echo(serve(build("echo", "host", "--sanitize")))
