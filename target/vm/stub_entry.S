/*
 * The stub's assembly: the PVH entry (protected mode, no paging) into long mode, the step
 * down into ring 3, the gate that ring 3 calls by `syscall`, interrupts and exceptions.
 * See stub.h for the rules and image.ld for what is mapped when.
 */
#include "stub.h"

	/* ---- runs once, at physical addresses ---- */

	.section .stub.boot.entry, "ax"
	.code32
	.globl pvh_start
	.hidden pvh_start
pvh_start:
	cld
	cli
	/* Where this lies: a call into a word of the start info, which is put back. */
	mov 4(%ebx), %edx
	lea 8(%ebx), %esp
	call 1f
1:	pop %ebp
	mov %edx, 4(%ebx)
	lea (stub_stack_end - 1b)(%ebp), %esp

	/* The first 4 GiB as they are, in 2 MiB pages: PML4, PDPT, four directories. */
	lea (stub_tables - 1b)(%ebp), %esi
	mov %esi, %edi
	xor %eax, %eax
	mov $(6 * 1024), %ecx
	rep stosl
	lea 0x1003(%esi), %eax
	mov %eax, (%esi)
	lea 0x2003(%esi), %eax
	lea 0x1000(%esi), %edi
	mov $4, %ecx
2:	mov %eax, (%edi)
	add $0x1000, %eax
	add $8, %edi
	loop 2b
	lea 0x2000(%esi), %edi
	mov $0x83, %eax
	mov $2048, %ecx
3:	mov %eax, (%edi)
	add $0x200000, %eax
	add $8, %edi
	loop 3b

	mov %cr4, %eax
	or $0x20, %eax /* PAE */
	mov %eax, %cr4
	mov %esi, %cr3
	mov $0xc0000080, %ecx /* EFER: long mode */
	rdmsr
	or $0x100, %eax
	wrmsr
	mov %cr0, %eax
	or $0x80000001, %eax /* PG, PE */
	mov %eax, %cr0

	lea (boot_gdt - 1b)(%ebp), %eax
	push %eax
	pushw $(boot_gdt_end - boot_gdt - 1)
	lgdt (%esp)
	pushl $STUB_KERNEL_CODE
	lea (4f - 1b)(%ebp), %eax
	push %eax
	lret

	.code64
4:	mov $STUB_KERNEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	lea stub_stack_end(%rip), %rsp
	mov %ebx, %edi
	call stub_boot
stub_booted: /* a debugger stops here, and reads stub_image_base (tool/debugger.c) */
	lea stub_enter(%rip), %rax
	add stub+STUB_OFFSET(%rip), %rax
	jmp *%rax

	.balign 8
boot_gdt:
	.quad 0, 0
	.quad 0x00af9b000000ffff /* STUB_KERNEL_CODE */
	.quad 0x00cf93000000ffff /* STUB_KERNEL_DATA */
boot_gdt_end:

	/* ---- stays, at its virtual address ---- */

	.section .stub.text, "ax"
stub_enter:
	lea stub_stack_end(%rip), %rsp
	mov stub+STUB_TABLES(%rip), %rax
	mov %rax, %cr3
	lgdt stub+STUB_GDTR+6(%rip)
	lidt stub+STUB_IDTR+6(%rip)
	mov $STUB_TASK, %eax
	ltr %ax
	mov $STUB_USER_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	pushq $STUB_USER_DATA
	pushq stub+STUB_STACK(%rip)
	pushq $2 /* rflags: interrupts stay off in ring 3 */
	pushq $STUB_USER_CODE
	pushq stub+STUB_ENTRY(%rip)
	mov stub+STUB_BOOT(%rip), %rdi
	xor %eax, %eax
	xor %ebx, %ebx
	xor %ecx, %ecx
	xor %edx, %edx
	xor %esi, %esi
	xor %ebp, %ebp
	xor %r8d, %r8d
	xor %r9d, %r9d
	xor %r10d, %r10d
	xor %r11d, %r11d
	xor %r12d, %r12d
	xor %r13d, %r13d
	xor %r14d, %r14d
	xor %r15d, %r15d
	iretq

	/* From ring 3, interrupts off: rdi call, rsi and rdx arguments; rax result. */
	.globl stub_gate
	.hidden stub_gate
stub_gate:
	mov %rsp, stub+STUB_USER_STACK(%rip)
	lea stub_stack_end(%rip), %rsp
	push %rcx
	push %r11
	call stub_call
	pop %r11
	pop %rcx
	xor %edx, %edx
	xor %esi, %esi
	xor %edi, %edi
	xor %r8d, %r8d
	xor %r9d, %r9d
	xor %r10d, %r10d
	mov stub+STUB_USER_STACK(%rip), %rsp
	sysretq

	/* One entry for each exception, STUB_EXCEPTION_STRIDE apart. Those that come with an
	 * error code of the processor: 8, 10 to 14, 17, 21, 29, 30. */
	.globl stub_exceptions
	.hidden stub_exceptions
stub_exceptions:
	.set vector, 0
	.rept STUB_EXCEPTIONS
	.org stub_exceptions + vector * STUB_EXCEPTION_STRIDE
	.if !((0x60227d00 >> vector) & 1)
	pushq $0
	.endif
	pushq $vector
	jmp exception
	.set vector, vector + 1
	.endr

	/* These only end a `hlt`. */
	.globl stub_interrupt, stub_serial_interrupt, stub_spurious
	.hidden stub_interrupt, stub_serial_interrupt, stub_spurious
stub_serial_interrupt:
	push %rax
	push %rdx
1:	mov $(STUB_SERIAL + 5), %edx
	in %dx, %al
	cmp $0xff, %al /* no such port */
	je 2f
	test $1, %al
	jz 2f
	mov $STUB_SERIAL, %edx
	in %dx, %al
	cmp $3, %al /* Ctrl-C */
	jne 1b
	movl $1, stub+STUB_STOP(%rip)
	jmp 1b
2:	pop %rdx
	pop %rax
stub_interrupt:
	push %rax
	mov stub+STUB_LAPIC(%rip), %rax
	movl $0, 0xb0(%rax) /* end of interrupt */
	pop %rax
stub_spurious:
	iretq

exception:
	push %rax
	push %rbx
	push %rcx
	push %rdx
	push %rsi
	push %rdi
	push %rbp
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	cld
	mov %rsp, %rdi
	call stub_fault

	.section .stub.data, "aw", @nobits
	.globl stub, stub_stack_end, stub_fault_stack_end
	.hidden stub, stub_stack_end, stub_fault_stack_end
	.balign 16
	.set stub_image_base, stub + STUB_IMAGE_BASE
stub:
	.skip STUB_SIZE
	.balign 16
	.skip STUB_STACK_SIZE
stub_stack_end:
	.skip STUB_STACK_SIZE
stub_fault_stack_end:

	.section .stub.tables, "aw", @nobits
	.globl stub_tables
	.hidden stub_tables
	.balign 4096
stub_tables:
	.skip 6 * 4096

	.section .note.GNU-stack, "", @progbits
