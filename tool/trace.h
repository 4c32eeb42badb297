/*
 * Watching a child by ptrace(2), for one thing: its registers and its memory at its end.
 * It is attached to before it executes its program, so that whatever that program gives up
 * later (its user, its being dumpable) makes no difference; and while it runs, nothing is
 * traced: there is no cost, and no code for this in it.
 *
 * A system call that a filter refuses kills without a signal that a tracer would see, but
 * not without PTRACE_EVENT_EXIT; so this is where every end is looked at. For other tracers
 * (gdb -p, strace -p) a child that is traced here is taken.
 */
#ifndef TOOL_TRACE_H
#define TOOL_TRACE_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>
#include <kiln/abi/boot.h>

struct trace {
	pid_t pid;
	bool attached;
	int error;        /* errno: why it is not */
	int memory;       /* /proc/PID/mem; -1: not to be had */
	siginfo_t signal; /* of the last deadly signal; si_signo 0: none came */
	/* At the end: */
	bool ending;
	int status;              /* as wait(2) will have it */
	struct kiln_fault fault; /* registers, and what happened, as in crash.h */
	void (*on_end)(struct trace *t, void *context);
	void *context;
	/* For a debugger: the child is stopped, and given up for others to attach to. */
	enum trace_hold {
		TRACE_GO,
		TRACE_HOLD_PROGRAM, /* before its first instruction */
		TRACE_HOLD_IMAGE, /* before that of the image, once it has stopped itself */
	} hold;
	uint64_t (*entry)(void *context); /* the image's; 0: not known */
	void (*on_hold)(struct trace *t, void *context);
	uint64_t stop_at; /* where a breakpoint stands in place of `stopped_word` */
	long stopped_word;
};

/* The child has been forked, and waits. */
void trace_attach(struct trace *t, pid_t pid);

/* Takes a status of the child's from wait(2): false if it has ended. At its end, while its
 * memory is still there, calls t->on_end. */
bool trace_take(struct trace *t, int status);

/* A signal by which a program ends that has gone wrong. */
bool trace_is_crash(int signal);

/* Eight bytes of the child's memory. */
bool trace_word(const struct trace *t, uint64_t address, uint64_t *word);

#endif
