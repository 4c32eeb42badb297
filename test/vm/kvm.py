"""What Kiln's KVM monitor is itself allowed on the host, and that it ends."""

import fcntl
import os
import signal
import subprocess

import harness
from harness import KILN, ROOT, Process, Skip, check, check_equal, need_root, run, wait_for
from worlds import build

def need_kvm():
    if not harness.kvm_serves():
        raise Skip("no /dev/kvm")


def test_no_kvm(_):
    """without /dev/kvm, or without the right to it, the monitor says what to do"""
    need_root()
    image = build("ring3", "vm")
    nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    for prepare, sentence in (("exec", "kiln run --monitor qemu"),
                              ("install -m 600 /proc/version /dev/kvm; exec " + nobody,
                               "join its group")):
        done = run("unshare", "-m", "sh", "-c", f'mount -t tmpfs none /dev; {prepare} "$@"', "sh",
                   os.path.join(ROOT, "build/bin/kiln-kvm"), image, check_status=False)
        check_equal(done.returncode, 1, done.stderr)
        check(sentence in done.stderr, done.stderr)


def test_no_thread(_):
    """where the limit of processes is reached, the monitor says so"""
    need_kvm()
    done = run("prlimit", "--nproc=0:0", KILN, "run", build("ring3", "vm"), "--monitor", "kvm",
               check_status=False)
    check_equal(done.returncode, 1, done.stderr)
    check("ulimit -u" in done.stderr, done.stderr)


class Busy:
    """The image in an endless loop, never waiting."""

    def __enter__(self):
        need_kvm()
        # With a descriptor of somebody else's, as a careless parent leaves them.
        self.process = Process("sh", "-c", 'exec 9<"$0" && exec "$@"', "/dev/zero", KILN, "run",
                               build("ring3", "vm"), "--monitor", "kvm", "--attack", "busy",
                               name="kvm-busy")
        wait_for(lambda: "\nbusy\n" in self.process.text(), "the image to be busy")
        self.pid = self.process.child()
        return self

    def status(self):
        self.process.check_alive()
        with open(f"/proc/{self.pid}/status") as lines:
            return {key: value.split() for key, value in
                    (line.split(":", 1) for line in lines)}

    def __exit__(self, *_):
        self.process.end()


def test_suspended(_):
    """a guest goes on after its monitor was stopped and continued, waiting"""
    need_kvm()
    process = Process(os.path.join(ROOT, "build/bin/kiln-kvm"), build("ring3", "vm"), "attack=wait")

    def state():
        process.check_alive()
        with open(f"/proc/{process.pid}/status") as text:
            return dict(line.split(":", 1) for line in text)

    wait_for(lambda: state()["Seccomp"].strip() == "2" and "S" in state()["State"], "it waits")
    for _ in range(3):
        process.popen.send_signal(signal.SIGSTOP)
        wait_for(lambda: "T (stopped)" in state()["State"], "it stopped")
        process.popen.send_signal(signal.SIGCONT)
        wait_for(lambda: "S (sleeping)" in state()["State"], "it waits again")
    check_equal(process.stop(), 0, process.text())


def test_reader(_):
    """an image whose console nobody reads runs on, and stops"""
    need_kvm()
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, bytes(4096))
    popen = subprocess.Popen([KILN, "run", build("ring3", "vm"), "--monitor", "kvm",
                              "--attack", "none"], stdout=writer, stderr=writer)
    os.close(writer)
    try:
        check_equal(popen.wait(10), 0, "status")
    finally:
        popen.kill()
        os.close(reader)


def test_confined(_):
    """the monitor runs under its filter, without root, capabilities or others' descriptors"""
    with Busy() as image:
        status = image.status()
        folder = f"/proc/{image.pid}/fd"
        held = [os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder)]
    check("/dev/zero" not in held, f"kept an inherited descriptor: {held}")
    check_equal(status["Seccomp"], ["2"], "filter")
    check_equal(status["NoNewPrivs"], ["1"], "no_new_privs")
    check("0" not in status["Uid"] + status["Gid"], str(status["Uid"]))
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        check_equal(int(status[name][0], 16), 0, name)
