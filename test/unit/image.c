/*
 * The image reader against files made by hand: a sound one is read and loaded; every way
 * of breaking it is refused with a sentence, and nothing outside the file or the memory
 * is touched (the sanitizers watch; each file is copied to a heap block of its exact
 * size).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <kiln/abi/address.h>
#include "image_file.h"

static char error[256];

/* Parses a copy that ends where the heap block does, and loads it if it parsed. */
static bool accepts_size(const struct file *f, size_t size, struct image *image)
{
	uint8_t *copy = malloc(size ? size : 1);
	uint8_t *memory = NULL;
	bool ok;

	memcpy(copy, f, size);
	memset(error, 0, sizeof(error));
	ok = image_parse(image, copy, size, error, sizeof(error));
	if (ok && image->span <= 16 * PAGE) {
		memory = calloc(1, image->span);
		ok = image_load(image, memory, 0x7000000000, error, sizeof(error));
	}
	assert_true(ok || strlen(error) > 8);
	free(memory);
	free(copy);
	return ok;
}

static bool accepts(const struct file *f)
{
	struct image image;

	return accepts_size(f, sizeof(*f), &image);
}

#define refused(f, sentence)                          \
	do {                                          \
		assert_false(accepts(f));             \
		assert_string_equal(error, sentence); \
	} while (0)

static void a_sound_image_is_read(void **state)
{
	struct file f = sound();
	struct image image;

	assert_true(image_parse(&image, &f, sizeof(f), error, sizeof(error)));
	assert_int_equal(image.segment_count, 3);
	assert_int_equal(image.span, 3 * PAGE);
	assert_int_equal(image.entry, text_address());
	assert_int_equal(image.target.target, KILN_TARGET_JAIL);
	assert_true(image.has_gate);
	assert_int_equal(image.gate.offset, GATE);
	assert_string_equal(image_device(&image, "net0")->help, "serves");
	assert_string_equal(image_param(&image, "port")->value, "80");
	assert_null(image_param(&image, "ports"));
	assert_null(image_device(&image, ""));
	assert_false(image.param_fixed[0]);
	assert_true(image.param_fixed[1]);
	assert_string_equal(image.fixed[0].value, "5");
	assert_false(image.stack_executable);
}

static void it_is_loaded_and_relocated(void **state)
{
	const uint64_t base = 0x123456789000;
	struct file f = sound();
	struct image image;
	uint64_t word;
	uint8_t *memory;

	assert_true(image_parse(&image, &f, sizeof(f), error, sizeof(error)));
	memory = calloc(1, image.span);
	assert_true(image_load(&image, memory, base, error, sizeof(error)));
	assert_memory_equal(memory + text_address(), f.text, sizeof(f.text));
	memcpy(&word, memory + AT(relocated), 8);
	assert_int_equal(word, base + text_address());
	memcpy(&word, memory + data_address() + 8, 8);
	assert_int_equal(word, base + data_address());
	memcpy(&word, memory + data_address() + 16, 8);
	assert_int_equal(word, 0x3333);
	memcpy(&word, memory + data_address() + 24, 8);
	assert_int_equal(word, base + text_address());
	assert_int_equal(memory[data_address() + sizeof(f.data)], 0);
	free(memory);
}

/* A PVH image is linked for a physical address; everything is relative to its lowest
 * page. */
static void link_addresses_need_not_begin_at_zero(void **state)
{
	const uint64_t link = 0x100000;
	struct file f = sound();
	struct image image;
	uint64_t word;
	uint8_t *memory;

	for (int i = 0; i < HEADERS; i++)
		f.ph[i].p_vaddr += link;
	f.header.e_entry += link;
	f.dynamic[0].d_un.d_ptr += link;
	f.relr[0] += link;
	f.relr[1] += link;
	f.relocated[0] += link;
	f.data[1] += link;
	f.data[3] += link;
	assert_true(image_parse(&image, &f, sizeof(f), error, sizeof(error)));
	assert_int_equal(image.link_base, link);
	assert_int_equal(image.entry, text_address());
	assert_int_equal(image.span, 3 * PAGE);
	memory = calloc(1, image.span);
	assert_true(image_load(&image, memory, 0x5000, error, sizeof(error)));
	memcpy(&word, memory + AT(relocated), 8);
	assert_int_equal(word, 0x5000 + text_address());
	free(memory);
}

