/*
 * The end of a child, by ptrace(2): see trace.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include "crash.h"
#include "trace.h"

void trace_attach(struct trace *t, pid_t pid)
{
	long options = PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL;

	t->pid = pid;
	t->memory = -1;
	t->attached = ptrace(PTRACE_SEIZE, pid, NULL, options) == 0;
	t->error = t->attached ? 0 : errno;
}

bool trace_word(const struct trace *t, uint64_t address, uint64_t *word)
{
	return t->memory >= 0 &&
	       pread(t->memory, word, sizeof(*word), (off_t)address) == sizeof(*word);
}

static void copy_registers(struct kiln_fault *to, const struct user_regs_struct *r)
{
	*to = (struct kiln_fault){
	    .rip = r->rip,
	    .rsp = r->rsp,
	    .rflags = r->eflags,
	    .rax = r->rax,
	    .rbx = r->rbx,
	    .rcx = r->rcx,
	    .rdx = r->rdx,
	    .rsi = r->rsi,
	    .rdi = r->rdi,
	    .rbp = r->rbp,
	    .r8 = r->r8,
	    .r9 = r->r9,
	    .r10 = r->r10,
	    .r11 = r->r11,
	    .r12 = r->r12,
	    .r13 = r->r13,
	    .r14 = r->r14,
	    .r15 = r->r15,
	};
}

/* Which exception the kernel made this signal of. */
static uint64_t exception(const struct trace *t, int signal)
{
	bool known = t->signal.si_signo == signal;
	int code = known ? t->signal.si_code : 0;

	switch (signal) {
	case SIGSEGV:
	case SIGBUS:
		if (!known || code <= 0)
			return CRASH_SENT;
		if (code == SI_KERNEL)
			return CRASH_PROTECTION;
		return signal == SIGBUS && code == BUS_ADRALN ? CRASH_UNALIGNED
		                                              : CRASH_PAGE;
	case SIGILL:
		return CRASH_INVALID;
	case SIGFPE:
		return code == FPE_INTDIV || code == FPE_INTOVF ? CRASH_DIVIDE
		                                                : CRASH_FLOATING;
	case SIGTRAP:
		return CRASH_BREAKPOINT;
	case SIGSYS:
		return CRASH_CALL;
	default:
		return CRASH_ABORT;
	}
}

static void take_end(struct trace *t)
{
	struct user_regs_struct registers;
	unsigned long status = 0;

	if (ptrace(PTRACE_GETEVENTMSG, t->pid, NULL, &status) < 0 ||
	    ptrace(PTRACE_GETREGS, t->pid, NULL, &registers) < 0)
		return; /* killed meanwhile */
	t->status = (int)status;
	t->ending = true;
	copy_registers(&t->fault, &registers);
	if (WIFSIGNALED(t->status)) {
		t->fault.vector = exception(t, WTERMSIG(t->status));
		t->fault.code = registers.orig_rax;
		t->fault.address = (uintptr_t)t->signal.si_addr;
	}
	if (t->on_end)
		t->on_end(t, t->context);
}

/* Opened now, with the rights of whoever may read the program: it may give itself up later,
 * and its descriptor goes on to serve. */
static void take_program(struct trace *t)
{
	t->memory = open(text_format("/proc/%d/mem", t->pid), O_RDONLY | O_CLOEXEC);
}

bool trace_is_crash(int signal)
{
	return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL ||
	       signal == SIGFPE || signal == SIGTRAP || signal == SIGABRT ||
	       signal == SIGSYS;
}

/* ---- for a debugger ---- */

static void hand_over(struct trace *t)
{
	kill(t->pid, SIGSTOP);
	ptrace(PTRACE_DETACH, t->pid, NULL, NULL);
	t->attached = false;
	t->hold = TRACE_GO;
	t->on_hold(t, t->context);
}

/* The monitor has stopped itself, just before the image: a breakpoint at its entry. */
static void break_at_entry(struct trace *t)
{
	uint64_t entry = t->entry(t->context);
	void *at = (void *)(uintptr_t)entry;

	errno = 0;
	t->stopped_word = ptrace(PTRACE_PEEKTEXT, t->pid, at, NULL);
	if (!entry || errno ||
	    ptrace(PTRACE_POKETEXT, t->pid, at, (t->stopped_word & ~0xffl) | 0xcc) < 0)
		fail("the image cannot be stopped for a debugger: %s", strerror(errno));
	t->stop_at = entry;
}

static bool at_entry(struct trace *t)
{
	struct user_regs_struct registers;

	if (ptrace(PTRACE_GETREGS, t->pid, NULL, &registers) < 0 ||
	    registers.rip != t->stop_at + 1)
		return false;
	registers.rip = t->stop_at;
	ptrace(PTRACE_POKETEXT, t->pid, (void *)(uintptr_t)t->stop_at, t->stopped_word);
	ptrace(PTRACE_SETREGS, t->pid, NULL, &registers);
	return true;
}

/* True if the child has been handed over. A signal that was for us is not delivered. */
static bool take_hold(struct trace *t, int event, int *signal)
{
	if (t->hold == TRACE_HOLD_PROGRAM && event == PTRACE_EVENT_EXEC) {
		hand_over(t);
		return true;
	}
	if (t->hold != TRACE_HOLD_IMAGE || event != 0)
		return false;
	if (*signal == SIGSTOP && !t->stop_at) {
		break_at_entry(t);
		*signal = 0;
	} else if (*signal == SIGTRAP && t->stop_at && at_entry(t)) {
		hand_over(t);
		return true;
	}
	return false;
}

bool trace_take(struct trace *t, int status)
{
	int event = status >> 16, signal = WSTOPSIG(status), deliver = 0;

	if (!WIFSTOPPED(status))
		return false;
	if (t->hold && take_hold(t, event, &signal))
		return true;
	if (event == PTRACE_EVENT_EXEC) {
		take_program(t);
	} else if (event == PTRACE_EVENT_EXIT) {
		take_end(t);
	} else if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {
		/* Stopped as by Ctrl-Z, and to stay so until SIGCONT. */
		ptrace(PTRACE_LISTEN, t->pid, NULL, NULL);
		return true;
	} else if (event == 0) {
		deliver = signal;
		if (trace_is_crash(signal))
			ptrace(PTRACE_GETSIGINFO, t->pid, NULL, &t->signal);
	}
	ptrace(PTRACE_CONT, t->pid, NULL, (void *)(uintptr_t)deliver);
	return true;
}
