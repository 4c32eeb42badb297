/*
 * context_swap(void **save_sp, void *load_sp): the System V x86-64 callee-saved registers go
 * to the old stack, the stack pointer to *save_sp; then the same in reverse from load_sp.
 * The x87 and SSE control words are the same for all contexts of an image and are left alone.
 */
	.section .text.context_swap, "ax", @progbits
	.globl	context_swap
	.hidden	context_swap
	.type	context_swap, @function
context_swap:
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, (%rdi)
	mov	%rsi, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	ret
	.size	context_swap, . - context_swap

/* The first frame of a context: its struct is in rbx, put there by context_make. */
	.globl	context_start
	.hidden	context_start
	.type	context_start, @function
context_start:
	mov	%rbx, %rdi
	call	context_begin
	ud2
	.size	context_start, . - context_start

	.section .note.GNU-stack, "", @progbits