static void a_parameter_of_every_type_is_read(void **state)
{
	for (uint32_t type = KILN_PARAM_TYPE_BOOL; type < KILN_PARAM_TYPES; type++) {
		struct file f = sound();

		f.param[0].desc.type = type;
		assert_true(accepts(&f));
		assert_string_not_equal(param_takes_text(type), "unknown");
	}
}

static void cut_off_anywhere_it_is_refused(void **state)
{
	struct file f = sound();
	struct image image;

	for (size_t size = 0; size < AT(data) + sizeof(f.data); size++)
		assert_false(accepts_size(&f, size, &image));
}

/* Not every change breaks the file; none may break the reader. */
static void any_byte_may_be_any_value(void **state)
{
	static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	struct file f = sound();
	uint8_t *bytes = (uint8_t *)&f;
	struct image image;

	for (size_t at = 0; at < AT(text); at++) {
		uint8_t before = bytes[at];
		for (size_t i = 0; i < sizeof(values); i++) {
			bytes[at] = values[i];
			(void)accepts_size(&f, sizeof(f), &image);
		}
		bytes[at] = before;
	}
}

static void foreign_files_are_refused(void **state)
{
	struct file f = sound();

	f.header.e_ident[0] = 0;
	refused(&f, "not an ELF file");
	f = sound();
	f.header.e_ident[EI_CLASS] = ELFCLASS32;
	refused(&f, "not for x86-64");
	f = sound();
	f.header.e_machine = EM_AARCH64;
	refused(&f, "not for x86-64");
	f = sound();
	f.header.e_type = ET_EXEC;
	refused(&f, "not a position-independent executable");
	f = sound();
	f.header.e_phentsize--;
	refused(&f, "program headers of an unknown size");
	f = sound();
	f.header.e_phoff = UINT64_MAX - 8;
	refused(&f, "program headers outside the file");
	f = sound();
	f.ph[STACK].p_type = PT_INTERP;
	refused(&f, "it needs a dynamic loader");
	f = sound();
	f.ph[STACK].p_type = PT_TLS;
	refused(&f, "it has thread-local storage");
}

static void bad_segments_are_refused(void **state)
{
	struct file f = sound();

	f.ph[TEXT].p_flags |= PF_W;
	refused(&f, "a segment is both writable and executable");
	f = sound();
	f.ph[DATA].p_vaddr = text_address() + sizeof(f.text);
	refused(&f, "two segments overlap or share a page");
	f = sound();
	f.ph[DATA].p_vaddr = 0;
	refused(&f, "two segments overlap or share a page");
	f = sound();
	f.ph[DATA].p_filesz = f.ph[DATA].p_memsz + 1;
	refused(&f, "a segment's content lies outside the file");
	f = sound();
	f.ph[DATA].p_offset = UINT64_MAX - 15;
	refused(&f, "a segment's content lies outside the file");
	f = sound();
	f.ph[DATA].p_memsz = UINT64_MAX;
	refused(&f, "a segment lies beyond 4096 MiB");
	f = sound();
	f.ph[DATA].p_vaddr = UINT64_MAX - 15;
	refused(&f, "a segment lies beyond 4096 MiB");
	f = sound();
	for (int i = 0; i < 3; i++)
		f.ph[i].p_type = PT_NULL;
	refused(&f, "it has nothing to load");
	f = sound();
	f.header.e_entry = data_address();
	refused(&f, "the entry point is not in the text");
	f = sound();
	f.ph[RELRO] = f.ph[DATA];
	f.ph[RELRO].p_type = PT_GNU_RELRO;
	f.ph[RELRO].p_memsz = 8;
	refused(&f, "the relocated constants share a page with data");
	f.ph[RELRO].p_vaddr = 0;
	refused(&f, "the relocated constants lie outside the data");
}

