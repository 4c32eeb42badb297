"""The network driver of a guest on QEMU, whose device has more or fewer features: what is sent
arrives, whatever the two agree on, and each feature does what it is for.

QEMU is run by a program of that name, which adds to its options: features of the device, and a
file in which it notes each notice of the driver's and each interrupt of its own.
"""

import contextlib
import json
import os
import random
import re
import zlib

import worlds
from harness import TAP, WORK, Netns, check, check_equal, run
from worlds import pattern

QEMU = [world for world in worlds.WORLDS if world.name == "qemu"][0]
BIN = os.path.join(WORK, "bin")
TRACE = os.path.join(WORK, "qemu-trace")
NO_LARGE = ("guest_tso4=off", "guest_tso6=off")
# What a device may lack, and what the driver then has to do without.
LACKING = {
    "nothing": (),
    "event indices": ("event_idx=off",),
    "merged buffers": ("mrg_rxbuf=off",),
    "merged buffers and event indices": ("mrg_rxbuf=off", "event_idx=off"),
    "indirect descriptors": ("indirect_desc=off",),
    "large frames to receive": NO_LARGE,
    "segmentation": ("host_tso4=off", "host_tso6=off"),
    "checksums to receive": ("guest_csum=off",),
    "checksums to send": ("csum=off",),
    "all of it": ("mrg_rxbuf=off", "event_idx=off", "indirect_desc=off", "guest_csum=off",
                  "csum=off", "gso=off", *NO_LARGE),
}


@contextlib.contextmanager
def qemu_with(features):
    """Within, QEMU's network devices are so."""
    os.makedirs(BIN, exist_ok=True)
    path = os.path.join(BIN, "qemu-system-x86_64")
    more = " ".join([f"-global virtio-net-device.{feature}" for feature in features] +
                    ["-trace virtio_queue_notify -trace virtio_notify", f"-D {TRACE}"])
    before = os.environ["PATH"]
    with open(path, "w") as file:
        file.write(f'#!/bin/sh\nPATH={before} exec qemu-system-x86_64 "$@" {more}\n')
    os.chmod(path, 0o755)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(TRACE)
    os.environ["PATH"] = f"{BIN}:{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


class Guest:
    """test/image/transfer on such a device, and what has been counted since it was up."""

    def __init__(self, features, **options):
        with qemu_with(features):
            self.instance = QEMU.start(QEMU.build("transfer"), **options)
        self.instance.wait_up()
        self.before = self.counts()

    def counts(self):
        with self.instance.net:
            stats = json.loads(run("ip", "-s", "-j", "link", "show", TAP).stdout)[0]["stats64"]
        with open(TRACE) as lines:
            trace = lines.read()
        return {"received": stats["tx"]["packets"], "sent": stats["rx"]["packets"],
                "receive notices": len(re.findall(r"^virtio_queue_notify .* n 0 ", trace, re.M)),
                "send notices": len(re.findall(r"^virtio_queue_notify .* n 1 ", trace, re.M)),
                "interrupts": len(re.findall(r"^virtio_notify ", trace, re.M))}

    def counted(self):
        return {key: count - self.before[key] for key, count in self.counts().items()}

    def upload(self, length):
        data = random.Random(length).randbytes(length)
        url = self.instance.url + "/"
        text = self.instance.curl("-T", "-", url, input=data, text=False).stdout.decode()
        check_equal(text.strip(), f"{length} {zlib.crc32(data):08x}", "what arrived")

    def download(self, length):
        check(self.instance.fetch(f"/{length}") == pattern(length), "a download differs")

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        self.instance.__exit__(kind, *rest)


def add_test(what, features):
    def function(_):
        with Guest(features) as guest:
            guest.upload(400_003)
            guest.download(800_001)
    function.__doc__ = f"a device that lacks {what}: uploads and downloads arrive intact"
    globals()[f"test_lacking {what}"] = function


for lacking in LACKING.items():
    add_test(*lacking)


def test_jumbo(_):
    """packets of an MTU of 9,000 arrive, with merged buffers and without"""
    QEMU.need()
    for features in (), ("mrg_rxbuf=off",), ("mrg_rxbuf=off", "guest_csum=off"):
        net = Netns()
        with net:
            run("ip", "tuntap", "add", "dev", TAP, "mode", "tap", "vnet_hdr")
            worlds.ip(worlds.adding(f"{worlds.CLIENT}/24", TAP), f"link set {TAP} mtu 9000 up")
        with Guest(features, net=net) as guest:
            with net:
                out = run("ping", "-c", 3, "-i", "0.02", "-W", 5, "-M", "do", "-s", 8972,
                          worlds.ADDRESS).stdout
            check(" 0% packet loss" in out, f"{features}: {out}")
            guest.upload(400_003)
            guest.download(400_003)


def test_large(_):
    """merged buffers take in bulk what else is forty frames as one, in the memory that there is"""
    with Guest(()) as guest:
        guest.upload(1_000_000)
        merged = guest.counted()
    with Guest(("mrg_rxbuf=off",)) as guest:
        guest.upload(1_000_000)
        alone = guest.counted()
    check(merged["received"] * 10 < alone["received"], f"{merged}, without {alone}")


def test_interrupts(_):
    """1,000 frames in bulk take few interrupts, with event indices, and few notices of buffers"""
    for features in (), ("event_idx=off",):
        with Guest((*features, *NO_LARGE)) as guest:
            guest.upload(1_500_000)
            counted = guest.counted()
        check(counted["received"] > 1000, f"frames: {counted}")
        # A device that has to wait for the processor finds the queue empty now and then.
        check(counted["receive notices"] < counted["received"] / 100, f"notices: {counted}")
        check(counted["send notices"] <= counted["sent"], f"notices: {counted}")
        if not features:
            check(counted["interrupts"] < counted["received"] / 4, f"interrupts: {counted}")
