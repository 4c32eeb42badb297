"""kiln run --gdb: on every target the image stands still before its first instruction, and the
command that is printed brings gdb to it, with source lines and variables."""

import os
import re
import shlex
import signal
import subprocess

import worlds
from harness import KILN, ROOT, TIED, Process, check, check_equal, run, wait_for

WORLDS = worlds.WORLDS + [worlds.World("sim", "sim")]
SOURCE = os.path.join(ROOT, "test/image/crash/crash.c")
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


def line_of(text):
    with open(SOURCE) as source:
        return next(number for number, line in enumerate(source, 1) if text in line)


def hold(world, how, prefix=()):
    """The waiting image, and the command for gdb that it prints."""
    world.need()
    monitor = ["--monitor", world.monitor] if world.monitor else []
    process = Process(*prefix, KILN, "run", world.build("crash"), *monitor, "--gdb", "--how",
                      how, name=f"{world.name}-gdb")
    found = wait_for(lambda: re.search(r"^gdb .*\n", process.text(), re.M) or
                     (process.check_alive() and None), "the command for gdb", 20)
    return process, shlex.split(found.group())


def batch(command, *wanted):
    """gdb's command with these added, to be run to their end."""
    return [command[0], "-nx", "-batch", *command[1:],
            *(word for text in wanted for word in ("-ex", text))]


def debug(world, how, *wanted, prefix=()):
    process, command = hold(world, how, prefix)
    done = run(*prefix, *batch(command, *wanted), check_status=False, timeout=60)
    return process, done.stdout + done.stderr


def breaks_and_steps(world, prefix=()):
    process, output = debug(world, "null", "break appliance", "continue", "backtrace",
                            "print how", "next", "print k->log_level", "break write_null",
                            "continue", "print nothing", "up", "kill", prefix=prefix)
    first = line_of('if (is("null"))')
    for wanted in (rf"Breakpoint \d+, appliance \(k=0x[0-9a-f]+.*\) at \S*crash\.c:{first}$",
                   r"^#0 +appliance .*\n#1 .* in \w+ \(.*\) at \S*target/\S+:\d+$",
                   r'= 0x[0-9a-f]+ "null"$', rf"^{first + 1}\t.*write_null",
                   r"= LOG_INFO$", r"Breakpoint \d+, write_null \(nothing=0x0\) at \S*crash\.c",
                   rf"^#1 .* in appliance \(k=.*\) at \S*crash\.c:{first + 1}$"):
        check(re.search(wanted, output, re.M), f"no '{wanted}' in\n{output}")
    process.wait(20)


def test_debug(world):
    """gdb breaks at a function, steps by lines, and shows arguments, variables and callers"""
    breaks_and_steps(world)


def test_unprivileged(world):
    """so it does without root"""
    breaks_and_steps(world, NOBODY)


test_unprivileged.worlds = ["host", "jail"]


def test_fault(world):
    """a fault stops in the function that made it; after that the image ends as it would"""
    process, output = debug(world, "inlined", "continue", "print word", "continue")
    check("Program received signal SIGSEGV" in output, output)
    check(f"crash.c:{line_of('line: inlined */')}" in output, output)
    check("$1 = 0" in output, output)
    check_equal(process.wait(20), 1, process.text())


test_fault.worlds = ["host", "sim", "jail", "kvm"]


def test_end(world):
    """an image that is let go runs, and ends kiln run with its own status"""
    process, output = debug(world, "exit", "continue")
    check_equal(process.wait(20), 3, process.text() + output)


def test_detach(world):
    """when gdb leaves, the image goes on alone, and stops when asked to"""
    process, output = debug(world, "loop", "break loop_for_ever", "continue", "detach")
    check("Breakpoint" in output, output)
    wait_for(lambda: "busy" in process.text(), "the image to go on", 20)
    process.popen.send_signal(signal.SIGTERM)
    check_equal(process.stop(), 1, process.text())


test_detach.worlds = ["jail", "kvm", "qemu"]


def busy_for(pid):
    """Clock ticks that a process has computed."""
    with open(f"/proc/{pid}/stat") as stat:
        return sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:13]))


def interrupt(world, how, runs_on, *wanted):
    """Ctrl-C in gdb, once the image runs on."""
    process, command = hold(world, how)
    gdb = subprocess.Popen([*TIED, *batch(command, "continue", *wanted, "kill")],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
    try:
        wait_for(lambda: runs_on(process), "the image to run on", 20)
        gdb.send_signal(signal.SIGINT)
        output = gdb.communicate(timeout=30)[0]
    finally:
        gdb.kill()
        gdb.wait()
    check("SIGINT" in output, output)
    process.wait(20)
    return output


def test_interrupt(world):
    """Ctrl-C in gdb stops an image that computes, where it is"""
    def computes(process):
        if "busy" not in process.text():
            return False
        began.append(busy_for(process.child()))
        return began[-1] > began[0] + 5
    began = []
    output = interrupt(world, "loop", computes, "backtrace", "print word > 1000")
    check(re.search(r"loop_for_ever \(", output), output)
    check("$1 = 1" in output, output)


test_interrupt.worlds = ["jail", "kvm", "qemu"]


def test_interrupt_wait(world):
    """and one that waits"""
    output = interrupt(world, "wait", lambda process: "waiting" in process.text(), "backtrace")
    # QEMU's processor is halted in the stub, whose caller is on another stack.
    wanted = "in vm_gate" if world.name == "qemu" else r"(loop_step|loop_run|kiln_run) \("
    check(re.search(wanted, output), output)


test_interrupt_wait.worlds = ["jail", "kvm", "qemu"]


def test_leftovers(world):
    """the socket for gdb is gone when the image is"""
    process, command = hold(world, "none")
    path = next(word for word in command if word.startswith("target remote ")).split()[-1]
    check(os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700, "others may enter")
    process.stop()
    check(not os.path.exists(os.path.dirname(path)), path)


test_leftovers.worlds = ["kvm", "qemu"]
