/*
 * Where a vm image begins in ring 3, under Kiln's monitor and behind its own stub alike,
 * and the one `syscall` in it: the gate to the stub, not used under Kiln's monitor.
 */
	.cfi_sections .debug_frame
	.text
	.globl _start
	.hidden _start
	.type _start, @function
_start:
	.cfi_startproc
	.cfi_undefined %rip /* nobody called it: backtraces end here */
	xor %ebp, %ebp
	and $-16, %rsp
	call vm_start /* rdi: struct kiln_boot; does not return */
	ud2
	.cfi_endproc
	.size _start, . - _start

	/* uint64_t vm_gate(enum stub_call call, uint64_t a, uint64_t b) */
	.globl vm_gate
	.hidden vm_gate
	.type vm_gate, @function
vm_gate:
	.cfi_startproc
	syscall
	ret
	.cfi_endproc
vm_gate_end:
	.size vm_gate, . - vm_gate

	.section .note.kiln, "a", @note
	.balign 4
	.long 5, 16, 8 /* KILN_NOTE_GATE: struct kiln_note_gate */
	.ascii "Kiln\0\0\0\0"
	.quad vm_gate - _start, vm_gate_end - vm_gate

	.section .note.GNU-stack, "", @progbits