static void bad_relocations_are_refused(void **state)
{
	struct file f = sound();

	f.relr[0] = text_address();
	refused(&f, "a relocation lies in the text or outside the image");
	f = sound();
	f.relr[0] = 3 * PAGE - 4;
	refused(&f, "a relocation lies in the text or outside the image");
	f = sound();
	f.relr[0] = UINT64_MAX - 3;
	refused(&f, "a relocation lies in the text or outside the image");
	f = sound();
	f.relr[0] = 3; /* bits of nothing */
	refused(&f, "a relocation lies in the text or outside the image");
	f = sound();
	f.relr[2] = UINT64_MAX;
	refused(&f, "a relocation points outside the image");
	f = sound();
	f.relr[2] = (uint64_t)1 << 63 | 1;
	refused(&f, "a relocation lies in the text or outside the image");
	f = sound();
	f.relr[2] = f.relr[1]; /* twice */
	refused(&f, "a relocation points outside the image");
	f = sound();
	f.relocated[0] = UINT64_MAX;
	refused(&f, "a relocation points outside the image");
	f = sound();
	f.dynamic[0].d_un.d_ptr = AT(text);
	refused(&f, "the relocations lie outside the file");
	f = sound();
	f.dynamic[1].d_un.d_val = UINT64_MAX - 7;
	refused(&f, "the relocations lie outside the file");
	f = sound();
	f.dynamic[1].d_un.d_val--;
	refused(&f, "the relocations lie outside the file");
	f = sound();
	f.dynamic[2].d_un.d_val = 16;
	refused(&f, "relocations of an unknown size");
	f = sound();
	f.dynamic[2].d_tag = DT_NEEDED;
	refused(&f, "it needs a shared library");
	for (size_t i = 0; i < 3; i++) {
		static const int64_t others[] = {DT_RELASZ, DT_RELSZ, DT_PLTRELSZ};

		f = sound();
		f.dynamic[2].d_tag = others[i];
		refused(&f, "it has relocations other than RELR");
		f.dynamic[2].d_un.d_val = 0;
		assert_true(accepts(&f));
	}
	f = sound();
	f.dynamic[2].d_tag = DT_TEXTREL;
	refused(&f, "it relocates its text");
}

static void bad_notes_are_refused(void **state)
{
	struct file f = sound();

	f.target.header.desc_size = 4;
	refused(&f, "the manifest's note of type 1 has 4 bytes instead of 8");
	f = sound();
	f.target.header.desc_size = 0xffffffff;
	refused(&f, "a note is longer than its section");
	f = sound();
	f.target.header.name_size = 0xfffffff0;
	refused(&f, "a note is longer than its section");
	f = sound();
	f.device.header.type = KILN_NOTE_TARGET;
	refused(&f, "the manifest has two notes of type 1");
	f = sound();
	f.gate.header.desc_size = sizeof(f.gate.desc) - 1;
	refused(&f, "the manifest's note of type 8 has 15 bytes instead of 16");
	f = sound();
	f.device.header.desc_size = sizeof(f.device.desc) - 1;
	refused(&f, "the manifest's note of type 2 has 7 bytes instead of 8");
	f = sound();
	f.device.desc.type = 9;
	refused(&f, "the manifest's note of type 2 is of an unknown kind");
	f = sound();
	f.param[0].desc.type = KILN_PARAM_TYPES;
	refused(&f, "the manifest's note of type 3 is of an unknown kind");
	f = sound();
	f.gate.header.type = 99;
	refused(&f, "the manifest has a note of unknown type 99");
	f = sound();
	f.param[1] = f.param[0];
	refused(&f, "two parameters are named 'port'");
	f = sound();
	memcpy(f.fixed.texts, "other", 6);
	refused(&f, "the build fixed 'other', which is no parameter");
	f = sound();
	f.gate.desc.offset = PAGE;
	refused(&f, "the gate is not in the text");
	f = sound();
	f.gate.desc.offset = INT64_MIN;
	refused(&f, "the gate is not in the text");
	f = sound();
	f.gate.desc.size = UINT64_MAX;
	refused(&f, "the gate is not in the text");
}

static void texts_that_do_not_fill_their_note_are_refused(void **state)
{
	const char *sentence = "the manifest's note of type 2 has a broken text";
	struct file f = sound();

	f.device.texts[11] = 's'; /* the last one is not ended */
	refused(&f, sentence);
	f = sound();
	f.device.texts[4] = ' '; /* one instead of two */
	refused(&f, sentence);
	f = sound();
	f.device.texts[8] = '\0'; /* three */
	refused(&f, sentence);
	f = sound();
	f.device.header.desc_size--; /* cut off */
	refused(&f, sentence);
	f = sound();
	f.device.header.desc_size = sizeof(f.device.desc); /* none */
	refused(&f, sentence);
	f = sound();
	f.fixed.header.desc_size = 0;
	refused(&f, "the manifest's note of type 7 has a broken text");
	f = sound();
	f.fixed.header.desc_size = 6;
	refused(&f, "the manifest's note of type 7 has a broken text");
	f = sound();
	f.param[1].header.desc_size++; /* a byte behind them */
	refused(&f, "the manifest's note of type 3 has a broken text");
}

