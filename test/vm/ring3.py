"""What an image gets in a virtual machine: from its own boot stub on QEMU, from Kiln's monitor on
KVM. What it does not get is the subject of attacks.py."""

import os

import harness
from harness import (KILN, WORK, Process, Skip, check, check_equal, run, wait_for)
from worlds import build

def start(monitor, *settings, image="ring3"):
    if monitor == "kvm" and not harness.kvm_serves():
        raise Skip("no /dev/kvm")
    return run(KILN, "run", build(image, "vm"), "--monitor", monitor, *settings,
               check_status=False, timeout=30)


def attack(monitor, name):
    done = start(monitor, "--attack", name)
    return done.returncode, done.stdout + done.stderr


def test_overrun(_):
    """a local array that is overrun ends the image with a sentence"""
    status, output = attack("qemu", "overrun")
    check_equal(status, 1, output)
    check("stack smashed" in output, output)


def test_random(_):
    """every start under QEMU has another address"""
    seen = {attack("qemu", "where")[1].splitlines()[0] for _ in range(3)}
    check_equal(len(seen), 3, f"addresses {seen}")


def test_stop(_):
    """Ctrl-C ends an image on QEMU with status 0"""
    process = Process(KILN, "run", build("ring3", "vm"), "--monitor", "qemu", "--attack", "wait",
                      "--log", "debug")
    wait_for(lambda: qemu_of(process), "QEMU running")
    check_equal(process.stop(), 0, process.text())


def qemu_of(process):
    """True once the child has executed QEMU: before that the signal would end nothing."""
    child = process.child()
    return child and "qemu" in open(f"/proc/{child}/comm").read()


def test_memory_sizes(_):
    """QEMU: an image starts in 4M and in 256M, and says so where memory is too little"""
    for size in ("4M", "256M"):
        done = start("qemu", "-m", size)
        check_equal(done.returncode, 0, done.stdout + done.stderr)
    done = start("qemu", "-m", "2M")
    check(done.returncode != 0, "2M")
    check("memory" in done.stdout + done.stderr, done.stdout + done.stderr)


def block_passes(monitor):
    disk = os.path.join(WORK, f"block-{monitor}.disk")
    with open(disk, "wb") as file:
        file.truncate(1 << 20)
    try:
        for which in ("first", "second"):
            done = start(monitor, "--disk", f"disk0={disk}", "--pass", which, image="block")
            lines = done.stdout.splitlines()
            check_equal(done.returncode, 0, done.stdout + done.stderr)
            check(lines[-1:] == [f"1..{len(lines) - 1}"] and len(lines) > 2, done.stdout)
            check(all(line.startswith("ok ") for line in lines[:-1]), done.stdout)
    finally:
        os.unlink(disk)


def test_block_qemu(_):
    """QEMU: a disk takes, bounds and keeps what is written"""
    block_passes("qemu")


def test_block_kvm(_):
    """KVM: a disk takes, bounds and keeps what is written"""
    block_passes("kvm")
