/*
 * The last act of the monitor, from a page that stays: makes the system calls of the plan
 * (unmap the monitor, seal what is left, install the filter) and enters the image with clean
 * registers. No stack is used until the image's own.
 *
 * rdi: the first struct seal_call (jail.h). One that fails ends the process: it is not sealed.
 */
#define SYS_write      1
#define SYS_exit_group 231

	.section .rodata.seal, "a", @progbits
	.globl	seal_code, seal_code_end
	.hidden	seal_code, seal_code_end
	.balign	16
seal_code:
	movq	%rdi, %rbx
.Lnext:
	movq	(%rbx), %rax
	movq	8(%rbx), %rdi
	movq	16(%rbx), %rsi
	movq	24(%rbx), %rdx
	testq	%rax, %rax
	js	.Lenter
	syscall
	testq	%rax, %rax
	jnz	.Lfailed
	addq	$32, %rbx
	jmp	.Lnext

	/* The last one is none: rdi the boot struct, rsi the stack, rdx the entry. */
.Lenter:
	movq	%rsi, %rsp
	pushq	%rdx
	.irp	r, eax, ebx, ecx, edx, esi, ebp, r8d, r9d, r10d, r11d, r12d, r13d, r14d, r15d
	xorl	%\r, %\r
	.endr
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	pxor	%xmm\n, %xmm\n
	.endr
	cld
	ret

.Lfailed:
	movl	$SYS_write, %eax
	movl	$1, %edi
	leaq	.Lmessage(%rip), %rsi
	movl	$.Lmessage_end - .Lmessage, %edx
	syscall
	movl	$SYS_exit_group, %eax
	movl	$1, %edi
	syscall
.Lmessage:
	.ascii	"kiln-jail: the seal failed\n"
.Lmessage_end:
	.balign	16
seal_code_end:

	.section .note.GNU-stack, "", @progbits
