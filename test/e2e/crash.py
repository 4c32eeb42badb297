"""A crash is told in the same words on every target: what happened, in which function, file
and line, called by whom; and kiln run then ends with status 1."""

import os
import pty
import re
import select
import signal
import subprocess
import time

import worlds
from harness import KILN, ROOT, WORK, Skip, check, check_equal, run, wait_for

WORLDS = worlds.WORLDS + [worlds.World("sim", "sim")]
SOURCE = os.path.join(ROOT, "test/image/crash/crash.c")


def line_of(mark):
    with open(SOURCE) as source:
        return next(number for number, text in enumerate(source, 1)
                    if text.endswith(f"/* line: {mark} */\n"))


def crash(world, how, *options, status=1, prefix=()):
    world.need()
    monitor = ["--monitor", world.monitor] if world.monitor else []
    done = run(*prefix, KILN, "run", world.build("crash"), *monitor, "--how", how, *options,
               check_status=False, timeout=30)
    output = done.stdout + done.stderr
    check_equal(done.returncode, status, f"status of {how}\n{output}\n")
    return output


def frames(output):
    """(function, "crash.c:LINE" or "", inlined) of each line of the backtrace."""
    found = []
    for line in output.splitlines():
        match = re.match(r"  #\d+ +[0-9a-f]+  (\S+)(?: +(?:\S*/)?(\S+:\d+))?(.*)$", line)
        if match:
            found.append((match[1], match[2] or "", "(inlined)" in match[3]))
    return found


def starts_with(output, *expected):
    """The backtrace begins with these (function, mark of the line, inlined)."""
    wanted = [(function, f"crash.c:{line_of(mark)}", inlined)
              for function, mark, inlined in expected]
    check_equal(frames(output)[:len(wanted)], wanted, output)
    check(re.search(r"^  rax [0-9a-f]{16}  rbx [0-9a-f]{16}", output, re.M), output)


def told(output, sentence):
    check(f"crashed: {sentence}" in output, f"no '{sentence}' in {output}")


def test_fault(world):
    """a null pointer: the function, its caller, and the image's start"""
    output = crash(world, "null")
    told(output, "it used address 0x10, near the null pointer")
    starts_with(output, ("write_null", "null", False), ("appliance", "caller", False))
    outermost = {"host": "main", "sim": "context_start"}.get(world.name, "_start")
    check(outermost in [frame[0] for frame in frames(output)], output)


def test_inlined(world):
    """a function that was inlined has a frame of its own"""
    output = crash(world, "inlined")
    starts_with(output, ("write_inlined", "inlined", True),
                ("through_inlined", "inlined into", False))


def test_assert(world):
    """a failed check: its message, then the backtrace of who made the check"""
    output = crash(world, "assert")
    check(f"crash/crash.c:{line_of('assert')}: assertion failed: value == 1" in output, output)
    told(output, "a check failed: its message is above")
    starts_with(output, ("check", "assert", False))


def test_overflow(world):
    """a stack that overflows into its guard: how deep, and from where"""
    output = crash(world, "overflow")
    told(output, "its stack overflowed")
    names = [frame[0] for frame in frames(output)]
    check_equal(names[:3], ["recurse", "recurse", "appliance"], output)
    check(re.search(rf"recurse +\S+:{line_of('overflow')} \(and \d+ more\)", output), output)


def test_jump(world):
    """a call of a null pointer is blamed on its caller"""
    output = crash(world, "jump")
    told(output, "it went on at address 0x0")
    check_equal(frames(output)[1][:2], ("jump", f"crash.c:{line_of('jump')}"), output)


def test_instruction(world):
    """divisions by zero and traps are told apart"""
    output = crash(world, "divide")
    told(output, "it divided by zero, or the result was too large")
    starts_with(output, ("divide", "divide", False))
    output = crash(world, "trap")
    told(output, "it ran an instruction that does not exist")
    starts_with(output, ("appliance", "trap", False))


def test_library(world):
    """a fault in a function without debug information still finds its caller"""
    output = crash(world, "library")
    check_equal(frames(output)[1][:2], ("in_library", f"crash.c:{line_of('library')}"), output)


def test_task(world):
    """a fault on the stack of a task"""
    output = crash(world, "task")
    starts_with(output, ("write_null", "null", False), ("in_task", "task", False))


def test_overrun(world):
    """an overrun array is told by the stack protector, with its function only"""
    output = crash(world, "overrun")
    told(output, "the stack protector found a local array overrun")
    check_equal([frame[0] for frame in frames(output)], ["overrun"], output)


def test_memory(world):
    """memory that runs out is told with what to do, and who asked for it"""
    output = crash(world, "memory")
    check("for tests do not fit into" in output and "give the image more with -m" in output,
          output)
    told(output, "it ran out of memory")
    check(("take_memory", f"crash.c:{line_of('memory')}") in [f[:2] for f in frames(output)],
          output)


