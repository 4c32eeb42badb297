/*
 * What kiln map reads: the linker's map as text, the parts of an image that was made by
 * hand, and which of them refers to which. However broken the input, nothing outside it is
 * touched (the sanitizers watch), and the parts add up to the file or are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <elf.h>
#undef fail /* cmocka's; the tool has a function of this name */
#include "tool/archive.h"
#include "tool/map.h"

/* The command never frees what it allocates: see tool.h. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

/* ---- the linker's map ---- */

static const char map_text[] =
    "Archive member included to satisfy reference by file (symbol)\n"
    "\n"
    "/a/libnet.a(two.c.o)          /a/one.c.o (b)\n"
    "\n"
    "Verworfene Eingabesektionen\n"
    "\n"
    " .text          0x0000000000000000        0x0 /a/one.c.o\n"
    " .text.never_called_at_all\n"
    "                0x0000000000000000       0x12 /a/libnet.a(two.c.o)\n"
    "\n"
    "Linker-Skript und Speicherzuordnung\n"
    "\n"
    "LOAD /a/one.c.o\n"
    ".text           0x0000000000001000       0x40\n"
    " *(.text .text.*)\n"
    " .text.entry    0x0000000000001000       0x10 /a/one.c.o\n"
    "                0x0000000000001000                entry\n"
    " .text.a_name_that_wraps\n"
    "                0x0000000000001010        0xc /a b/libnet.a(two.c.o)\n"
    " *fill*         0x000000000000101c        0x4 \n"
    " .text          0x0000000000001020       0x20 /a/libc.a(three.lo)\n"
    "                0x0000000000001040                text_end = .\n"
    "                0x0000000000001040                . = ALIGN (0x1000)\n"
    "\n"
    ".rodata         0x0000000000002000       0x20\n"
    " .rodata.b.str1.1\n"
    "                0x0000000000002000       0x10 /a/libnet.a(two.c.o)\n"
    "                                         0x18 (size before relaxing)\n"
    "                0x0000000000002010        0x4 LONG 0x4\n"
    " .rodata.c.str1.1\n"
    "                0x0000000000002020        0x9 /a/libnet.a(two.c.o)\n"
    "\n"
    ".a_very_long_output_section\n"
    "                0x0000000000003000       0x10\n"
    "\n"
    "/DISCARD/\n"
    " .comment       0x0000000000000000       0x28 /a/one.c.o\n"
    "\n"
    ".debug_line     0x0000000000000000       0x90\n"
    " .debug_line    0x0000000000000000       0x90 /a/one.c.o\n"
    "OUTPUT(/a/image.elf elf64-x86-64)\n";

static void assert_input(const struct map_input *input, const char *output,
                         const char *section, const char *file, uint64_t address,
                         uint64_t size)
{
	assert_string_equal(input->output, output);
	assert_string_equal(input->section, section);
	if (file)
		assert_string_equal(input->file, file);
	else
		assert_null(input->file);
	assert_int_equal(input->address, address);
	assert_int_equal(input->size, size);
}

static void test_map_text(void **state)
{
	struct map_link link;

	assert_true(map_link_read(&link, map_text));
	assert_int_equal(link.placed_count, 8);
	assert_input(&link.placed[0], ".text", ".text.entry", "/a/one.c.o", 0x1000, 0x10);
	assert_input(&link.placed[1], ".text", ".text.a_name_that_wraps",
	             "/a b/libnet.a(two.c.o)", 0x1010, 0xc);
	assert_input(&link.placed[2], ".text", "*fill*", NULL, 0x101c, 4);
	assert_input(&link.placed[3], ".text", ".text", "/a/libc.a(three.lo)", 0x1020,
	             0x20);
	assert_input(&link.placed[4], ".rodata", ".rodata.b.str1.1",
	             "/a/libnet.a(two.c.o)", 0x2000, 0x10);
	assert_input(&link.placed[5], ".rodata", ".rodata.c.str1.1",
	             "/a/libnet.a(two.c.o)", 0x2020, 9);
	assert_int_equal(link.dropped_count, 2);
	assert_string_equal(link.dropped[1].section, ".text.never_called_at_all");
	assert_int_equal(link.assigned.count, 1);
	assert_string_equal(link.assigned.item[0], "text_end");
}

