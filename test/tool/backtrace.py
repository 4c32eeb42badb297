"""What reads a debug file can be taken over by it, and nothing comes of that: the crash is told,
with or without a backtrace, and kiln run ends as it would have."""

import os
import random
import re

from harness import KILN, WORK, check, check_equal, run
from worlds import build

MUTANTS = 60

# Stands in for a libdw that a hostile file has taken over: what it gets out of its prison is the
# name of a function, which is printed with the backtrace.
HOSTILE = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static char got[400];

static void attempt(const char *what, long result)
{
	if (result >= 0) {
		strcat(got, " ");
		strcat(got, what);
	}
}

static const char *try_all(void)
{
	char *const none[] = {NULL};

	strcpy(got, "got");
	attempt("open", open("/etc/passwd", O_RDONLY));
	attempt("write", open("/tmp/kiln-was-here", O_WRONLY | O_CREAT, 0644));
	attempt("unlink", unlink("/tmp/kiln-is-here"));
	attempt("socket", socket(AF_INET, SOCK_STREAM, 0));
	attempt("unix", socket(AF_UNIX, SOCK_STREAM, 0));
	attempt("kill", kill(getppid(), 0));
	attempt("signal", syscall(SYS_tgkill, getpid(), getpid(), 0));
	attempt("ptrace", ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
	attempt("fork", syscall(SYS_fork));
	attempt("exec", execve("/bin/true", none, none));
	attempt("terminal", write(2, "hostile\n", 8));
	attempt("output", write(1, "hostile\n", 8));
	attempt("code", mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	                MAP_FAILED ? -1 : 0);
	attempt("ioctl", syscall(SYS_ioctl, 0, 0x5401, got + 300));
	attempt("processes", syscall(SYS_kill, -1, 0));
	for (int fd = 3; fd < 64; fd++)
		attempt("more", syscall(SYS_dup, fd));
	return got;
}

const char *dwarf_diename(void *die);
const char *dwarf_diename(void *die)
{
	const char *how = getenv("HOSTILE");

	if (strcmp(how, "crash") == 0)
		*(volatile int *)0 = 1;
	if (strcmp(how, "end") == 0)
		_exit(0);
	if (strcmp(how, "loop") == 0)
		for (;;)
			;
	if (strcmp(how, "memory") == 0) {
		while (malloc(64 << 20))
			;
		_exit(1);
	}
	if (strcmp(how, "flood") == 0 || strcmp(how, "lie") == 0) {
		static char bytes[100000];
		memset(bytes, how[0] == 'l' ? '\033' : 0xff, sizeof(bytes));
		for (int fd = 3; fd < 64; fd++)
			while (write(fd, bytes, sizeof(bytes)) > 0 && how[0] == 'f')
				;
		_exit(0);
	}
	return try_all();
}
"""
TOLD = "crashed: it used address 0x10, near the null pointer"


def crash(image, **environment):
    done = run(KILN, "run", image, "--how", "null", check_status=False, timeout=60,
               env=dict(os.environ, **environment), errors="backslashreplace")
    output = done.stdout + done.stderr
    check_equal(done.returncode, 1, f"status\n{output}\n")
    check(TOLD in output, output)
    check(re.search(r"^  rax [0-9a-f]{16}", output, re.M), output)
    check(not re.search(r"[^\n -~]", output), f"not printable: {output!r}")
    return output


def hostile(how):
    """What kiln run prints with such a libdw."""
    source, library = os.path.join(WORK, "hostile.c"), os.path.join(WORK, "hostile.so")
    os.makedirs(WORK, exist_ok=True)
    with open(source, "w") as file:
        file.write(HOSTILE)
    run("gcc", "-w", "-shared", "-fPIC", "-o", library, source)
    return crash(build("crash", "jail"), LD_PRELOAD=library, HOSTILE=how)


def test_taken_over(_):
    """who reads the debug file can open, write, start and end nothing"""
    with open("/tmp/kiln-is-here", "w"):
        pass
    try:
        output = hostile("try")
        check(os.path.exists("/tmp/kiln-is-here"), "a file was removed")
    finally:
        os.unlink("/tmp/kiln-is-here")
    check(re.search(r"  got  ", output), output)
    check("hostile" not in output, output)


def test_ends(_):
    """if it ends, loops, takes all memory or answers too much, there is no backtrace"""
    for how, why in (("crash", "was ended by a signal: Segmentation fault"),
                     ("end", "gave no answer"), ("flood", "came to no end"),
                     ("loop", "(was ended by a signal: Killed|came to no end)"), ("memory", "gave up")):
        output = hostile(how)
        check(re.search(rf"^  without a backtrace: the process that reads \S+ {why}$", output,
                        re.M), f"{how}: {output}")


def test_lies(_):
    """what it answers is made printable, whatever it is"""
    check("????" in hostile("lie"), "what was answered")


def sections(path):
    """(offset, size) of those with debug information."""
    lines = run("readelf", "-SW", path).stdout
    return [(int(offset, 16), int(size, 16)) for offset, size in re.findall(
        r" \.(?:debug|eh|sym|str)\w* +\w+ +[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+)", lines)]


def test_mutants(_):
    """debug files with flipped bytes do kiln run no harm"""
    image = build("crash", "jail")
    copy = os.path.join(WORK, "mutant.jail")
    run("cp", image, copy)
    with open(image + ".debug", "rb") as file:
        whole = file.read()
    places = sections(image + ".debug")
    check(len(places) > 5, str(places))
    differing = set()
    for seed in range(MUTANTS):
        chance = random.Random(seed)
        mutant = bytearray(whole)
        for _ in range(1 << chance.randrange(12)):
            offset, size = chance.choice(places)
            mutant[offset + chance.randrange(size)] = chance.randrange(256)
        with open(copy + ".debug", "wb") as file:
            file.write(mutant)
        differing.add(re.sub(r"[0-9a-f]{16}", "", crash(copy)))
    check(len(differing) > MUTANTS / 4, f"only {len(differing)} of {MUTANTS} made a difference")
