/*
 * The end of a guest that went wrong, in words and registers.
 *
 * The guest has no exception handlers: an exception shuts its vCPU down with the
 * registers as they were at the instruction, which is all that a handler could have
 * saved. Which exception it was is told by cr2, which only a page fault sets, and by the
 * instruction. Image addresses are printed as in the image file, for addr2line and
 * objdump.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include "../report.h"
#include "kvm.h"

enum { VECTOR_PAGE_FAULT = 14, VECTOR_UNKNOWN = 256, CODE_SIZE = 16 };

/* A report is written at once, by the one call that the filter allows. */
struct report {
	size_t size;
	char text[2048];
};

__attribute__((format(printf, 2, 3))) static void add(struct report *report,
                                                      const char *format, ...)
{
	size_t room = sizeof(report->text) - report->size;
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(report->text + report->size, room, format, args);
	va_end(args);
	if (size > 0)
		report->size += (size_t)size < room ? (size_t)size : room - 1;
}

static const char *vector_text(uint64_t vector)
{
	static const char *const text[] = {
	    [0] = "division by zero or its result too large",
	    [3] = "breakpoint",
	    [6] = "no such instruction",
	    [8] = "double fault",
	    [13] = "general protection",
	    [14] = "page fault",
	    [16] = "floating-point error",
	    [17] = "unaligned access",
	    [19] = "floating-point error",
	};

	if (vector < sizeof(text) / sizeof(text[0]) && text[vector])
		return text[vector];
	return "exception";
}

/* Where an address is in the image file; false if it is not of the image. */
static bool image_address(const struct monitor *monitor, uint64_t *address)
{
	uint64_t at = *address - monitor->space.offset - monitor->space.image;

	if (at >= monitor->image.span)
		return false;
	*address = at;
	return true;
}

/* The bytes of the instruction, when they can be read. */
static void add_instruction(struct report *report, const struct monitor *monitor,
                            uint64_t rip)
{
	const uint8_t *code = guest_memory_at(
	    &monitor->space.memory, rip - monitor->space.offset, 15, GUEST_READ);

	if (!code)
		return;
	add(report, "  code");
	for (unsigned i = 0; i < 15; i++)
		add(report, " %02x", code[i]);
	add(report, "\n");
}

/* As much of the guest's memory from this address on as a backtrace may take. */
static void report_guest(const struct monitor *monitor, uint64_t address, uint64_t most)
{
	const struct guest_memory *memory = &monitor->space.memory;
	uint64_t at = address - monitor->space.offset;
	uint64_t size = at < memory->end ? memory->end - at : 0;

	size = size < most ? size : most;
	if (guest_memory_at(memory, at, size, GUEST_READ))
		report_memory(&monitor->options, address,
		              memory->base + (at - memory->start), size);
}

/* Leaves the words to the parent, which has the names as well. */
static void report_to_parent(const struct monitor *monitor, const struct kiln_fault *f)
{
	const struct report_fault fault = {.fault = *f};

	report_guest(monitor, f->rip, CODE_SIZE);
	report_guest(monitor, f->rsp, SPACE_STACK + PAGE); /* it may be in the guard */
	report_fault(&monitor->options, &fault);
}

_Noreturn static void end_by_fault(const struct monitor *monitor,
                                   const struct kiln_fault *f)
{
	struct report report = {0};
	char registers[REPORT_REGISTERS_SIZE];
	uint64_t rip = f->rip;
	bool of_image = image_address(monitor, &rip);

	if (monitor->options.report >= 0) {
		report_to_parent(monitor, f);
		_exit(MONITOR_EXIT_FAILED);
	}
	add(&report, "%s: the image faulted at %s0x%llx: ", monitor->options.program,
	    of_image ? "its address " : "", (unsigned long long)rip);
	if (f->vector == VECTOR_PAGE_FAULT)
		add(&report, "page fault, access to 0x%llx, %s\n",
		    (unsigned long long)f->address,
		    space_describe(&monitor->space, f->address));
	else if (f->vector == VECTOR_UNKNOWN)
		add(&report, "an instruction that cannot or may not be executed\n");
	else
		add(&report, "%s (exception %llu, code 0x%llx)\n", vector_text(f->vector),
		    (unsigned long long)f->vector, (unsigned long long)f->code);
	add(&report, "%s", report_registers_text(registers, f));
	add_instruction(&report, monitor, f->rip);
	if (write(STDERR_FILENO, report.text, report.size) < 0)
		_exit(MONITOR_EXIT_FAILED);
	_exit(MONITOR_EXIT_FAILED);
}

_Noreturn void report_shutdown(const struct monitor *monitor)
{
	struct kvm_regs r;
	struct kvm_sregs s;
	struct kiln_fault f;
	int vcpu = monitor->machine.vcpu;

	if (ioctl(vcpu, KVM_GET_REGS, &r) < 0 || ioctl(vcpu, KVM_GET_SREGS, &s) < 0)
		monitor_fail(&monitor->options,
		             "the image faulted; its registers are lost");
	f = (struct kiln_fault){.vector = s.cr2 == MACHINE_NO_ADDRESS ? VECTOR_UNKNOWN
	                                                              : VECTOR_PAGE_FAULT,
	                        .address = s.cr2,
	                        .rip = r.rip,
	                        .rsp = r.rsp,
	                        .rflags = r.rflags,
	                        .rax = r.rax,
	                        .rbx = r.rbx,
	                        .rcx = r.rcx,
	                        .rdx = r.rdx,
	                        .rsi = r.rsi,
	                        .rdi = r.rdi,
	                        .rbp = r.rbp,
	                        .r8 = r.r8,
	                        .r9 = r.r9,
	                        .r10 = r.r10,
	                        .r11 = r.r11,
	                        .r12 = r.r12,
	                        .r13 = r.r13,
	                        .r14 = r.r14,
	                        .r15 = r.r15};
	end_by_fault(monitor, &f);
}

_Noreturn void report_own(const struct monitor *monitor, uint64_t address)
{
	const void *fault =
	    guest_memory_at(&monitor->space.memory, address - monitor->space.offset,
	                    sizeof(struct kiln_fault), GUEST_READ);
	struct kiln_fault copy;

	if (!fault)
		monitor_fail(&monitor->options,
		             "the image reports a fault from outside its memory");
	memcpy(&copy, fault, sizeof(copy));
	end_by_fault(monitor, &copy);
}
