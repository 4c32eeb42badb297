/*
 * An image that turns on its jail in the way that --attack names; test/jail/seal.py runs
 * it once for each. It prints "survived" if it was not ended for it.
 *
 * Reaches into the jail target (jail_call, the gate) as code that was taken over would.
 */
#include <kiln/appliance.h>

KILN_NET(net0, "a device to abuse");
KILN_PARAM_STRING(attack, "none", "what to try");

#include "../memory_attacks.h"

enum { TAP = 2, CONSOLE = 1 }; /* descriptors; see monitor/jail/main.c */
enum {
	READ = 0,
	WRITE = 1,
	OPEN = 2,
	POLL = 7,
	MMAP = 9,
	MPROTECT = 10,
	MUNMAP = 11,
	IOCTL = 16,
	WRITEV = 20,
	GETPID = 39,
	SOCKET = 41,
	FORK = 57,
	EXECVE = 59,
	KILL = 62,
	PTRACE = 101,
	PRCTL = 157,
	PPOLL = 271,
	SECCOMP = 317,
	X32 = 0x40000000,
};

long jail_call(long a, long b, long c, long d, long e, long number);

/* ---- system calls through the gate ---- */

struct call {
	const char *name;
	long number, a, b, c, d, e;
};

static const struct call calls[] = {
    {"open", OPEN, 0, 0, 0, 0, 0},
    {"getpid", GETPID, 0, 0, 0, 0, 0},
    {"socket", SOCKET, 2, 1, 0, 0, 0},
    {"fork", FORK, 0, 0, 0, 0, 0},
    {"execve", EXECVE, 0, 0, 0, 0, 0},
    {"kill", KILL, -1, 9, 0, 0, 0},
    {"ptrace", PTRACE, 0, 0, 0, 0, 0},
    {"prctl", PRCTL, 4, 1, 0, 0, 0},
    {"seccomp", SECCOMP, 0, 0, 0, 0, 0},
    {"mmap", MMAP, 0, 4096, 7, 0x22, -1},
    {"mprotect", MPROTECT, 0, 4096, 7, 0, 0},
    {"munmap", MUNMAP, 0, 4096, 0, 0, 0},
    {"poll", POLL, 0, 0, 0, 0, 0},
    {"ioctl-tap", IOCTL, TAP, 0, 0, 0, 0},
    {"write-tap", WRITE, TAP, 0, 0, 0, 0},
    {"read-console", READ, CONSOLE, 0, 0, 0, 0},
    {"read-other", READ, 3, 0, 0, 0, 0},
    {"writev-console", WRITEV, CONSOLE, 0, 0, 0, 0},
    {"ppoll-many", PPOLL, 0, 64, 0, 0, 0},
    {"ppoll-mask", PPOLL, 0, 0, 0, 8, 8},
    {"x32", X32 | READ, TAP, 0, 0, 0, 0},
};

static bool try_call(void)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		const struct call *c = &calls[i];
		if (is(c->name)) {
			jail_call(c->a, c->b, c->c, c->d, c->e, c->number);
			return true;
		}
	}
	return false;
}

/* A system call that the filter allows, from another place than the gate: the bytes of a
 * syscall instruction within a constant. */
static void call_from_elsewhere(void)
{
	/* write(1, 0, 0) */
	__asm__ volatile("lea 1f(%%rip), %%rbx\n\t"
	                 "mov $1, %%eax\n\t"
	                 "mov $1, %%edi\n\t"
	                 "xor %%esi, %%esi\n\t"
	                 "xor %%edx, %%edx\n\t"
	                 "jmp *%%rbx\n\t"
	                 ".byte 0xb8\n" /* mov $..., %eax */
	                 "1:\n\t"
	                 ".byte 0x0f, 0x05, 0x90, 0x90"
	                 :
	                 :
	                 : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r11", "memory");
}

/* The same by the 32-bit entry, where numbers mean other calls. */
static void call_as_i386(void)
{
	/* getpid() */
	__asm__ volatile(".byte 0xcd, 0x80" : : "a"(20L) : "memory");
}

int appliance(struct kiln *k)
{
	if (is("wait"))
		return kiln_run(k);
	if (is("elsewhere"))
		call_from_elsewhere();
	else if (is("i386"))
		call_as_i386();
	else if (!try_call() && !try_memory(k) && !is("none"))
		kiln_fail(k, "attack", "there is no '%s'", attack);
	kiln_print(k, SLICE("survived\n"));
	return 0;
}
