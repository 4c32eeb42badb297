"""What stands under an image in a virtual machine holds it in ring 3: on QEMU its own boot
stub, on KVM Kiln's monitor. And what the stub does for it."""

import os

import harness
from harness import (KILN, WORK, Process, Skip, check, check_equal, run, wait_for)
from worlds import build

MEMORY = """write-text write-constant write-relocated write-boot write-null run-data run-stack
run-memory write-before-memory read-behind-memory read-stub-text read-stub-data run-stub-boot
read-physical jump-nowhere overflow-stack""".split()
PRIVILEGED = """hlt cli sti out in read-cr3 write-cr0 rdmsr wrmsr lidt int3 int80""".split()
GATE = "gate-unknown gate-stub gate-null gate-kernel gate-wrap gate-end".split()


def start(monitor, *settings, image="ring3"):
    if monitor == "kvm" and not harness.kvm_serves():
        raise Skip("no /dev/kvm")
    return run(KILN, "run", build(image, "vm"), "--monitor", monitor, *settings,
               check_status=False, timeout=30)


def attack(monitor, name):
    done = start(monitor, "--attack", name)
    return done.returncode, done.stdout + done.stderr


def held(monitor, names):
    """Each attack ends the image, and nothing behind it runs."""
    for name in names:
        status, output = attack(monitor, name)
        check(status != 0, f"{name}: status 0\n{output}")
        check("survived" not in output, f"{name}\n{output}")
        check("fault" in output, f"{name} is not reported\n{output}")


def test_none(_):
    """an image that attacks nothing is left alone, on KVM and QEMU"""
    for monitor in ("qemu", "kvm"):
        status, output = attack(monitor, "none")
        check_equal(status, 0, output)
        check("survived" in output, output)


def test_memory_qemu(_):
    """QEMU: text and constants are not written, data is not run, guards and stub are out of reach"""
    held("qemu", MEMORY)


def test_memory_kvm(_):
    """KVM: text and constants are not written, data is not run, guards and stub are out of reach"""
    held("kvm", MEMORY)


def test_privileged_qemu(_):
    """QEMU: an instruction of ring 0 ends the image, and so does port access"""
    held("qemu", PRIVILEGED)


def test_privileged_kvm(_):
    """KVM: an instruction of ring 0 ends the image, and so does port access"""
    held("kvm", PRIVILEGED)


def test_gate(_):
    """QEMU: the stub refuses unknown calls, and text that is not all the image's own"""
    for name in GATE:
        status, output = attack("qemu", name)
        check_equal((name, status), (name, 0), output)
        check("refused" in output and "taken" not in output, output)


def test_overrun(_):
    """a local array that is overrun ends the image with a sentence"""
    status, output = attack("qemu", "overrun-local")
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
