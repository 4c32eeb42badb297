/*
 * The report of a crash: see crash.h. What comes from the image is numbers; names and paths
 * come from the files of the build, and are made printable.
 */
#include <stdlib.h>
#include <string.h>
#include <seccomp.h>
#include "backtrace.h"
#include "crash.h"

enum { NULL_PAGES = 64 << 10, STACK_REACH = 64 << 10 };

/* ---- where an address lies ---- */

static const char *place_text(const struct crash *crash, const struct report_place *place,
                              uint64_t address)
{
	static const char *const names[] = {
	    [REPORT_PLACE_IMAGE] = "its image",
	    [REPORT_PLACE_STACK] = "its stack",
	    [REPORT_PLACE_MEMORY] = "its memory",
	    [REPORT_PLACE_BOOT] = "its start options, which are read-only",
	    [REPORT_PLACE_CLOCK] = "the kernel's clock pages",
	    [REPORT_PLACE_SEAL] = "the code of the seal",
	    [REPORT_PLACE_DEVICES] = "its device registers",
	    [REPORT_PLACE_RING] = "the ring of its network devices",
	    [REPORT_PLACE_XDP] = "the frames of a network device",
	};
	bool known = place->kind < sizeof(names) / sizeof(names[0]) && names[place->kind];
	const char *name = known ? names[place->kind] : "a place of its own";
	uint64_t offset = address - place->start;

	if (address < place->start)
		return text_format("in the guard below %s", name);
	if (offset >= place->size)
		return text_format("in the guard above %s", name);
	for (unsigned i = 0;
	     place->kind == REPORT_PLACE_IMAGE && i < crash->image->segment_count; i++) {
		const struct image_segment *s = &crash->image->segments[i];
		if (offset - s->address < s->memory_size)
			return s->flags & PF_X   ? "in its text"
			       : s->flags & PF_W ? "in its data"
			                         : "in its constants";
	}
	return text_format("in %s", name);
}

static const struct report_place *place_of(const struct crash *crash, uint64_t address)
{
	const struct report_place *guard = NULL;

	for (unsigned i = 0; crash->reports && i < crash->reports->place_count; i++) {
		const struct report_place *p = &crash->reports->places[i];
		if (address - p->start < p->size)
			return p;
		/* In a guard that two share, it is rather the stack that has grown. */
		if (address - (p->start - p->guard) < p->size + 2 * p->guard &&
		    (!guard || p->kind == REPORT_PLACE_STACK))
			guard = p;
	}
	return guard;
}

/* A line of /proc/PID/maps. */
struct mapping {
	uint64_t start, end;
	char rights[5];
	char name[256];
};

/* The mapping that holds the address, or the first above it; false: there is none. */
static bool mapping_at(pid_t pid, uint64_t address, struct mapping *m)
{
	FILE *maps = fopen(text_format("/proc/%d/maps", pid), "re");
	char line[1024];
	bool found = false;

	while (maps && !found && fgets(line, sizeof(line), maps)) {
		unsigned long start, end;
		m->name[0] = '\0';
		if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %255[^\n]", &start, &end,
		           m->rights, m->name) < 3)
			continue;
		m->start = start;
		m->end = end;
		found = address < m->end;
	}
	if (maps)
		fclose(maps);
	return found;
}

static const char *describe(const struct crash *crash, uint64_t address)
{
	const struct report_place *place = place_of(crash, address);
	struct mapping m;

	if (address < NULL_PAGES)
		return "near the null pointer";
	if (place)
		return place_text(crash, place, address);
	/* QEMU's stub tells of no other places. */
	if (!crash->pid && crash->reports &&
	    !reports_place(crash->reports, REPORT_PLACE_MEMORY))
		return "which is not of the image";
	if (!crash->pid || !mapping_at(crash->pid, address, &m) || address < m.start)
		return "where nothing is mapped";
	return text_format("in pages that are mapped %.3s%s%s", m.rights,
	                   m.name[0] ? " from " : "", text_printable(m.name));
}

/* The stack has grown over its end: the address is in its guard; on the host, just below
 * pages that can be written, and where the stack pointer is. */
static bool is_stack_overflow(const struct crash *crash)
{
	uint64_t address = crash->fault.address;
	const struct report_place *place = place_of(crash, address);
	struct mapping at, above;

	if (!crash->pid)
		return place && place->kind == REPORT_PLACE_STACK &&
		       address < place->start;
	if (address + STACK_REACH - crash->fault.rsp > 2 * (uint64_t)STACK_REACH ||
	    !mapping_at(crash->pid, address, &at))
		return false;
	above = at;
	if (address >= at.start &&
	    (at.rights[0] != '-' || !mapping_at(crash->pid, at.end, &above)))
		return false;
	return above.rights[1] == 'w' && above.start - address <= STACK_REACH;
}