static void test_no_map(void **state)
{
	struct map_link link;

	assert_false(map_link_read(&link, ""));
	assert_false(map_link_read(&link, "\n\n\n"));
	assert_false(map_link_read(&link, "VMA LMA Size Align Out In Symbol\n"));
	assert_false(map_link_read(&link, " .text 0x10000000000000000 0x1 /a/b.o\n"));
	assert_false(map_link_read(&link, " .text 0x1g 0x1 /a/b.o\n"));
	assert_false(map_link_read(&link, " .text 0x 0x1 /a/b.o\n"));
	assert_false(map_link_read(&link, " .text 0x1000\n"));
	assert_false(map_link_read(&link, " .text 0x1000 0x10\n"));
}

/* xorshift64: the same changes at every run. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void test_broken_map(void **state)
{
	static const char replacements[] = " \n0x(=.*/\tz";
	uint64_t seed = 1;

	for (size_t length = 0; length < sizeof(map_text); length++) {
		char *copy = malloc(length + 1);
		struct map_link link;
		memcpy(copy, map_text, length);
		copy[length] = 0;
		map_link_read(&link, copy);
		for (int i = 0; i < 3 && length; i++)
			copy[next_random(&seed) % length] =
			    replacements[next_random(&seed) % (sizeof(replacements) - 1)];
		map_link_read(&link, copy);
		free(copy);
	}
}

/* ---- an image made by hand ---- */

enum { TEXT = 0x1000, RODATA = 0x2000, BSS = 0x3000 };

enum {
	S_NULL,
	S_TEXT,
	S_RODATA,
	S_BSS,
	S_SYMTAB,
	S_STRTAB,
	S_RELA_TEXT,
	S_RELA_RODATA,
	S_NAMES,
	SECTIONS
};

static const char names[] =
    "\0.text\0.rodata\0.bss\0.symtab\0.strtab\0.rela.text\0.rela.rodata\0.shstrtab";
static const char strings[] =
    "\0entry\0helper\0helper_tail\0kept\0table\0text_end\0.L1\0buffer";

enum { SYMBOLS = 11 };

struct file {
	Elf64_Ehdr header;
	uint8_t gap[8];
	uint8_t text[0x40];
	uint8_t rodata[0x20];
	Elf64_Sym symtab[SYMBOLS];
	char strtab[sizeof(strings)];
	char names[sizeof(names)];
	uint8_t alignment[7];
	Elf64_Rela rela_text[4];
	Elf64_Rela rela_rodata[2];
	Elf64_Shdr section[SECTIONS];
};

static uint32_t name_at(const char *table, size_t size, const char *name)
{
	for (size_t i = 1; i < size; i += strlen(table + i) + 1)
		if (strcmp(table + i, name) == 0)
			return (uint32_t)i;
	assert_string_equal(name, "a name of the table");
	return 0;
}

static Elf64_Shdr section(const char *name, uint32_t type, uint64_t flags,
                          uint64_t address, size_t offset, size_t size)
{
	return (Elf64_Shdr){.sh_name = name_at(names, sizeof(names), name),
	                    .sh_type = type,
	                    .sh_flags = flags,
	                    .sh_addr = address,
	                    .sh_offset = offset,
	                    .sh_size = size};
}

static Elf64_Sym symbol(const char *name, unsigned char type, unsigned section_index,
                        uint64_t address, uint64_t size)
{
	return (Elf64_Sym){.st_name = *name ? name_at(strings, sizeof(strings), name) : 0,
	                   .st_info = ELF64_ST_INFO(STB_LOCAL, type),
	                   .st_shndx = (uint16_t)section_index,
	                   .st_value = address,
	                   .st_size = size};
}

#define AT(member)  offsetof(struct file, member)
#define ALL(member) AT(member), sizeof(((struct file *)0)->member)

/*
 *	entry	calls helper_tail, which lies in one section with helper, and writes a byte
 *		of buffer, and refers to table
 *	kept	is referred to by nothing
 *	table	has distances in it that seem to lead to `kept`
 */