def cgroup(limit):
    """A memory cgroup with this limit, of version 1 or 2."""
    name = f"kiln-test-{os.getpid()}"
    for top, file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
                      ("/sys/fs/cgroup", "memory.max")):
        folder = os.path.join(top, name)
        try:
            os.mkdir(folder)
        except OSError:
            continue
        try:
            with open(os.path.join(folder, file), "w") as setting:
                setting.write(str(limit))
            return folder
        except OSError:
            os.rmdir(folder)
    raise Skip("no memory cgroup can be made here")


def test_host_memory(world):
    """an image that the host kills for want of memory is told from one that somebody kills"""
    world.need()
    folder = cgroup(48 << 20)
    try:
        output = crash(world, "fill", "-m", "1G",
                       prefix=("sh", "-c", f'echo $$ >{folder}/cgroup.procs; exec "$@"', "sh"))
        check("was killed by the kernel" in output and "out of memory" in output, output)
    finally:
        wait_for(lambda: not open(f"{folder}/cgroup.procs").read(), "the group empty")
        os.rmdir(folder)


test_host_memory.worlds = ["host", "sim", "jail", "kvm"]


def test_killed(world):
    """an image that somebody kills ends kiln run as a shell reports it"""
    process = world.start_bare(world.build("crash"), "--how", "loop")
    wait_for(lambda: "busy" in process.text(), "the image to be busy", 20)
    os.kill(process.child(), signal.SIGKILL)
    check_equal(process.wait(), 128 + signal.SIGKILL, process.text())
    check("was ended by a signal: Killed" in process.text(), process.text())


test_killed.worlds = ["jail", "kvm", "qemu"]


def test_status(world):
    """an image that does not crash ends kiln run with its own status"""
    check("crashed" not in crash(world, "none", status=0), "none")
    crash(world, "exit", status=3)


def test_loop(world):
    """an endless loop is ended by the second Ctrl-C, and told"""
    process = world.start_bare(world.build("crash"), "--how", "loop")
    wait_for(lambda: "busy" in process.text(), "the image to be busy", 20)

    def ended():
        process.popen.send_signal(signal.SIGINT)
        return not process.alive()
    began = time.monotonic()
    wait_for(ended, "the image ended", 10, 0.05)
    check(0.2 <= time.monotonic() - began < 2, "not soon, or at once")
    check_equal(process.wait(), 1, process.text())
    check("the image did not stop by itself: killed" in process.text(), process.text())


test_loop.worlds = ["jail", "kvm", "qemu"]


def test_loop_late(world):
    """and by itself, some time after the first"""
    process = world.start_bare(world.build("crash"), "--how", "loop")
    wait_for(lambda: "busy" in process.text(), "the image to be busy", 20)
    check_equal(process.stop(), 1, process.text())
    check("did not stop by itself in time: killed" in process.text(), process.text())


test_loop_late.worlds = ["jail"]


def test_print(world):
    """an image that prints without end, on a terminal that takes nothing, is ended all the same"""
    image = world.build("crash")
    master, slave = pty.openpty()
    process = subprocess.Popen([KILN, "run", image, "--how", "print"], stdout=slave,
                               stderr=subprocess.PIPE, text=True)
    try:
        check(select.select([master], [], [], 20)[0], "it prints")
        process.terminate()
        output = process.communicate(timeout=15)[1]
        check_equal(process.returncode, 1, output)
        check("did not stop by itself in time: killed" in output, output)
    finally:
        process.kill()
        process.wait()
        os.close(master)
        os.close(slave)


test_print.worlds = ["jail"]


def test_unprivileged(world):
    """without root, the report is the same"""
    output = crash(world, "overflow", prefix=("setpriv", "--reuid", "65534", "--regid", "65534",
                                              "--clear-groups"))
    check_equal([frame[0] for frame in frames(output)][:3], ["recurse", "recurse", "appliance"],
                output)


test_unprivileged.worlds = ["host", "jail"]


def test_other_debug_file(world):
    """a debug file that is missing or of another build is not believed"""
    image, other = world.build("crash"), world.build("hello")
    copy = os.path.join(WORK, f"crash-copy.{world.target}")
    for debug in (None, other + ".debug"):
        run("cp", image, copy)
        run("rm", "-f", copy + ".debug")
        if debug:
            run("cp", debug, copy + ".debug")
        done = run(KILN, "run", copy, "--how", "null", check_status=False)
        check_equal(done.returncode, 1, done.stderr)
        told(done.stderr, "it used address 0x10, near the null pointer")
        check("another build" in done.stderr if debug else "No such file" in done.stderr,
              done.stderr)
        check(not any(frame[1] for frame in frames(done.stderr)), done.stderr)


test_other_debug_file.worlds = ["jail"]
