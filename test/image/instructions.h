/*
 * Instructions that lead, or would on another machine, to more than ring 3 has: one line
 * each. For `do NAME` of attack.h. Most are to fault; those that do not are to change nothing.
 *
 * Where one of them does not fault, the code goes on behind it: so each leaves the stack and
 * the segments as they were, and some try at once what they would have made possible.
 */
#ifndef TEST_IMAGE_INSTRUCTIONS_H
#define TEST_IMAGE_INSTRUCTIONS_H

#include <kiln/slice.h>

static uint64_t instruction_room[8];

#define DO(name, code)                                                               \
	if (slice_equal(word, SLICE(name))) {                                        \
		__asm__ volatile(code                                                \
		                 : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+S"(source), \
		                   "+D"(to)                                          \
		                 :                                                   \
		                 : "r8", "r9", "r10", "r11", "memory", "cc");        \
		return true;                                                         \
	}

/* Makes the frame of an interrupt, for `iretq` to go on behind it at $SELECTOR. */
#define RETURN_TO(code_selector, stack_selector, flags)                         \
	"mov %%rsp, %%r8\n\t"                                                   \
	"pushq $" stack_selector "\n\tpushq %%r8\n\tpushq $" flags              \
	"\n\tpushq $" code_selector "\n\tlea 1f(%%rip), %%r9\n\tpushq %%r9\n\t" \
	"iretq\n1:\t"

/* clang-format off */
static bool do_instruction(struct slice word)
{
	uint64_t *b = instruction_room, *source = b, *to = b, a = 0, c = 0, d = 0;

	DO("hlt", "hlt")
	DO("cli", "cli")
	DO("sti", "sti")
	DO("iopl", "pushfq; orq $0x3000, (%%rsp); popfq; cli") /* by popf: has no effect */
	DO("in", "mov $0x3f8, %%edx; inb %%dx, %%al")
	DO("in-immediate", "inb $0x60, %%al")
	DO("ins", "mov $0x3f8, %%edx; insb")
	DO("out", "mov $0x3f8, %%edx; outb %%al, %%dx")
	DO("out-debug-exit", "mov $0x501, %%edx; outl %%eax, %%dx")
	DO("outs", "mov $0x3f8, %%edx; outsb")
	DO("read-cr0", "mov %%cr0, %%rax")
	DO("read-cr2", "mov %%cr2, %%rax")
	DO("read-cr3", "mov %%cr3, %%rax")
	DO("read-cr4", "mov %%cr4, %%rax")
	DO("read-cr8", "mov %%cr8, %%rax")
	DO("write-cr0", "mov %%rax, %%cr0")
	DO("write-cr3", "mov %%rax, %%cr3")
	DO("write-cr4", "mov %%rax, %%cr4")
	DO("write-cr8", "mov %%rax, %%cr8")
	DO("read-dr7", "mov %%dr7, %%rax")
	DO("write-dr0", "mov %%rax, %%dr0")
	DO("write-dr7", "mov %%rax, %%dr7")
	DO("clts", "clts")
	DO("lmsw", "lmsw %%ax")
	DO("rdmsr-efer", "mov $0xc0000080, %%ecx; rdmsr")
	DO("wrmsr-efer", "mov $0xc0000080, %%ecx; wrmsr")
	DO("wrmsr-lstar", "mov $0xc0000082, %%ecx; wrmsr")
	DO("wrmsr-apic-base", "mov $0x1b, %%ecx; wrmsr")
	DO("rdpmc", "rdpmc")
	DO("lgdt", "lgdt (%%rbx)")
	DO("lidt", "lidt (%%rbx)")
	DO("lldt", "lldt %%ax")
	DO("ltr", "ltr %%ax")
	DO("sgdt", "sgdt (%%rbx)")
	DO("sidt", "sidt (%%rbx)")
	DO("invd", "invd")
	DO("wbinvd", "wbinvd")
	DO("invlpg", "invlpg (%%rbx)")
	DO("invpcid", "invpcid (%%rbx), %%rax")
	DO("swapgs", "swapgs")
	DO("xsetbv", "xsetbv")
	DO("stac", "stac")
	DO("monitor", "monitor")
	DO("mwait", "mwait")
	DO("rsm", "rsm")
	DO("sysret", "lea 1f(%%rip), %%rcx; mov $2, %%r11d; sysretq; 1:")
	DO("sysexit", "lea 1f(%%rip), %%rdx; mov %%rsp, %%rcx; sysexitq; 1:")
	DO("encls", ".byte 0x0f, 0x01, 0xcf")
	DO("getsec", ".byte 0x0f, 0x37")
	DO("tdcall", ".byte 0x66, 0x0f, 0x01, 0xcc")
	DO("vmcall", "vmcall")
	DO("vmmcall", "vmmcall")
	DO("vmxon", "vmxon (%%rbx)")
	DO("vmlaunch", "vmlaunch")
	DO("vmrun", "vmrun %%rax")
	DO("vmsave", "vmsave %%rax")
	DO("int1", ".byte 0xf1")
	DO("int3", "int3")
	DO("int-nmi", "int $2")
	DO("int-double-fault", "int $8")
	DO("int-protection", "int $13")
	DO("int-page-fault", "int $14")
	DO("int-timer", "int $0x20")
	DO("int-80", "mov $20, %%eax; int $0x80")
	DO("int-ff", "int $0xff")
	DO("syscall", "mov $39, %%eax; syscall")
	DO("syscall-flags", "pushfq; orq $0x44400, (%%rsp); popfq; syscall; " 
	   "pushfq; andq $~0x44400, (%%rsp); popfq") /* direction, nesting, alignment */
	DO("sysenter", "mov $20, %%eax; mov %%rsp, %%rbx; sysenter")
	DO("lcall", "movq $0x10, 8(%%rbx); lcall *(%%rbx)")
	DO("ljmp-ring-0", "movw $0x10, 4(%%rbx); ljmp *(%%rbx)")
	DO("ljmp-32-bit", "movw $0x23, 4(%%rbx); ljmp *(%%rbx)")
	DO("lret-ring-0", "pushq $0x10; lea 1f(%%rip), %%r9; pushq %%r9; lretq; 1:")
	DO("iret-ring-0", RETURN_TO("0x10", "0x18", "2"))
	DO("iret-32-bit", RETURN_TO("0x23", "0x2b", "2"))
	DO("iret-iopl", RETURN_TO("0x33", "0x2b", "0x3002") "cli")
	DO("iret-vm86", RETURN_TO("0x33", "0x2b", "0x20002") "cli")
	DO("load-ss", "mov $0x18, %%eax; mov %%eax, %%ss")
	DO("load-ds", "mov $0x10, %%eax; mov %%eax, %%ds")
	DO("trap-flag", "pushfq; orq $0x100, (%%rsp); popfq; nop")
	DO("ud2", "ud2")
	return false;
}
/* clang-format on */

#undef DO

#endif