/* ---- what happened ---- */

static const char *page_text(const struct crash *crash)
{
	const struct kiln_fault *f = &crash->fault;
	unsigned long long address = f->address;
	const char *where = describe(crash, address);
	const struct report_place *stack =
	    crash->reports ? reports_place(crash->reports, REPORT_PLACE_STACK) : NULL;

	if (is_stack_overflow(crash))
		return stack
		           ? text_format("its stack overflowed: address 0x%llx is in the "
		                         "guard below its %llu KiB of stack",
		                         address, (unsigned long long)stack->size >> 10)
		           : text_format(
		                 "its stack overflowed: address 0x%llx is below it",
		                 address);
	if (address == f->rip)
		return text_format(
		    "it went on at address 0x%llx, %s, where nothing may be run", address,
		    where);
	return text_format("it used address 0x%llx, %s", address, where);
}

static bool code_at(const struct crash *crash, uint64_t address, uint8_t bytes[8])
{
	uint64_t word;

	if (!crash->read(crash->context, address, &word))
		return false;
	memcpy(bytes, &word, sizeof(word));
	return true;
}

static const char *call_text(const struct crash *crash)
{
	const struct kiln_fault *f = &crash->fault;
	const struct report_place *place =
	    crash->reports ? reports_place(crash->reports, REPORT_PLACE_IMAGE) : NULL;
	uint8_t code[8];
	bool i386 =
	    code_at(crash, f->rip - 2, code) && code[0] == 0xcd && code[1] == 0x80;
	char *name = seccomp_syscall_resolve_num_arch(
	    i386 ? SCMP_ARCH_X86 : SCMP_ARCH_X86_64, (int)(f->code & 0x3fffffff));
	const char *from = "", *entry = "";

	if (crash->image && crash->image->has_gate && place) {
		uint64_t gate = place->start + crash->image->entry +
		                (uint64_t)crash->image->gate.offset;
		if (f->rip - gate > crash->image->gate.size)
			from = ", from outside its gate";
	}
	if (i386)
		entry = " (by int 0x80)";
	else if (f->code & 0x40000000)
		entry = " (of x32)";
	return text_format(
	    "its filter refused the system call %s(0x%llx, 0x%llx, 0x%llx), "
	    "number %lld%s%s",
	    name ? name : "?", (unsigned long long)(i386 ? f->rbx : f->rdi),
	    (unsigned long long)(i386 ? f->rcx : f->rsi), (unsigned long long)f->rdx,
	    (long long)f->code, entry, from);
}

/* An exception of which only the instruction is known: the vector that it causes. */
static uint64_t instruction_vector(const struct crash *crash)
{
	uint8_t code[8];
	const uint8_t *p = code;

	if (!code_at(crash, crash->fault.rip, code))
		return CRASH_INSTRUCTION;
	if ((*p & 0xf0) == 0x40) /* REX */
		p++;
	if (p[0] == 0x0f && (p[1] == 0x0b || p[1] == 0xb9 || p[1] == 0xff))
		return CRASH_INVALID;
	if (p[0] == 0xcc)
		return CRASH_BREAKPOINT;
	if ((p[0] == 0xf6 || p[0] == 0xf7) && (p[1] >> 3 & 6) == 6)
		return CRASH_DIVIDE;
	return CRASH_INSTRUCTION;
}

static const char *what_happened(const struct crash *crash)
{
	switch (crash->fault.vector) {
	case CRASH_PAGE:
		return page_text(crash);
	case CRASH_CALL:
		return call_text(crash);
	case CRASH_DIVIDE:
		return "it divided by zero, or the result was too large";
	case CRASH_BREAKPOINT:
		return "it ran into a breakpoint that no debugger had set";
	case CRASH_INVALID:
		return "it ran an instruction that does not exist";
	case CRASH_PROTECTION:
		return "it ran a privileged instruction, or used an address that none "
		       "can have";
	case CRASH_FLOATING:
		return "a floating-point operation failed";
	case CRASH_UNALIGNED:
		return "it used an unaligned address";
	case CRASH_INSTRUCTION:
		return "it ran an instruction that cannot or may not be executed";
	case CRASH_ABORT:
		return "it was aborted";
	case CRASH_SENT:
		return "another process ended it by a signal";
	default:
		return text_format("exception %llu, code 0x%llx",
		                   (unsigned long long)crash->fault.vector,
		                   (unsigned long long)crash->fault.code);
	}
}

static const char overrun_text[] = "the stack protector found a local array overrun";

