"""The site of the guide, served by appliance/web to real clients."""

import gzip
import http.client
import os
import random
import socket
import struct

from harness import Failed, check, check_equal, run, wait_for
import worlds
from worlds import ADDRESS, LARGE, connect, site

WORLDS = worlds.WORLDS + [worlds.XDP]
MIB = 1 << 20


def site_files():
    """(path in the URL, path of the file) of every page."""
    found = []
    for folder, _, names in os.walk(site()):
        for name in names:
            path = os.path.join(folder, name)
            found.append(("/" + os.path.relpath(path, site()), path))
    return sorted(found)


def content(path):
    with open(path, "rb") as file:
        return file.read()


def start(world, *settings, **options):
    return world.start(world.build("web", "--site", site()), *settings, **options).wait_up()


def request(connection, method, path, **headers):
    connection.request(method, path, headers={k.replace("_", "-"): v for k, v in
                                              headers.items()})
    response = connection.getresponse()
    return response, response.read()


def check_pages(web, *arguments):
    """Every page, by one curl, which writes them one behind the other."""
    pages = site_files()
    got = web.curl("--fail", *arguments, *(web.url + path for path, _ in pages),
                   text=False).stdout
    at = 0
    for path, file in pages:
        page = content(file)
        check(got[at:at + len(page)] == page, f"{path} differs from its file")
        at += len(page)
    check_equal(len(got), at, "bytes of all pages")


def test_pages(world):
    """every page arrives byte for byte, each by a connection of its own"""
    with start(world) as web:
        check_pages(web, "-H", "Connection: close")
        check(web.fetch("/") == content(os.path.join(site(), "index.html")), "/ is index.html")


def fetch_coded(web, path, *arguments):
    """Content-Encoding and body, as it is on the wire unless curl is told to decode it."""
    text = web.fetch(path, "-D", "-", *arguments)
    head, _, body = text.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.splitlines()[1:])
    return fields.get(b"content-encoding", b"").decode(), fields, body


def test_compressed(world):
    """curl --compressed gets the page, and br and gzip are the page's bytes when decoded"""
    decoders = {"br": lambda body: run("brotli", "-dc", input=body, text=False).stdout,
                "gzip": gzip.decompress, "": bytes}
    with start(world) as web:
        for path in "/index.html", "/reference/http.html", "/style.css", LARGE:
            page = content(site() + path)
            forms = 1 if path == LARGE else 3
            tags = set()
            check(web.fetch(path, "--compressed") == page, f"{path} by curl --compressed")
            for accept, want in [("br", "br"), ("gzip", "gzip"), ("br;q=0.1, gzip;q=0.2", "gzip"),
                                 ("identity", ""), ("gzip;q=0, br;q=0", "")]:
                coding, fields, body = fetch_coded(web, path, "-H", f"Accept-Encoding: {accept}")
                if forms > 1:
                    check_equal(coding, want, f"{path} for {accept}")
                    check_equal(fields[b"vary"], b"accept-encoding", f"Vary of {path}")
                    check(not want or len(body) < len(page), f"{path} is no smaller in {want}")
                check(decoders[coding](body) == page, f"{path} decoded from {coding}")
                tags.add((coding, fields[b"etag"]))
            check_equal(len({tag for _, tag in tags}), len(tags), f"entity tags of {path}")
            check_equal(len(tags), forms, f"forms of {path}")


def test_keep_alive(world):
    """one connection serves many requests, also pipelined"""
    with start(world) as web:
        pages = site_files()
        with web.net, connect() as s:
            s.sendall(b"".join(f"GET {path} HTTP/1.1\r\nHost: kiln\r\n\r\n".encode()
                               for path, _ in pages))
            stream = s.makefile("rb")
            for path, file in pages:
                response = read_response(stream)
                check_equal(response[0], 200, f"status of {path}")
                check(response[1] == content(file), f"{path} differs")


def read_response(stream):
    """Status and body of one response, by its Content-Length."""
    line = stream.readline()
    if not line:
        raise Failed("connection closed instead of a response")
    length = 0
    while (field := stream.readline().strip()):
        name, _, value = field.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return int(line.split()[1]), stream.read(length)


def test_head(world):
    """HEAD has the headers of GET and no body"""
    with start(world) as web, web.net:
        connection = http.client.HTTPConnection(ADDRESS, timeout=20)
        got, body = request(connection, "GET", "/")
        head, nothing = request(connection, "HEAD", "/")
        check_equal(head.status, 200, "status")
        check_equal(nothing, b"", "body of HEAD")
        check_equal(head.headers["Content-Length"], str(len(body)), "Content-Length")
        check_equal(head.headers["ETag"], got.headers["ETag"], "ETag")


def test_conditional(world):
    """a page that has not changed is answered 304"""
    with start(world) as web, web.net:
        connection = http.client.HTTPConnection(ADDRESS, timeout=20)
        got, _ = request(connection, "GET", "/")
        check(got.headers["ETag"], "its tag is there")
        check(not got.headers["Last-Modified"], "a time that nobody gave")
        for field, value, status in [("If_None_Match", got.headers["ETag"], 304),
                                     ("If_None_Match", '"other"', 200),
                                     ("If_Modified_Since", got.headers["Date"], 200)]:
            response, body = request(connection, "GET", "/", **{field: value})
            check_equal(response.status, status, f"{field}: {value}")
            check_equal(bool(body), status == 200, f"body with {status}")


