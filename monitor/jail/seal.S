/*
 * The last act of the monitor, from a page that stays: unmap the monitor, seal every mapping
 * that is left, install the filter, enter the image with clean registers. No stack is used
 * until the image's own.
 *
 * rdi: struct seal_plan (jail.h). A step that fails ends the process: it is not sealed then.
 */
#define SYS_munmap     11
#define SYS_write      1
#define SYS_arch_prctl 158
#define SYS_exit_group 231
#define SYS_seccomp    317
#define SYS_mseal      462
#define ARCH_SET_FS    0x1002
#define SECCOMP_SET_MODE_FILTER 1

#define PLAN_UNMAP_COUNT 0
#define PLAN_SEAL_COUNT  8
#define PLAN_UNMAP       16
#define PLAN_SEAL        144
#define PLAN_PROGRAM     272
#define PLAN_BOOT        288
#define PLAN_STACK       296
#define PLAN_ENTRY       304

	.section .rodata.seal, "a", @progbits
	.globl	seal_code, seal_code_end
	.hidden	seal_code, seal_code_end
	.balign	16
seal_code:
	movq	%rdi, %rbx
	movq	PLAN_UNMAP_COUNT(%rbx), %r12
	leaq	PLAN_UNMAP(%rbx), %r13
	xorl	%edx, %edx
.Lunmap:
	testq	%r12, %r12
	jz	.Lunmapped
	movl	$SYS_munmap, %eax
	movq	(%r13), %rdi
	movq	8(%r13), %rsi
	syscall
	testq	%rax, %rax
	jnz	.Lfailed
	addq	$16, %r13
	decq	%r12
	jmp	.Lunmap

.Lunmapped:
	movq	PLAN_SEAL_COUNT(%rbx), %r12
	leaq	PLAN_SEAL(%rbx), %r13
.Lseal:
	testq	%r12, %r12
	jz	.Lsealed
	movl	$SYS_mseal, %eax
	movq	(%r13), %rdi
	movq	8(%r13), %rsi
	xorl	%edx, %edx
	syscall
	testq	%rax, %rax
	jnz	.Lfailed
	addq	$16, %r13
	decq	%r12
	jmp	.Lseal

.Lsealed:
	/* The thread pointer led to what is no longer there. */
	movl	$SYS_arch_prctl, %eax
	movl	$ARCH_SET_FS, %edi
	xorl	%esi, %esi
	syscall
	movl	$SYS_seccomp, %eax
	movl	$SECCOMP_SET_MODE_FILTER, %edi
	xorl	%esi, %esi
	leaq	PLAN_PROGRAM(%rbx), %rdx
	syscall
	testq	%rax, %rax
	jnz	.Lfailed

	movq	PLAN_STACK(%rbx), %rsp
	movq	PLAN_BOOT(%rbx), %rdi
	pushq	PLAN_ENTRY(%rbx)
	xorl	%eax, %eax
	xorl	%ebx, %ebx
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	xorl	%esi, %esi
	xorl	%ebp, %ebp
	xorl	%r8d, %r8d
	xorl	%r9d, %r9d
	xorl	%r10d, %r10d
	xorl	%r11d, %r11d
	xorl	%r12d, %r12d
	xorl	%r13d, %r13d
	xorl	%r14d, %r14d
	xorl	%r15d, %r15d
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
	ud2
.Lmessage:
	.ascii	"kiln-jail: the seal failed\n"
.Lmessage_end:
	.balign	16
seal_code_end:

	.section .note.GNU-stack, "", @progbits
