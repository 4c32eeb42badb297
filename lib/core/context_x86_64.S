/*
 * context_swap(void **save_sp, void *load_sp): the System V x86-64 callee-saved registers go
 * to the old stack, the stack pointer to *save_sp; then the same in reverse from load_sp.
 * The x87 and SSE control words are the same for all contexts of an image and are left alone.
 */
	.cfi_sections .debug_frame
	.section .text.context_swap, "ax", @progbits
	.globl	context_swap
	.hidden	context_swap
	.type	context_swap, @function
context_swap:
	.cfi_startproc
	push	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	push	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	push	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	push	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	push	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r14, 0
	push	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	mov	%rsp, (%rdi)
	mov	%rsi, %rsp
	pop	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r15
	pop	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r14
	pop	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	pop	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	pop	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	pop	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	ret
	.cfi_endproc
	.size	context_swap, . - context_swap

/* The first frame of a context: its struct is in rbx, put there by context_make. */
	.globl	context_start
	.hidden	context_start
	.type	context_start, @function
context_start:
	.cfi_startproc
	.cfi_undefined %rip /* nobody called it: backtraces end here */
	mov	%rbx, %rdi
	call	context_begin
	ud2
	.cfi_endproc
	.size	context_start, . - context_start

	.section .note.GNU-stack, "", @progbits
