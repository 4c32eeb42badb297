#!/usr/bin/python3
"""kiln demo: builds appliance/web with the guide as its site, jailed and as a guest; boots each;
fetches every page through the image's own stack and compares it with the folder; measures;
and prints one table. Needs root, for the network interfaces.

The time to the first byte (first_byte.py) is the median of several starts.

kiln demo --serve: serves that site from a jailed image until Ctrl-C, on a port of this machine
that a browser can open. Needs no root.
"""

import contextlib
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from first_byte import first_byte, fork, page_request  # noqa: E402
from lab import (ADDRESS, CLIENT, KILN, LOGS, ROOT, TAP, TIED, Failed, Netns, Process,  # noqa: E402
                 is_root, kvm_serves, make_site, progress, progress_end, run,
                 wait_for)

SITE = os.path.join(ROOT, "build/site")
IMAGES = os.path.join(ROOT, "build/demo")
MEMORY = "8M"


class Way:
    """One way to run an image."""

    def __init__(self, name, target, starts, program, *options):
        self.name = name
        self.target = target
        self.starts = starts  # for the median of the time to the first byte
        self.program = os.path.join(ROOT, "build/bin", program)
        self.options = options

    def command(self, image):
        settings = ["ip=" + ADDRESS + "/24", "gateway=" + CLIENT]
        if self.program == KILN:
            settings = ["--" + setting for setting in settings]
        return [self.program, *self.options, "--net", f"tap:{TAP}", "-m", MEMORY, image,
                *settings]


def ways():
    yield Way("jail", "jail", 9, "kiln-jail")
    if kvm_serves():
        yield Way("vm on KVM", "vm", 9, "kiln-kvm")
    else:
        say("/dev/kvm does not open here: without Kiln's own monitor")
    yield Way("vm on QEMU", "vm", 3, "kiln", "run", "--monitor", "qemu")


def say(text):
    progress_end()
    print(f"kiln: {text}", file=sys.stderr, flush=True)


def note(text):
    """Says what is going on: on a terminal, until there is something else to say."""
    if sys.stderr.isatty():
        progress(f"kiln: {text}")
    else:
        say(text)


def builder():
    """For what is built under sudo: as whoever built Kiln, whose later builds would find root's
    files otherwise."""
    owner = os.stat(KILN)
    if not is_root() or owner.st_uid == 0:
        return {}
    for made in IMAGES, LOGS, os.path.dirname(LOGS):
        os.makedirs(made, exist_ok=True)
        os.chown(made, owner.st_uid, owner.st_gid)
    return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}


def build(target, ids):
    os.makedirs(IMAGES, exist_ok=True)
    image = os.path.join(IMAGES, f"web.{target}")
    run(KILN, "build", os.path.join(ROOT, "appliance/web"), "-t", target, "-o", image,
        "--site", SITE, timeout=600, **ids)
    return image


def build_images(*targets):
    ids = builder()
    note("building the guide")
    make_site(**ids)
    images = {}
    for target in targets:
        note(f"building appliance/web with the guide as its site, for {target}")
        images[target] = build(target, ids)
    return images


def pages():
    """(path in the URL, bytes) of every file of the site, and of its front page."""
    found = []
    for folder, _, names in os.walk(SITE):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                found.append(("/" + os.path.relpath(path, SITE), file.read()))
    found.sort()
    return [("/", dict(found)["/index.html"])] + found


def time_start(way, image, netns):
    """Starts the image; milliseconds from exec to the first byte, and its process."""
    with netns:
        client = fork(first_byte)
        server = Process(*way.command(image), name="demo-" + way.name.replace(" ", "-"),
                         dies=True)
    end = client()
    if not end:
        raise Failed(f"{way.name}: no answer within 20 s\n{server.text()}")
    return (end - server.started_ns) / 1e6, server


def stop(server, netns):
    status = server.stop()
    if status != 0:
        raise Failed(f"{server.name}: status {status} after Ctrl-C\n{server.text()}")
    server.kill()
    wait_for(lambda: TAP not in netns.interfaces(), "the interface gone")


def compare(netns):
    """Every page, by curl, byte for byte; how many bytes that were."""
    total = 0
    with netns:
        got = run("curl", "-sS", "--fail", "--max-time", "30",
                  *(f"http://{ADDRESS}{path}" for path, _ in pages()), text=False).stdout
    for path, content in pages():
        if got[total:total + len(content)] != content:
            raise Failed(f"{path} differs from its file")
        total += len(content)
    if total != len(got):
        raise Failed("more came than the pages")
    return total