def test_ranges(world):
    """byte ranges are the file's bytes"""
    path, file = LARGE, os.path.join(site(), LARGE[1:])
    whole = content(file)
    cases = [("0-0", whole[:1]), ("100-299", whole[100:300]), ("-50", whole[-50:]),
             (f"{len(whole) - 7}-", whole[-7:])]
    with start(world) as web, web.net:
        connection = http.client.HTTPConnection(ADDRESS, timeout=20)
        for text, expected in cases:
            response, body = request(connection, "GET", path, Range=f"bytes={text}")
            check_equal(response.status, 206, f"status of bytes={text}")
            check(body == expected, f"bytes={text} differ")
        response, _ = request(connection, "GET", path, Range=f"bytes={len(whole)}-")
        check_equal(response.status, 416, "status of a range behind the end")


def test_refusals(world):
    """what is wrong is answered as RFC 9110 says, and the server goes on"""
    cases = [(b"GET /nothing-here HTTP/1.1\r\nHost: k\r\n\r\n", 404),
             (b"POST / HTTP/1.1\r\nHost: k\r\nContent-Length: 1\r\n\r\nx", 405),
             (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: k\r\n\r\n", 414),
             (b"GET / HTTP/1.1\r\nHost: k\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
             (b"GET / HTTP/1.1\r\n\r\n", 400),
             (b"GET / HTTP/1.1\r\nHost: k\r\nContent-Length: 1\r\n"
              b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
             (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
             (b"GET /../../etc/passwd HTTP/1.1\r\nHost: k\r\n\r\n", 400)]
    with start(world) as web, web.net:
        for text, status in cases:
            with connect() as s:
                s.sendall(text)
                check_equal(read_response(s.makefile("rb"))[0], status,
                            f"status of {text[:40]!r}")
        check(web.answers(), "the server still answers")


def test_garbage(world):
    """random bytes on many connections harm nobody"""
    generator = random.Random(7)
    with start(world) as web:
        with web.net:
            for _ in range(50 if world.slow else 200):
                with connect() as s:
                    try:
                        s.sendall(generator.randbytes(generator.randrange(1, 3000)))
                        s.shutdown(socket.SHUT_WR)
                        while s.recv(4096):
                            pass
                    except ConnectionError:
                        pass  # reset is a fair answer
        check(web.fetch("/") == content(os.path.join(site(), "index.html")), "/ still arrives")


def test_resets(world):
    """clients that reset in the middle harm nobody"""
    path = LARGE
    with start(world) as web:
        with web.net:
            for n in range(100):
                s = connect()
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.sendall(f"GET {path} HTTP/1.1\r\nHost: k\r\n\r\n".encode()[:20 + n])
                if n % 2:
                    s.settimeout(0.02)
                    try:
                        s.recv(100)
                    except TimeoutError:
                        pass
                s.close()
        check(web.fetch("/") == content(os.path.join(site(), "index.html")), "/ still arrives")


def test_stall(world):
    """a client that stalls in its request is told 408 and let go; others do not wait"""
    with start(world) as web, web.net:
        with connect(timeout=25) as stalled:
            stalled.sendall(b"GET / HTTP/1.1\r\nHost: k\r\n")
            for _ in range(3):
                check(web.fetch("/"), "another client is served")
            check_equal(read_response(stalled.makefile("rb"))[0], 408, "status")


def test_thousand(world):
    """1,000 connections at once are all served"""
    page = content(os.path.join(site(), "index.html"))
    with start(world, memory="32M") as web, web.net:
        clients = []
        try:
            for _ in range(1000):
                clients.append(connect(timeout=60))
            for s in clients:
                s.sendall(b"GET / HTTP/1.1\r\nHost: k\r\n\r\n")
            for n, s in enumerate(clients):
                status, body = read_response(s.makefile("rb"))
                check_equal(status, 200, f"status on connection {n}")
                check(body == page, f"page on connection {n} differs")
        finally:
            for s in clients:
                s.close()


def test_load(world):
    """a short run of wrk has no errors"""
    with start(world) as web, web.net:
        out = run("wrk", "-t", 1, "-c", 16, "-d", "1s", f"{web.url}:80/").stdout
        check("Socket errors" not in out and "Non-2xx" not in out, out)
        requests = next(line for line in out.splitlines() if "requests in" in line)
        check(int(requests.split()[0]) > 0, out)


def test_small_memory(world):
    """the site is served with 3 MB of memory beside its image"""
    image = os.path.getsize(world.build("web", "--site", site()))
    with start(world, memory=f"{3 + -(-image // MIB)}M") as web:
        check_pages(web)


def test_clean_stop(world):
    """Ctrl-C stops it with status 0, and its network interface is gone"""
    with start(world) as web:
        check(web.fetch("/"), "it serves")
        web.process.check_alive()
        check_equal(web.process.stop(), 0, "exit status after Ctrl-C")
        wait_for(lambda: "kiln0" not in web.net.interfaces(), "the interface gone")


# An interface that AF_XDP serves was there before: test/jail/xdp.py.
test_clean_stop.worlds = [world.name for world in worlds.WORLDS]