static void make_file(struct file *f)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->header.e_ident, ELFMAG, SELFMAG);
	f->header.e_ident[EI_CLASS] = ELFCLASS64;
	f->header.e_shoff = AT(section);
	f->header.e_shentsize = sizeof(Elf64_Shdr);
	f->header.e_shnum = SECTIONS;
	f->header.e_shstrndx = S_NAMES;
	memset(f->text, 0x90, sizeof(f->text));
	memcpy(f->text, "\xe8\0\0\0\0", 5);           /* call */
	memcpy(f->text + 5, "\xc6\x05\0\0\0\0\1", 7); /* movb $1, buffer(%rip) */
	memcpy(f->strtab, strings, sizeof(strings));
	memcpy(f->names, names, sizeof(names));
	f->section[S_TEXT] =
	    section(".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, TEXT, ALL(text));
	f->section[S_RODATA] =
	    section(".rodata", SHT_PROGBITS, SHF_ALLOC, RODATA, ALL(rodata));
	f->section[S_BSS] =
	    section(".bss", SHT_NOBITS, SHF_ALLOC | SHF_WRITE, BSS, AT(symtab), 0x100);
	f->section[S_SYMTAB] = section(".symtab", SHT_SYMTAB, 0, 0, ALL(symtab));
	f->section[S_SYMTAB].sh_link = S_STRTAB;
	f->section[S_STRTAB] = section(".strtab", SHT_STRTAB, 0, 0, ALL(strtab));
	f->section[S_RELA_TEXT] = section(".rela.text", SHT_RELA, 0, 0, ALL(rela_text));
	f->section[S_RELA_TEXT].sh_info = S_TEXT;
	f->section[S_RELA_RODATA] =
	    section(".rela.rodata", SHT_RELA, 0, 0, ALL(rela_rodata));
	f->section[S_RELA_RODATA].sh_info = S_RODATA;
	f->section[S_NAMES] = section(".shstrtab", SHT_STRTAB, 0, 0, ALL(names));

	f->symtab[1] = symbol("", STT_SECTION, S_TEXT, TEXT, 0);
	f->symtab[2] = symbol("", STT_SECTION, S_BSS, BSS, 0);
	f->symtab[3] = symbol("entry", STT_FUNC, S_TEXT, TEXT, 16);
	f->symtab[4] = symbol("helper", STT_FUNC, S_TEXT, TEXT + 0x10, 4);
	f->symtab[5] = symbol("helper_tail", STT_FUNC, S_TEXT, TEXT + 0x14, 8);
	f->symtab[6] = symbol("kept", STT_NOTYPE, S_TEXT, TEXT + 0x20, 0);
	f->symtab[7] = symbol("table", STT_OBJECT, S_RODATA, RODATA, 8);
	f->symtab[8] = symbol("text_end", STT_NOTYPE, S_TEXT, TEXT + 0x20, 0);
	f->symtab[9] = symbol(".L1", STT_NOTYPE, S_TEXT, TEXT + 0x18, 0);
	f->symtab[10] = symbol("buffer", STT_OBJECT, S_BSS, BSS + 0x80, 0x80);
#define RELA(offset, number, type, addend)                 \
	(Elf64_Rela){.r_offset = offset,                   \
	             .r_info = ELF64_R_INFO(number, type), \
	             .r_addend = addend}
	f->rela_text[0] = RELA(TEXT + 1, 1, R_X86_64_PLT32, 0x14 - 4);
	/* The immediate byte behind the distance counts, too. */
	f->rela_text[1] = RELA(TEXT + 7, 2, R_X86_64_PC32, 0x80 - 5);
	/* The linker script's symbol is no reference to what happens to follow it. */
	f->rela_text[2] = RELA(TEXT + 12, 8, R_X86_64_PC32, -4);
	f->rela_text[3] = RELA(TEXT + 13, 7, R_X86_64_PC32, 4 - 4);
	f->rela_rodata[0] = RELA(RODATA, 1, R_X86_64_PC32, 0x20);
	f->rela_rodata[1] = RELA(RODATA + 4, 1, R_X86_64_PC32, 0x24);
}

static const char parts_text[] =
    ".text           0x0000000000001000       0x40\n"
    " .text.entry    0x0000000000001000       0x10 /a/one.c.o\n"
    " .text          0x0000000000001010       0x0c /a/libnet.a(two.c.o)\n"
    " *fill*         0x000000000000101c        0x4 \n"
    " .text.kept     0x0000000000001020       0x10 /a/libc.a(three.lo)\n"
    "                0x0000000000001020                text_end = .\n"
    ".rodata         0x0000000000002000       0x20\n"
    " .rodata.table  0x0000000000002000       0x10 /a/libnet.a(two.c.o)\n"
    " .rodata.gone.str1.1 0x0000000000002010  0x10 /a/libnet.a(two.c.o)\n"
    " .rodata.embed.site 0x0000000000002010   0x10 /a/embed_site.s.o\n"
    " .rodata.gone.str1.1 0x0000000000002020  0x10 /a/libnet.a(two.c.o)\n"
    ".bss            0x0000000000003000      0x100\n"
    " .bss.other     0x0000000000003000       0x80 /a/one.c.o\n"
    " .bss.buffer    0x0000000000003080       0x80 /a/one.c.o\n";

