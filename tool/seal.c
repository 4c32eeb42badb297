/*
 * Looks through every executable section of an image, instruction by instruction, for
 *what its target does not permit:
 *
 *	jail, vm	a system call outside the gate that the manifest names
 *	vm		a privileged instruction outside the stub, whose segments carry
 *			KILN_SEGMENT_STUB
 *
 * This is a linear sweep over what the compiler made. It finds what got in by mistake or
 *by a library; against code that jumps into the middle of its own instructions, what
 *holds is the monitor's filter (the address of the gate is part of it) and ring 3.
 */
#include <elf.h>
#include <inttypes.h>
#include <string.h>
#include <capstone/capstone.h>
#include "seal.h"

static bool enters_kernel(unsigned id)
{
	switch (id) {
	case X86_INS_SYSCALL:
	case X86_INS_SYSENTER:
	case X86_INS_INT:
	case X86_INS_INTO:
	case X86_INS_INT1:
	case X86_INS_VMCALL:
	case X86_INS_VMMCALL:
	case X86_INS_LCALL:
	case X86_INS_LJMP:
		return true;
	default:
		return false;
	}
}

/* What faults, or ought to, outside ring 0; or works on the machine's state. */
static bool is_privileged(csh handle, const cs_insn *instruction)
{
	switch (instruction->id) {
	case X86_INS_IN:
	case X86_INS_INSB:
	case X86_INS_INSW:
	case X86_INS_INSD:
	case X86_INS_OUT:
	case X86_INS_OUTSB:
	case X86_INS_OUTSW:
	case X86_INS_OUTSD:
	case X86_INS_CLI:
	case X86_INS_STI:
	case X86_INS_IRET:
	case X86_INS_IRETD:
	case X86_INS_IRETQ:
	case X86_INS_SGDT:
	case X86_INS_SIDT:
	case X86_INS_SLDT:
	case X86_INS_STR:
	case X86_INS_SMSW:
	case X86_INS_XSETBV:
	case X86_INS_SWAPGS:
	case X86_INS_RETF:
	case X86_INS_RETFQ:
		return true;
	default:
		return cs_insn_group(handle, instruction, X86_GRP_PRIVILEGE);
	}
}

/* The stub of a vm image: privileged throughout, and begun in 32-bit mode. */
static bool is_stub(const struct image *image, const struct section *section)
{
	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct image_segment *s = &image->segments[i];
		if ((s->flags & KILN_SEGMENT_STUB) &&
		    section->address - s->address < s->memory_size)
			return image->target.target == KILN_TARGET_VM;
	}
	return false;
}

/* Outside a stub, the gate is the one place for a system call. */
static bool is_permitted(const struct image *image, uint64_t address, bool privileged)
{
	uint64_t gate = image->entry + (uint64_t)image->gate.offset;

	return !privileged && image->has_gate && address - gate < image->gate.size;
}

static const char *place(const struct sections *debug, uint64_t address)
{
	const char *symbol = sections_symbol(debug, address);

	return symbol ? text_format("0x%" PRIx64 " (%s)", address, symbol)
	              : text_format("0x%" PRIx64, address);
}

static void check_code(csh handle, struct words *broken, const struct image *image,
                       const struct section *section, const struct sections *debug)
{
	const uint8_t *code = section->bytes;
	size_t left = section->size;
	uint64_t address = section->address;
	cs_insn *instruction = cs_malloc(handle);

	while (left) {
		uint64_t at = address;
		bool privileged;

		if (!cs_disasm_iter(handle, &code, &left, &address, instruction)) {
			/* Not one that capstone knows: go on behind its first byte. */
			words_add(broken,
			          text_format("byte 0x%02x at %s in %s is no known "
			                      "instruction",
			                      *code, place(debug, at), section->name));
			code++;
			address++;
			left--;
			continue;
		}
		privileged = is_privileged(handle, instruction);
		if (!privileged && !enters_kernel(instruction->id))
			continue;
		if (!is_permitted(image, at, privileged))
			words_add(broken,
			          text_format("%s instruction '%s%s%s' at %s in %s",
			                      privileged ? "privileged" : "system call",
			                      instruction->mnemonic,
			                      instruction->op_str[0] ? " " : "",
			                      instruction->op_str, place(debug, at),
			                      section->name));
	}
	cs_free(instruction, 1);
}

/* Those that are relative are packed (RELR), and image_relocate() checks them. */
static void check_relocations(struct words *broken, const struct section *section)
{
	if ((section->type == SHT_REL || section->type == SHT_RELA) && section->size)
		words_add(broken, text_format("relocations other than RELR in %s",
		                              section->name));
}

void seal_check(struct words *broken, const struct image *image,
                const struct sections *sections, const struct sections *debug)
{
	csh handle;
	bool code_seen = false;

	if (image->stack_executable)
		words_add(broken, "the stack is executable");
	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct image_segment *s = &image->segments[i];
		if ((s->flags & PF_W) && (s->flags & PF_X))
			words_add(broken, text_format("the segment at 0x%" PRIx64
			                              " is writable and executable",
			                              s->address));
	}
	if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK)
		fail("cannot start the disassembler");
	cs_option(handle, CS_OPT_DETAIL, CS_OPT_ON);
	for (size_t i = 0; i < sections->count; i++) {
		const struct section *s = &sections->item[i];
		if (!(s->flags & SHF_ALLOC))
			continue;
		if ((s->flags & SHF_EXECINSTR) && s->bytes) {
			code_seen = true;
			if (is_stub(image, s))
				continue;
			check_code(handle, broken, image, s, debug);
		}
		if (s->bytes)
			check_relocations(broken, s);
	}
	cs_close(&handle);
	if (!code_seen)
		words_add(broken, "there is no section of code to look through");
}
