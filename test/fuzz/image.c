/*
 * Image files as the monitors and the tool read them: a line of options for the image,
 * then the file. That is either all bytes of its own, or a sound file with some of its
 * bytes changed, which gets further.
 *
 * A file is refused with a sentence, or is one that can be loaded as its headers say:
 * segments on pages of their own, none both writable and executable, all texts ended.
 * Loading touches nothing but the image's span, and leaves text as it is in the file.
 */
#include "fuzz.h"
#include "test/unit/image_file.h"

enum { PAGES_MOST = 32, OPTIONS_MOST = 8 };

static char error[256];

/* It lies in the file as a whole. */
static bool ended(const struct image *image, const char *text)
{
	const uint8_t *at = (const uint8_t *)text;

	return at >= image->bytes && at < image->bytes + image->size &&
	       memchr(at, 0, (size_t)(image->bytes + image->size - at)) != NULL;
}

static bool error_ended(void)
{
	return memchr(error, 0, sizeof(error)) != NULL;
}

static void check_refused(void)
{
	FUZZ_CHECK(error_ended() && strlen(error) > 5);
	for (const char *c = error; *c; c++)
		FUZZ_CHECK((unsigned char)*c >= 0x20 && *c != 0x7f);
}

static void check_manifest(const struct image *image)
{
	for (unsigned i = 0; i < image->device_count; i++) {
		const struct image_device *d = &image->devices[i];
		FUZZ_CHECK(ended(image, d->name) && ended(image, d->help) && d->name[0]);
		FUZZ_CHECK(image_device(image, d->name) != NULL);
	}
	for (unsigned i = 0; i < image->param_count; i++) {
		const struct image_param *p = &image->params[i];
		FUZZ_CHECK(ended(image, p->name) && ended(image, p->value) &&
		           ended(image, p->help));
		FUZZ_CHECK(image_param(image, p->name) != NULL);
	}
	for (unsigned i = 0; i < image->library_count; i++)
		FUZZ_CHECK(ended(image, image->libraries[i].name));
	for (unsigned i = 0; i < image->fixed_count; i++)
		FUZZ_CHECK(ended(image, image->fixed[i].value));
	FUZZ_REACH(image->device_count && image->param_count && image->fixed_count,
	           "a whole manifest");
}

static void check_segments(const struct image *image)
{
	uint64_t end = 0;

	FUZZ_CHECK(image->segment_count && image->segment_count <= IMAGE_SEGMENTS);
	FUZZ_CHECK(image->span % PAGE == 0 && image->entry < image->span);
	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct image_segment *s = &image->segments[i];

		FUZZ_CHECK((s->flags & (PF_W | PF_X)) != (PF_W | PF_X));
		FUZZ_CHECK(s->address / PAGE >= (end + PAGE - 1) / PAGE);
		FUZZ_CHECK(s->file_size <= s->memory_size);
		FUZZ_CHECK(s->file_offset <= image->size &&
		           s->file_size <= image->size - s->file_offset);
		end = s->address + s->memory_size;
		FUZZ_CHECK(end <= image->span);
	}
	FUZZ_CHECK(image->relro_address % PAGE == 0 && image->relro_size % PAGE == 0 &&
	           image->relro_address + image->relro_size <= image->span);
	FUZZ_REACH(image->relro_size, "constants that are relocated");
	FUZZ_REACH(image->has_gate, "a gate");
}

static void try_load(const struct image *image)
{
	uint8_t *memory;

	if (image->span > PAGES_MOST * PAGE)
		return;
	memory = calloc(1, image->span);
	if (image_load(image, memory, 0x7000000000, error, sizeof(error))) {
		FUZZ_REACH(image->relr_size, "an image with relocations is loaded");
		for (unsigned i = 0; i < image->segment_count; i++) {
			const struct image_segment *s = &image->segments[i];

			if (s->flags & PF_X)
				FUZZ_CHECK(memcmp(memory + s->address,
				                  image->bytes + s->file_offset,
				                  s->file_size) == 0);
		}
	} else {
		check_refused();
	}
	free(memory);
}

/* "port=80 log=debug" */
static void try_options(const struct image *image, struct slice line)
{
	char *text = malloc(line.len + 1), *rest = text;
	const char *options[OPTIONS_MOST];
	unsigned count = 0;

	memcpy(text, line.data, line.len);
	text[line.len] = 0;
	while (count < OPTIONS_MOST && (options[count] = strtok_r(rest, " ", &rest)))
		count++;
	if (image_check_options(image, options, count, error, sizeof(error)))
		FUZZ_REACH(count, "options that are taken");
	else
		FUZZ_CHECK(error_ended() && strlen(error) > 5);
	free(text);
}

/* Numbers that headers are made of, and some that they should not be. */
static uint64_t some_number(struct cursor *in)
{
	static const uint64_t known[] = {0,
	                                 1,
	                                 PT_NOTE,
	                                 PT_DYNAMIC,
	                                 PT_GNU_RELRO,
	                                 PAGE,
	                                 PAGE - 1,
	                                 3 * PAGE,
	                                 sizeof(struct file),
	                                 UINT32_MAX,
	                                 UINT64_MAX,
	                                 UINT64_MAX - PAGE,
	                                 (uint64_t)1 << 32,
	                                 AT(data),
	                                 PAGE + AT(text),
	                                 2 * PAGE + AT(data),
	                                 AT(relr),
	                                 AT(target),
	                                 DT_NULL};
	uint8_t choice = cursor_u8(in);

	return choice < KILN_COUNT_OF(known) ? known[choice] : choice;
}

/* Changes: a place, how many bytes, and a number or the bytes themselves. */
static struct slice changed_file(struct cursor *in, struct file *file)
{
	size_t size = sizeof(*file);

	*file = sound();
	while (cursor_left(in) > 2) {
		size_t place = cursor_u16(in) % sizeof(*file);
		uint8_t how = cursor_u8(in);
		size_t width = KILN_MIN((size_t)1 << (how & 3), sizeof(*file) - place);
		uint64_t number = how & 4 ? some_number(in) : cursor_u8(in);

		if (how & 8)
			size = place; /* cut off */
		else
			memcpy((uint8_t *)file + place, &number, width);
	}
	return slice_of(file, size);
}

static void try_file(struct slice file, struct slice line)
{
	static struct image image;
	uint8_t *copy = fuzz_copy(file);

	memset(error, 0, sizeof(error));
	if (image_parse(&image, copy, file.len, error, sizeof(error))) {
		check_manifest(&image);
		check_segments(&image);
		try_load(&image);
		try_options(&image, line);
	} else {
		check_refused();
	}
	if (image_parse_notes(&image, copy, file.len, error, sizeof(error)))
		check_manifest(&image);
	else
		check_refused();
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice bytes = slice_of(data, size);
	struct slice line = slice_take(bytes, KILN_MIN(slice_find(bytes, '\n'), 200));
	struct slice file = slice_skip(bytes, line.len + 1);
	struct cursor in = cursor_of(slice_skip(file, 1));
	struct file changed;

	if (file.len && file.data[0] != ELFMAG0)
		file = changed_file(&in, &changed);
	try_file(file, line);
	return 0;
}
