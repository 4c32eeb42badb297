"""The guide is true: the code in it compiles, and every command in it does what it says.

The blocks of a page are taken in their order, in a folder of the page's own that looks as a
checkout does, with a network namespace of its own.

    ```c file=NAME       is written to that file; also in other languages
    ```sh                is run by bash, and must end with status 0
    ```sh status=2       must end with that status
    ```sh serve=8080     goes on in the background, once port 8080 of 127.0.0.1 (or
                         serve=ADDRESS:PORT) answers; stopped at the end of the page, or when
                         another is to have the port: it must end with status 0
    ```sh not-run="why"  is not tried
    ```output            is what the block before has printed: these lines among its lines, in
                         this order, "…" standing for any text
"""

import os
import re
import shutil
import signal
import socket
import sys
import tempfile

from harness import KILN, ROOT, STATE, Netns, Process, check, check_equal, need_root, run, wait_for

sys.path.insert(0, os.path.join(ROOT, "doc/site"))
import pages  # noqa: E402

LONG = True
SUDO = '#!/bin/sh\nexec "$@"\n'


class Try:
    """A page, tried."""

    def __init__(self, name):
        need_root()
        self.blocks = pages.blocks(pages.read(name))
        self.folder = tempfile.mkdtemp(prefix="kiln-guide-")
        self.net = Netns()
        self.printed = ""
        self.servers = {}  # by port

    def __enter__(self):
        # What `./kiln` does beyond this is to build Kiln, which has been done.
        os.symlink(KILN, os.path.join(self.folder, "kiln"))
        for name in "Makefile", "appliance", "build", "doc", "include", "target", "tool":
            os.symlink(os.path.join(ROOT, name), os.path.join(self.folder, name))
        self.write("bin/sudo", SUDO)
        os.chmod(os.path.join(self.folder, "bin/sudo"), 0o755)
        self.environment = dict(os.environ, HOME=os.path.join(self.folder, "home"),
                                PATH=f"{self.folder}/bin:{os.environ['PATH']}")
        return self

    def __exit__(self, *_):
        for server in self.servers.values():
            server.end()
        self.net.close()
        for name in os.listdir(self.folder):
            shutil.rmtree(os.path.join(STATE, name), ignore_errors=True)
        shutil.rmtree(self.folder)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def all(self):
        for block in self.blocks:
            if "file" in block.words:
                self.write(block.words["file"], block.code)
            elif block.language == "output":
                self.compare(block)
            elif block.language == "sh" and "serve" in block.words:
                self.serve(block)
            elif block.language == "sh" and "not-run" not in block.words:
                self.run(block)
            else:
                check("not-run" in block.words, f"this block is not tried:\n{block.code}")
        for port in list(self.servers):
            self.stop(port)

    def run(self, block):
        # `kiln run` in it is stopped by the end of bash, if the time is up.
        with self.net:
            done = run("timeout", "60", "bash", "-eo", "pipefail", "-c", block.code,
                       check_status=False, cwd=self.folder, env=self.environment)
        self.printed = done.stdout + done.stderr
        check_equal(done.returncode, int(block.words.get("status", 0)),
                    f"status of\n{block.code}{self.printed}")
        check("warning:" not in self.printed, f"a warning of\n{block.code}{self.printed}")

    def serve(self, block):
        address, _, port = block.words["serve"].rpartition(":")
        if port in self.servers:
            self.stop(port)
        script = f"cd {self.folder} && exec {block.code}"
        server = Process("bash", "-c", script, name="guide-server", netns=self.net)
        self.servers[port] = server

        def answers():
            server.check_alive()
            with self.net:
                try:
                    socket.create_connection((address or "127.0.0.1", int(port)), 1).close()
                    return True
                except OSError:
                    return False
        wait_for(answers, f"an answer after {block.code}", 30, 0.05)

    def stop(self, port):
        server = self.servers.pop(port)
        server.check_alive()
        check_equal(server.stop(signal.SIGINT), 0, f"status of\n{server.text()}")
        server.end()

    def compare(self, block):
        lines = iter(self.printed.splitlines())
        for wanted in block.code.splitlines():
            pattern = ".*".join(re.escape(part) for part in wanted.split("…"))
            check(any(re.fullmatch(r"\s*" + pattern.strip() + r"\s*", line) for line in lines),
                  f"no line '{wanted}' (behind those before it) in\n{self.printed}")


def add_tests():
    """A test for each page."""
    for _, names in pages.CHAPTERS:
        for name in filter(pages.exists, names):
            def test(_, name=name):
                with Try(name) as page:
                    page.all()
            test.__doc__ = f"the guide's page '{name}' does what it says"
            globals()[f"test_{name}"] = test


add_tests()


def test_reference(_):
    """every function, macro, struct and enumerator of the public headers is in the reference"""
    site = os.path.join(ROOT, "build/site")
    run("make", "-s", "-C", ROOT, "site", timeout=300)
    missing = []
    for top, _, names in os.walk(os.path.join(ROOT, "include")):
        for name in names:
            header = os.path.join(top, name)
            page = os.path.relpath(header, os.path.join(ROOT, "include/kiln"))[:-2]
            with open(os.path.join(site, "reference", page.replace("/", "-") + ".html"),
                      encoding="utf-8") as file:
                there = set(re.findall(r' id="([\w-]+)"', file.read()))
            missing += [f"{page}: {name}" for name in declared(header) - there]
    check_equal(sorted(missing), [], "names that are not in the reference")


def declared(header):
    """What the preprocessor and the compiler see of a header: its macros, and, by ctags' older
    way of a pattern a kind, its functions, structs and enumerators."""
    with open(header, encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    names = set(re.findall(r"^#\s*define (\w+)", text, re.M)) - \
        set(re.findall(r"^#ifndef (\w+)", text, re.M))
    plain = re.sub(r"^#.*(\\\n.*)*", "", text, flags=re.M)
    names |= {f"struct-{name}" for name in re.findall(r"^struct (\w+) \{", plain, re.M)}
    for body in re.findall(r"^enum[^{;]*\{(.*?)\}", plain, re.M | re.S):
        names |= set(re.findall(r"(?:^|,)\s*(\w+)", body))
    names |= set(re.findall(r"^(?!static const|\s)[\w*\s]+?\b(\w+)\([^;{]*\)\s*[;{_]", plain,
                            re.M)) - {"_Static_assert", "__attribute__"}
    return names