struct made {
	struct file file;
	struct sections sections;
	struct map_link link;
	struct map map;
	const char *why;
};

static bool read_made(struct made *m)
{
	return sections_read(&m->sections, &m->file, sizeof(m->file)) &&
	       map_parts_read(&m->map, &m->file, sizeof(m->file), &m->sections,
	                      &m->sections, &m->link, &m->why);
}

static uint64_t sum(const struct map *map)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < map->count; i++)
		if (map->part[i].kind != MAP_ZEROED) {
			assert_true(map->part[i].bytes <= map->bytes);
			bytes += map->part[i].bytes;
		}
	return bytes;
}

static size_t part_of(const struct map *map, const char *library, const char *object,
                      const char *name)
{
	for (size_t i = 0; i < map->count; i++)
		if (strcmp(map->part[i].library, library) == 0 &&
		    strcmp(map->part[i].object, object) == 0 &&
		    strcmp(map->part[i].name, name) == 0)
			return i;
	assert_string_equal(name, "a name of the map");
	return 0;
}

static void assert_part(const struct map *map, const char *library, const char *object,
                        const char *name, enum map_kind kind, uint64_t bytes)
{
	const struct map_part *part = &map->part[part_of(map, library, object, name)];

	assert_int_equal(part->kind, kind);
	assert_int_equal(part->bytes, bytes);
}

static void test_parts(void **state)
{
	struct made *m = calloc(1, sizeof(*m));

	make_file(&m->file);
	assert_true(map_link_read(&m->link, parts_text));
	assert_true(read_made(m));
	assert_int_equal(sum(&m->map), sizeof(m->file));
	assert_part(&m->map, "appliance", "one.c", "entry", MAP_CODE, 0x10);
	assert_part(&m->map, "net", "two.c", "helper", MAP_CODE, 4);
	assert_part(&m->map, "net", "two.c", "helper_tail", MAP_CODE, 8);
	assert_part(&m->map, "libc", "three", "kept", MAP_CODE, 0x10);
	assert_part(&m->map, "net", "two.c", "table", MAP_CONSTANTS, 0x10);
	assert_part(&m->map, "embedded", "site", "table of files", MAP_EMBEDDED, 0x10);
	assert_part(&m->map, "appliance", "one.c", "buffer", MAP_ZEROED, 0x80);
	/* Fill, and the end that no input section claims. */
	assert_part(&m->map, "format", "alignment", ".text", MAP_FORMAT, 0x14);
	assert_part(&m->map, "format", "headers", "ELF header", MAP_FORMAT, 64);
	free(m);
}

static void test_reach(void **state)
{
	struct made *m = calloc(1, sizeof(*m));
	struct map_reach *reach;
	size_t entry, tail, table, kept;

	make_file(&m->file);
	assert_true(map_link_read(&m->link, parts_text));
	assert_true(read_made(m));
	reach = map_graph_read(&m->map, &m->sections, &m->sections, &m->link, TEXT);
	entry = part_of(&m->map, "appliance", "one.c", "entry");
	tail = part_of(&m->map, "net", "two.c", "helper_tail");
	table = part_of(&m->map, "net", "two.c", "table");
	kept = part_of(&m->map, "libc", "three", "kept");
#define REACHED(part, by, whom)                           \
	do {                                              \
		assert_int_equal(reach[part].kind, by);   \
		assert_int_equal(reach[part].from, whom); \
	} while (0)
	REACHED(entry, MAP_ENTRY, entry);
	REACHED(tail, MAP_REFERENCE, entry);
	REACHED(part_of(&m->map, "net", "two.c", "helper"), MAP_NEIGHBOUR, tail);
	REACHED(part_of(&m->map, "appliance", "one.c", "buffer"), MAP_REFERENCE, entry);
	REACHED(kept, MAP_KEPT, kept);
	REACHED(table, MAP_REFERENCE, entry);
	free(reach);
	free(m);
}

