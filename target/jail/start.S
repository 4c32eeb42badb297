/*
 * The entry of a jailed image, and its gate: the only system call instruction in it. The
 * monitor's filter allows calls from the instruction behind that one alone, so code that
 * finds or makes another syscall instruction gains nothing by it.
 *
 * Both stand in one section, so that the assembler can tell their distance to the monitor.
 */
	.cfi_sections .debug_frame
	.section .text.gate, "ax", @progbits

/* From the monitor, by a jump: rdi is the struct kiln_boot, rsp the end of the stack, all
 * other registers are zero. */
	.globl	_start
	.hidden	_start
	.type	_start, @function
_start:
	.cfi_startproc
	.cfi_undefined %rip /* nobody called it: backtraces end here */
	/* The stack protector's guard, before any C runs: the last 8 bytes of the seed
	 * (<kiln/abi/boot.h>), the lowest zero, so that no text can contain it. */
	movq	184(%rdi), %rax
	movb	$0, %al
	movq	%rax, __stack_chk_guard(%rip)
	call	jail_start
	ud2
	.cfi_endproc
	.size	_start, . - _start

/* long jail_call(long a, long b, long c, long d, long e, long number) */
	.globl	jail_call
	.hidden	jail_call
	.type	jail_call, @function
	.balign	16
jail_call:
	.cfi_startproc
	movq	%rcx, %r10
	movl	%r9d, %eax
	syscall
	ret
	.cfi_endproc
.Lgate_end:
	.size	jail_call, . - jail_call

/* struct kiln_note_gate, after its header (<kiln/abi/manifest.h>) */
	.section .note.kiln, "a", @note
	.balign	4
	.long	5, 16, 8
	.asciz	"Kiln"
	.balign	4
	.quad	jail_call - _start
	.quad	.Lgate_end - jail_call

	.section .note.GNU-stack, "", @progbits