/* What a program gives up by: the innermost frames are then no news. */
static const struct {
	const char *function, *text;
} ways_to_give_up[] = {
    {"kiln_assert_failed", "a check failed: its message is above"},
    {"__stack_chk_fail", overrun_text},
    {"target_panic", "it gave up: its message is above"},
    {"out_of_memory", "it ran out of memory: give it more with -m"},
    {"abort", "it was aborted"},
};

/* Where the program gave up, as text, and in *innermost the frame that did so; else NULL. */
static const char *gave_up(const struct crash *crash, const struct backtrace *trace,
                           size_t *innermost)
{
	enum { DEEP = 10 };
	uint64_t vector = crash->fault.vector;
	const char *text = NULL;

	*innermost = 0;
	if (vector != CRASH_INVALID && vector != CRASH_ABORT &&
	    vector != CRASH_INSTRUCTION)
		return NULL;
	for (size_t i = 0; i < trace->count && i < DEEP; i++) {
		const char *function = trace->frames[i].function;
		for (size_t j = 0;
		     function && j < sizeof(ways_to_give_up) / sizeof(ways_to_give_up[0]);
		     j++) {
			if (strcmp(ways_to_give_up[j].function, function) != 0)
				continue;
			text = ways_to_give_up[j].text;
			*innermost = i + 1;
		}
	}
	return text;
}

/* ---- printing ---- */

static int function_width(const struct backtrace *trace, size_t from)
{
	enum { WIDEST = 32 };
	size_t width = 8;

	for (size_t i = from; i < trace->count; i++) {
		size_t len =
		    trace->frames[i].function ? strlen(trace->frames[i].function) : 0;
		if (len > width)
			width = len;
	}
	return width > WIDEST ? WIDEST : (int)width;
}

static void print_frame(const struct frame *frame, size_t number, int digits, int width)
{
	const char *function = frame->function ? frame->function : "?";

	fprintf(stderr, "  #%-*zu %8llx  ", digits, number,
	        (unsigned long long)frame->address);
	if (frame->file)
		fprintf(stderr, "%-*s  %s:%d", width, function, frame->file, frame->line);
	else if (frame->module)
		fprintf(stderr, "%-*s  in %s", width, function, frame->module);
	else
		fputs(function, stderr);
	if (frame->inlined)
		fputs(" (inlined)", stderr);
	if (frame->repeated)
		fprintf(stderr, " (and %u more)", frame->repeated);
	fputc('\n', stderr);
}

static void print_backtrace(const struct backtrace *trace, size_t from)
{
	int width = function_width(trace, from);
	size_t number = 0, last = trace->count + trace->left_out;
	int digits;

	for (size_t i = from; i < trace->count; i++)
		last += trace->frames[i].repeated;
	digits = snprintf(NULL, 0, "%zu", last - from);

	for (size_t i = from; i < trace->count; i++) {
		if (trace->left_out && i == trace->left_out_at) {
			fprintf(stderr, "  ...  %zu more\n", trace->left_out);
			number += trace->left_out;
		}
		print_frame(&trace->frames[i], number, digits, width);
		number += 1 + trace->frames[i].repeated;
	}
}

void crash_print(const struct crash *crash)
{
	const struct report_place *place =
	    crash->reports ? reports_place(crash->reports, REPORT_PLACE_IMAGE) : NULL;
	const char *name = text_printable(path_display(crash->path)), *text;
	struct backtrace trace = {0};
	struct crash known = *crash;
	char registers[REPORT_REGISTERS_SIZE];
	size_t innermost = 0;

	if (crash->monitor && !place) {
		fprintf(stderr, "kiln: %s crashed before it entered the image: %s\n",
		        crash->monitor, what_happened(crash));
		return;
	}
	if (crash->fault.vector == CRASH_INSTRUCTION)
		known.fault.vector = instruction_vector(crash);
	backtrace_make(&trace, &(struct backtrace_of){
	                           .path = crash->path,
	                           .image = crash->image,
	                           .base = place ? place->start : 0,
	                           .pid = crash->pid,
	                           .registers = &crash->fault,
	                           .behind = crash->fault.vector == CRASH_CALL ||
	                                     crash->fault.vector == CRASH_BREAKPOINT,
	                           .read = crash->read,
	                           .context = crash->context,
	                           .memory = crash->memory,
	                       });
	text = gave_up(&known, &trace, &innermost);
	if (text == overrun_text && trace.count > innermost + 1) {
		trace.count = innermost + 1;
		trace.problem =
		    "who called it is not known: the array lay below that address";
	}
	fprintf(stderr, "kiln: %s crashed: %s\n", name,
	        text ? text : what_happened(&known));
	print_backtrace(&trace, innermost);
	if (trace.problem)
		fprintf(stderr, "  %s\n", trace.problem);
	fputs(report_registers_text(registers, &crash->fault), stderr);
}