def resident(pid):
    """KiB of memory in use: of the monitor with the image in it, and of its children."""
    with open(f"/proc/{pid}/status") as status:
        kilobytes = int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return kilobytes + sum(resident(int(child)) for child in children.read().split())


def load(netns):
    with netns:
        out = run("wrk", "-t", 1, "-c", 16, "-d", "2s", f"http://{ADDRESS}:80/").stdout
    if "Socket errors" in out or "Non-2xx" in out:
        raise Failed(f"wrk saw errors:\n{out}")
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


def measure(way, image):
    note(f"{way.name}: starting, fetching, measuring")
    netns = Netns()
    times = []
    try:
        for n in range(way.starts):
            milliseconds, server = time_start(way, image, netns)
            times.append(milliseconds)
            if n < way.starts - 1:
                stop(server, netns)
        fetched = compare(netns)
        requests = load(netns)
        used = resident(server.pid)
        stop(server, netns)
    finally:
        netns.close()
    return {"way": way.name, "image_bytes": os.path.getsize(image),
            "first_byte_ms": round(statistics.median(times), 2),
            "memory_given": MEMORY, "memory_used_kib": used,
            "requests_per_second": round(requests), "bytes_compared": fetched}


def table(rows):
    titles = ["", "image bytes", "exec to first byte", "memory given", "memory used",
              "requests/s"]
    lines = [[r["way"], f"{r['image_bytes']:,}", f"{r['first_byte_ms']:.2f} ms",
              r["memory_given"], f"{r['memory_used_kib']:,} KiB",
              f"{r['requests_per_second']:,}"] for r in rows]
    widths = [max(len(line[i]) for line in [titles] + lines) for i in range(len(titles))]
    for line in [titles] + lines:
        print("  ".join(text.ljust(width) if i == 0 else text.rjust(width)
                        for i, (text, width) in enumerate(zip(line, widths))))


def demo(as_json):
    images = build_images("jail", "vm")
    rows = [measure(way, images[way.target]) for way in ways()]
    progress_end()
    if as_json:
        json.dump(rows, sys.stdout, indent=1)
        print()
        return
    print(f"{len(pages())} pages, {rows[0]['bytes_compared']:,} bytes, fetched from each and "
          f"equal to build/site\n")
    table(rows)
    print("\nmemory used: resident, the monitor's own included; requests/s: wrk, 16 connections,\n"
          "2 s, the front page, client and image sharing this machine")


def free_port():
    """8080 or one of the next, whichever is free."""
    for port in range(8080, 8180):
        with contextlib.suppress(OSError), socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", port))
            return port
    raise Failed("none of the ports from 8080 to 8179 of this machine is free")


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as s:
            s.sendall(page_request("/"))
            return s.recv(1) != b""
    except OSError:
        return False


def serve():
    image = build_images("jail")["jail"]
    progress_end()
    port = free_port()
    # In a process group of its own, so that Ctrl-C stops it once, through us.
    server = subprocess.Popen([*TIED, KILN, "run", image, "-p", f"127.0.0.1:{port}:80",
                               "--log", "warn"], stdin=subprocess.DEVNULL, process_group=0)
    try:
        wait_for(lambda: server.poll() is not None or answers(port), "an answer of the image", 20)
        if server.poll() is None:
            print(f"http://127.0.0.1:{port}/  (Ctrl-C stops it)", flush=True)
        return server.wait()
    except KeyboardInterrupt:
        server.send_signal(signal.SIGINT)
        return server.wait(10)
    except SystemExit:
        server.terminate()
        server.wait(10)
        raise


def main(arguments):
    if arguments not in ([], ["--json"], ["--serve"]):
        print("kiln: kiln demo takes no arguments but --json or --serve", file=sys.stderr)
        return 2
    if arguments == ["--serve"]:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            return serve()
        except (Failed, OSError, subprocess.SubprocessError) as error:
            say(str(error))
            return 1
    if not is_root():
        print("kiln: the demo makes network interfaces: run it as root", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    try:
        demo(bool(arguments))
    except KeyboardInterrupt:
        say("interrupted: everything is stopped")
        return 130
    except (Failed, OSError, subprocess.SubprocessError) as error:
        say(str(error))
        return 1
    finally:
        Process.kill_all()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