static void texts_that_no_name_or_terminal_takes_are_refused(void **state)
{
	const char *sentence = "the manifest's note of type 2 has a broken text";
	struct file f = sound();

	memcpy(f.device.texts + 5, "\033[2J", 4);
	refused(&f, sentence);
	f = sound();
	f.device.texts[5] = 0x7f;
	refused(&f, sentence);
	f = sound();
	memcpy(f.device.texts, "\0net serves", 12);
	refused(&f, sentence);
	for (const char *c = "= /"; *c; c++) {
		f = sound();
		f.device.texts[2] = *c;
		refused(&f, sentence);
	}
}

/* With one note, the last, in place of the parameters: its first text is a name of so many
 * bytes, the others are empty. */
static bool takes_name(uint32_t type, size_t struct_size, size_t name, size_t others)
{
	struct file f = sound();
	size_t size = struct_size + name + 1 + others;

	memset(&f.param[0].desc, 0, size);
	memset((char *)&f.param[0].desc + struct_size, 'n', name);
	if (type == KILN_NOTE_PARAM || type == KILN_NOTE_DEVICE)
		f.param[0].desc.type = 1; /* one that both have */
	f.param[0].header.type = type;
	f.param[0].header.desc_size = (uint32_t)size;
	f.ph[NOTE].p_filesz = AT(param[0].desc) + size - AT(target);
	return accepts(&f);
}

static void names_have_a_greatest_length(void **state)
{
	assert_true(takes_name(KILN_NOTE_DEVICE, 8, KILN_DEVICE_NAME_SIZE - 1, 1));
	assert_false(takes_name(KILN_NOTE_DEVICE, 8, KILN_DEVICE_NAME_SIZE, 1));
	assert_string_equal(error, "the manifest's note of type 2 has a broken text");
	assert_true(takes_name(KILN_NOTE_PARAM, 24, KILN_NAME_SIZE - 1, 2));
	assert_false(takes_name(KILN_NOTE_PARAM, 24, KILN_NAME_SIZE, 2));
	assert_true(takes_name(KILN_NOTE_EMBED, 0, KILN_NAME_SIZE - 1, 2));
	assert_false(takes_name(KILN_NOTE_EMBED, 0, KILN_NAME_SIZE, 2));
	assert_true(takes_name(KILN_NOTE_BUILD, 8, KILN_APPLIANCE_NAME_SIZE - 1, 0));
	assert_false(takes_name(KILN_NOTE_BUILD, 8, KILN_APPLIANCE_NAME_SIZE, 0));
}

static bool options_fit(const char *a, const char *b)
{
	struct file f = sound();
	const char *options[] = {a, b};
	struct image image;

	assert_true(image_parse(&image, &f, sizeof(f), error, sizeof(error)));
	return image_check_options(&image, options, b ? 2 : 1, error, sizeof(error));
}

static void options_are_checked_by_type(void **state)
{
	assert_true(options_fit("port=8080", NULL));
	assert_false(options_fit("port=0", NULL));
	assert_string_equal(error, "--port takes a port from 1 to 65535, not '0'");
	assert_false(options_fit("port", NULL));
	assert_string_equal(error, "'port' is not of the form key=value");
	assert_false(options_fit("=1", NULL));
	assert_false(options_fit("prot=1", NULL));
	assert_string_equal(error, "no parameter 'prot'");
	assert_false(options_fit("a-name-longer-than-any-parameter-has=1", NULL));
	assert_false(options_fit("count=4", NULL));
	assert_string_equal(error, "--count was fixed when the image was built");
	assert_false(options_fit("port=1", "port=2"));
	assert_string_equal(error, "--port is given twice");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_sound_image_is_read),
	    cmocka_unit_test(it_is_loaded_and_relocated),
	    cmocka_unit_test(link_addresses_need_not_begin_at_zero),
	    cmocka_unit_test(a_parameter_of_every_type_is_read),
	    cmocka_unit_test(cut_off_anywhere_it_is_refused),
	    cmocka_unit_test(any_byte_may_be_any_value),
	    cmocka_unit_test(foreign_files_are_refused),
	    cmocka_unit_test(bad_segments_are_refused),
	    cmocka_unit_test(bad_relocations_are_refused),
	    cmocka_unit_test(bad_notes_are_refused),
	    cmocka_unit_test(texts_that_do_not_fill_their_note_are_refused),
	    cmocka_unit_test(texts_that_no_name_or_terminal_takes_are_refused),
	    cmocka_unit_test(names_have_a_greatest_length),
	    cmocka_unit_test(options_are_checked_by_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
