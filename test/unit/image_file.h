/*
 * A sound image file, made by hand as target/jail/image.ld lays one out: for tests to
 * break. Include it in one file of a program.
 */
#ifndef TEST_IMAGE_FILE_H
#define TEST_IMAGE_FILE_H

#include "monitor/image.h"

enum { HEADERS = 7 };

/* A file with constants, text and data, as target/jail/image.ld lays them out. */
struct file {
	Elf64_Ehdr header;
	Elf64_Phdr ph[HEADERS];
	struct {
		struct kiln_note_header header;
		struct kiln_note_target desc;
	} target;
	struct {
		struct kiln_note_header header;
		struct kiln_note_gate desc;
	} gate;
	struct {
		struct kiln_note_header header;
		struct kiln_note_device desc;
		char texts[12];
	} device;
	struct {
		struct kiln_note_header header;
		struct kiln_note_param desc;
		char texts[20];
	} param[2];
	struct {
		struct kiln_note_header header;
		char texts[8];
	} fixed;
	uint8_t notes_end[8];
	Elf64_Dyn dynamic[4];
	uint64_t relr[3];      /* of the first constant, then of data[1] and data[3] */
	uint64_t relocated[2]; /* constants with addresses */
	uint8_t text[64];
	uint64_t data[4];
};

enum { CONSTANTS, TEXT, DATA, NOTE, DYNAMIC, STACK, RELRO };
enum { GATE = 16 }; /* in the text */

#define NOTE_HEADER(type, desc_size)                                        \
	{                                                                   \
		sizeof(KILN_NOTE_OWNER), (desc_size), type, KILN_NOTE_OWNER \
	}
#define AT(member) offsetof(struct file, member)

static uint64_t text_address(void)
{
	return PAGE + AT(text);
}

static uint64_t data_address(void)
{
	return 2 * PAGE + AT(data);
}

static Elf64_Phdr load_header(uint32_t flags, uint64_t offset, uint64_t address,
                              uint64_t size)
{
	return (Elf64_Phdr){.p_type = PT_LOAD,
	                    .p_flags = flags,
	                    .p_offset = offset,
	                    .p_vaddr = address,
	                    .p_filesz = size,
	                    .p_memsz = size};
}

static struct file sound(void)
{
	struct file f = {
	    .header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB,
	                           EV_CURRENT},
	               .e_type = ET_DYN,
	               .e_machine = EM_X86_64,
	               .e_phoff = AT(ph),
	               .e_phentsize = sizeof(Elf64_Phdr),
	               .e_phnum = HEADERS,
	               .e_entry = text_address()},
	    .target = {NOTE_HEADER(KILN_NOTE_TARGET, sizeof(f.target.desc)),
	               {KILN_ABI_VERSION, KILN_TARGET_JAIL}},
	    .gate = {NOTE_HEADER(KILN_NOTE_GATE, sizeof(f.gate.desc)), {GATE, 9}},
	    .device = {NOTE_HEADER(KILN_NOTE_DEVICE, sizeof(f.device.desc) + 12),
	               {KILN_DEVICE_NET, 0},
	               "net0\0serves"},
	    .param = {{NOTE_HEADER(KILN_NOTE_PARAM, sizeof(f.param[0].desc) + 20),
	               {KILN_PARAM_TYPE_PORT, 0, 0, 0},
	               "port\00080\0listened on"},
	              {NOTE_HEADER(KILN_NOTE_PARAM, sizeof(f.param[0].desc) + 17),
	               {KILN_PARAM_TYPE_UINT, 0, 2, 9},
	               "count\0003\0how many"}},
	    .fixed = {NOTE_HEADER(KILN_NOTE_FIXED, 8), "count\0005"},
	    .dynamic = {{DT_RELR, {.d_ptr = AT(relr)}},
	                {DT_RELRSZ, {.d_val = sizeof(f.relr)}},
	                {DT_RELRENT, {.d_val = sizeof(f.relr[0])}},
	                {DT_NULL, {0}}},
	    .relr = {AT(relocated), data_address() + 8, 1 << 2 | 1},
	    .relocated = {text_address()},
	    .text = {[GATE + 6] = 0x0f, [GATE + 7] = 0x05},
	    .data = {0x1111, data_address(), 0x3333, text_address()},
	};

	f.ph[CONSTANTS] = load_header(PF_R, 0, 0, AT(text));
	f.ph[TEXT] = load_header(PF_R | PF_X, AT(text), text_address(), sizeof(f.text));
	f.ph[DATA] = load_header(PF_R | PF_W, AT(data), data_address(), sizeof(f.data));
	f.ph[DATA].p_memsz += 100; /* bss */
	f.ph[NOTE] =
	    load_header(PF_R, AT(target), AT(target), AT(notes_end) - AT(target));
	f.ph[NOTE].p_type = PT_NOTE;
	f.ph[DYNAMIC] = load_header(PF_R, AT(dynamic), AT(dynamic), sizeof(f.dynamic));
	f.ph[DYNAMIC].p_type = PT_DYNAMIC;
	f.ph[STACK] = (Elf64_Phdr){.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W};
	f.ph[RELRO] = (Elf64_Phdr){.p_type = PT_NULL};
	return f;
}

#endif