static void test_names(void **state)
{
	struct made *m = calloc(1, sizeof(*m));
	struct map_found found;
	struct words similar;

	make_file(&m->file);
	assert_true(map_link_read(&m->link, parts_text));
	assert_true(read_made(m));
	found = map_find(&m->map, &m->sections, "helper");
	assert_int_equal(found.count, 1);
	found = map_find(&m->map, &m->sections, "helper*");
	assert_int_equal(found.count, 2);
	assert_int_equal(map_find(&m->map, &m->sections, "nothing").count, 0);
	similar = map_similar(&m->sections, "helpr", 5);
	assert_int_equal(similar.count, 1);
	assert_string_equal(similar.item[0], "helper");
	similar = map_similar(&m->sections, "tail", 5);
	assert_string_equal(similar.item[similar.count - 1], "helper_tail");
	free(m);
}

/* Whatever is changed, the parts add up or are refused. */
static void try_made(struct made *m)
{
	if (!read_made(m))
		return;
	assert_int_equal(sum(&m->map), sizeof(m->file));
	free(map_graph_read(&m->map, &m->sections, &m->sections, &m->link, TEXT));
	map_find(&m->map, &m->sections, "*");
	map_similar(&m->sections, "entri", 3);
}

static void test_broken_file(void **state)
{
	struct made *m = calloc(1, sizeof(*m));
	uint64_t seed = 2;

	assert_true(map_link_read(&m->link, parts_text));
	for (int round = 0; round < 3000; round++) {
		uint8_t *bytes = (uint8_t *)&m->file;
		make_file(&m->file);
		for (int i = 0; i < 1 + round % 4; i++) {
			size_t begin = round % 3 ? AT(symtab) : 0;
			size_t at =
			    begin + next_random(&seed) % (sizeof(m->file) - begin);
			bytes[at] = (uint8_t)next_random(&seed);
		}
		try_made(m);
	}
	free(m);
}

static void test_strange_map(void **state)
{
	struct made *m = calloc(1, sizeof(*m));
	uint64_t seed = 3;

	make_file(&m->file);
	for (int round = 0; round < 2000; round++) {
		char copy[sizeof(parts_text)];
		memcpy(copy, parts_text, sizeof(copy));
		for (int i = 0; i < 8; i++) {
			/* Digits become others: addresses and sizes that lie. */
			size_t at = next_random(&seed) % (sizeof(copy) - 1);
			if (copy[at] >= '0' && copy[at] <= '9')
				copy[at] = "0123456789abcdef"[next_random(&seed) % 16];
		}
		if (map_link_read(&m->link, copy))
			try_made(m);
	}
	free(m);
}

/* ---- static libraries ---- */

static const char archive_text[] = "!<arch>\n"
                                   "/               0           0     0     0       "
                                   "4         `\n"
                                   "\0\0\0\0"
                                   "//                                              "
                                   "32        `\n"
                                   "a_long_name_of_a_member.c.o/\n\n\n\n"
                                   "short.o/        0           0     0     644     "
                                   "3         `\n"
                                   "one\n"
                                   "/0              0           0     0     644     "
                                   "4         `\n"
                                   "four";

static void test_archive(void **state)
{
	struct archive archive;
	struct archive_member member;

	assert_false(archive_open(&archive, "no archive at all", 17));
	assert_true(archive_open(&archive, archive_text, sizeof(archive_text) - 1));
	assert_true(archive_next(&archive, &member));
	assert_string_equal(member.name, "short.o");
	assert_int_equal(member.size, 3);
	assert_memory_equal(member.bytes, "one", 3);
	assert_true(archive_next(&archive, &member));
	assert_string_equal(member.name, "a_long_name_of_a_member.c.o");
	assert_memory_equal(member.bytes, "four", 4);
	assert_false(archive_next(&archive, &member));
}

static void test_broken_archive(void **state)
{
	uint64_t seed = 4;

	for (size_t length = 0; length < sizeof(archive_text); length++)
		for (int round = 0; round < 8; round++) {
			char *copy = malloc(length ? length : 1);
			struct archive archive;
			struct archive_member member;
			memcpy(copy, archive_text, length);
			for (int i = 0; i < round && length; i++)
				copy[next_random(&seed) % length] =
				    (char)next_random(&seed);
			if (archive_open(&archive, copy, length))
				while (archive_next(&archive, &member))
					assert_true(member.size <= length);
			free(copy);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_map_text),    cmocka_unit_test(test_no_map),
	    cmocka_unit_test(test_broken_map),  cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_reach),       cmocka_unit_test(test_names),
	    cmocka_unit_test(test_broken_file), cmocka_unit_test(test_strange_map),
	    cmocka_unit_test(test_archive),     cmocka_unit_test(test_broken_archive),
	};
	return cmocka_run_group_tests_name("map_read", tests, NULL, NULL);
}
