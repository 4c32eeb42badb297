"""The time from exec to the first byte of a page, for the demo and the benchmarks.

It begins before the server is started (vfork and exec are in it), and ends when a client
that was started before, and waits for a way to the server, has the first byte of the page.
"""

import contextlib
import os
import socket
import time

from lab import ADDRESS, Failed, die_with_parent

RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE = 0x1, 0x10, 0x40


def page_request(path):
    return f"GET {path} HTTP/1.1\r\nHost: kiln\r\n\r\n".encode()


def first_byte(ready, path="/"):
    """Connects as soon as there is a route; when the first byte of the page is there, in ns."""
    def ask():
        with socket.socket() as s:
            s.settimeout(5)
            s.connect((ADDRESS, 80))
            s.sendall(page_request(path))
            return s.recv(1)
    return when_there(ready, ask)


def when_there(ready, ask, seconds=20):
    """Asks as soon as there is a route, until that is true; when it was, in ns.

    It sleeps until the kernel tells of a new link or address, and then tries until the server
    answers: a client that tried all the time would keep the processor busy that a monitor's own
    calls (to register an interface, above all) wait for.
    """
    deadline = time.monotonic() + seconds
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as news:
        news.bind((0, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE))
        news.settimeout(1)
        ready()
        while time.monotonic() < deadline:
            try:
                if ask():
                    return time.monotonic_ns()
            except (ConnectionError, TimeoutError):
                pass  # there, but not yet listening
            except OSError:
                with contextlib.suppress(TimeoutError):
                    news.recv(65536)
    return 0


def fork(work):
    """Runs work(ready) in a process of its own, and returns once that has called ready(); what
    is returned is a function that waits for work's result, a number."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            die_with_parent()
            os.close(read_end)
            result = work(lambda: os.write(write_end, b"+"))
            os.write(write_end, str(result).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(write_end)
    os.read(read_end, 1)

    def result():
        with os.fdopen(read_end) as file:
            text = file.read()
        os.waitpid(pid, 0)
        if not text:
            raise Failed("the measuring client ended without a result")
        return int(text)
    return result
