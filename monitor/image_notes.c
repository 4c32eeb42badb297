/*
 * The manifest of an image: ELF notes of owner "Kiln" (<kiln/abi/manifest.h>), and what
 * can be asked of it. Called by image.c and, for the questions, by the monitors and the
 * tool.
 *
 * A note whose texts do not fill it to the byte, or one of whose texts could play with a
 * terminal, is refused here, so that the rest may print and compare without care.
 */
#include <stdio.h>
#include <kiln/abi/address.h>
#include "image_private.h"

/* The one foreign note of interest: the 32-bit entry point that PVH loaders use
 * (xen/include/public/elfnote.h). */
#define XEN_OWNER "Xen"
enum { XEN_PHYS32_ENTRY = 18 };

/*
 * How notes of one type are kept: an array in struct image, with the place of its count. A
 * type that may come once only has no count. An element is the note's own struct, if any, and
 * then nothing but pointers to its texts, of which the first is a name.
 */
struct note_kind {
	size_t element_size, place, count_place, most;
	size_t struct_size, name_size;
};

enum { NOTE_TEXTS_MOST = 3 };

#define IMAGE_SIZE_OF(member) sizeof(((struct image *)0)->member)
#define NOTE_ONE(member)      IMAGE_SIZE_OF(member), offsetof(struct image, member), 0, 1
#define NOTE_MANY(array, count)                                 \
	IMAGE_SIZE_OF(array[0]), offsetof(struct image, array), \
	    offsetof(struct image, count),                      \
	    IMAGE_SIZE_OF(array) / IMAGE_SIZE_OF(array[0])

/* clang-format off */
static const struct note_kind note_kinds[] = {
	[KILN_NOTE_TARGET]  = {NOTE_ONE(target), sizeof(struct kiln_note_target), 0},
	[KILN_NOTE_DEVICE]  = {NOTE_MANY(devices, device_count), sizeof(struct kiln_note_device),
	                       KILN_DEVICE_NAME_SIZE},
	[KILN_NOTE_PARAM]   = {NOTE_MANY(params, param_count), sizeof(struct kiln_note_param),
	                       KILN_NAME_SIZE},
	[KILN_NOTE_EMBED]   = {NOTE_MANY(embeds, embed_count), 0, KILN_NAME_SIZE},
	[KILN_NOTE_LIBRARY] = {NOTE_MANY(libraries, library_count), 0, KILN_NAME_SIZE},
	[KILN_NOTE_BUILD]   = {NOTE_ONE(build), sizeof(struct kiln_note_build),
	                       KILN_APPLIANCE_NAME_SIZE},
	[KILN_NOTE_FIXED]   = {NOTE_MANY(fixed, fixed_count), 0, KILN_NAME_SIZE},
	[KILN_NOTE_GATE]    = {NOTE_ONE(gate), sizeof(struct kiln_note_gate), 0},
};
/* clang-format on */
enum { NOTE_KINDS = sizeof(note_kinds) / sizeof(note_kinds[0]) };

static size_t texts_of(const struct note_kind *kind)
{
	return (kind->element_size - kind->struct_size) / sizeof(const char *);
}

/* Nothing that would play with a terminal. */
static bool text_ok(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	}
	return true;
}

static bool name_ok(const char *name, size_t size)
{
	return name[0] != '\0' && strlen(name) < size && strpbrk(name, "= /") == NULL;
}

/* The note's texts, which have to be as many as its kind has, and to end where it does. */
static bool take_texts(const struct note_kind *kind, const char *at, size_t size,
                       const char **texts)
{
	if (size > KILN_NOTE_TEXTS_SIZE)
		return false;
	for (size_t i = 0; i < texts_of(kind); i++) {
		size_t length = strnlen(at, size);
		if (length == size || !text_ok(at))
			return false;
		texts[i] = at;
		at += length + 1;
		size -= length + 1;
	}
	return size == 0 && name_ok(texts[0], kind->name_size);
}

static bool type_ok(uint32_t type, const void *desc)
{
	const struct kiln_note_device *device = desc;
	const struct kiln_note_param *param = desc;

	switch (type) {
	case KILN_NOTE_DEVICE:
		return device->type == KILN_DEVICE_NET ||
		       device->type == KILN_DEVICE_BLOCK;
	case KILN_NOTE_PARAM:
		return param->type >= KILN_PARAM_TYPE_BOOL &&
		       param->type < KILN_PARAM_TYPES;
	default:
		return true;
	}
}

/* Reads the note into an element of its kind's array. */
static bool read_note(struct parse *p, uint32_t type, uint64_t offset, uint32_t size,
                      uint8_t *element)
{
	const struct note_kind *kind = &note_kinds[type];
	const char *texts[NOTE_TEXTS_MOST];
	const size_t struct_size = kind->struct_size;

	if (size < struct_size || (size > struct_size && texts_of(kind) == 0))
		return refuse(
		    p, "the manifest's note of type %u has %u bytes instead of %zu", type,
		    size, struct_size);
	if (!file_holds(p->image, offset, size))
		return refuse(p, "a note reaches outside the file");
	memcpy(element, p->image->bytes + offset, struct_size);
	if (!type_ok(type, element))
		return refuse(p, "the manifest's note of type %u is of an unknown kind",
		              type);
	if (texts_of(kind) == 0)
		return true;
	if (!take_texts(kind, (const char *)p->image->bytes + offset + struct_size,
	                size - struct_size, texts))
		return refuse(p, "the manifest's note of type %u has a broken text",
		              type);
	memcpy(element + struct_size, texts, kind->element_size - struct_size);
	return true;
}

/* Keeps one Kiln note. `seen` has a bit for each type that was met. */
static bool keep_note(struct parse *p, uint32_t type, uint64_t offset, uint32_t size,
                      uint32_t *seen)
{
	const struct note_kind *kind = type < NOTE_KINDS ? &note_kinds[type] : NULL;
	uint8_t *image = (uint8_t *)p->image;
	unsigned index = 0;

	if (!kind || kind->most == 0)
		return refuse(p, "the manifest has a note of unknown type %u", type);
	if (kind->count_place)
		memcpy(&index, image + kind->count_place, sizeof(index));
	else if (*seen & 1u << type)
		return refuse(p, "the manifest has two notes of type %u", type);
	*seen |= 1u << type;
	if (index == kind->most)
		return refuse(p, "the manifest has more than %zu notes of type %u",
		              kind->most, type);
	if (!read_note(p, type, offset, size,
	               image + kind->place + index * kind->element_size))
		return false;
	if (kind->count_place) {
		index++;
		memcpy(image + kind->count_place, &index, sizeof(index));
	}
	return true;
}

/* The note's name and descriptor lie at these offsets of the file. */
static bool take_note(struct parse *p, const Elf64_Nhdr *note, uint64_t name_at,
                      uint64_t desc_at, uint32_t *seen)
{
	char name[8];

	if (note->n_namesz > sizeof(name))
		return true;
	if (!file_get(p->image, name_at, name, note->n_namesz))
		return refuse(p, "a note reaches outside the file");
	if (note->n_namesz == sizeof(KILN_NOTE_OWNER) &&
	    memcmp(name, KILN_NOTE_OWNER, sizeof(KILN_NOTE_OWNER)) == 0)
		return keep_note(p, note->n_type, desc_at, note->n_descsz, seen);
	if (note->n_namesz == sizeof(XEN_OWNER) &&
	    memcmp(name, XEN_OWNER, sizeof(XEN_OWNER)) == 0 &&
	    note->n_type == XEN_PHYS32_ENTRY &&
	    note->n_descsz >= sizeof(p->image->pvh_entry) &&
	    !file_get(p->image, desc_at, &p->image->pvh_entry,
	              sizeof(p->image->pvh_entry)))
		return refuse(p, "a note reaches outside the file");
	return true;
}

bool parse_note_run(struct parse *p, uint64_t offset, uint64_t size, uint64_t align,
                    uint32_t *seen)
{
	if (!file_holds(p->image, offset, size))
		return refuse(p, "notes outside the file");
	align = align == 8 ? 8 : 4;
	while (size >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		uint64_t desc, next;

		if (!file_get(p->image, offset, &note, sizeof(note)))
			return refuse(p, "notes outside the file");
		desc = (sizeof(note) + note.n_namesz + align - 1) & ~(align - 1);
		next = (desc + note.n_descsz + align - 1) & ~(align - 1);
		if (desc > size || note.n_descsz > size - desc)
			return refuse(p, "a note is longer than its section");
		if (!take_note(p, &note, offset + sizeof(note), offset + desc, seen))
			return false;
		if (next >= size)
			break;
		offset += next;
		size -= next;
	}
	return true;
}

void mark_fixed(struct image *image)
{
	for (unsigned i = 0; i < image->fixed_count; i++) {
		const struct image_param *param =
		    image_param(image, image->fixed[i].name);
		if (param)
			image->param_fixed[param - image->params] = true;
	}
}

bool check_manifest(struct parse *p)
{
	struct image *image = p->image;

	for (unsigned i = 0; i < image->device_count; i++) {
		if (image_device(image, image->devices[i].name) != &image->devices[i])
			return refuse(p, "two devices are named '%s'",
			              image->devices[i].name);
	}
	for (unsigned i = 0; i < image->param_count; i++) {
		if (image_param(image, image->params[i].name) != &image->params[i])
			return refuse(p, "two parameters are named '%s'",
			              image->params[i].name);
	}
	for (unsigned i = 0; i < image->fixed_count; i++) {
		if (!image_param(image, image->fixed[i].name))
			return refuse(p, "the build fixed '%s', which is no parameter",
			              image->fixed[i].name);
	}
	mark_fixed(image);
	return true;
}

const struct image_device *image_device(const struct image *image, const char *name)
{
	for (unsigned i = 0; i < image->device_count; i++) {
		if (strcmp(image->devices[i].name, name) == 0)
			return &image->devices[i];
	}
	return NULL;
}

void image_leave_out(struct image *image, unsigned device)
{
	for (image->device_count--; device < image->device_count; device++)
		image->devices[device] = image->devices[device + 1];
}

const struct image_param *image_param(const struct image *image, const char *name)
{
	for (unsigned i = 0; i < image->param_count; i++) {
		if (strcmp(image->params[i].name, name) == 0)
			return &image->params[i];
	}
	return NULL;
}

static bool check_option(const struct parse *p, const struct image *image,
                         const char *option)
{
	const struct image_param *param;
	const char *equals = strchr(option, '=');
	size_t length = equals ? (size_t)(equals - option) : 0;
	char key[KILN_NAME_SIZE];

	if (length == 0)
		return refuse(p, "'%s' is not of the form key=value", option);
	if (length >= sizeof(key))
		return refuse(p, "no parameter '%.*s'", (int)length, option);
	memcpy(key, option, length);
	key[length] = '\0';
	param = image_param(image, key);
	if (!param)
		return refuse(p, "no parameter '%s'", key);
	if (image->param_fixed[param - image->params])
		return refuse(p, "--%s was fixed when the image was built", key);
	if (param_takes(param->note.type, param->note.min, param->note.max, equals + 1,
	                strlen(equals + 1)))
		return true;
	if (param->note.type == KILN_PARAM_TYPE_UINT)
		return refuse(p, "--%s takes a number from %llu to %llu, not '%s'", key,
		              (unsigned long long)param->note.min,
		              (unsigned long long)param->note.max, equals + 1);
	return refuse(p, "--%s takes %s, not '%s'", key,
	              param_takes_text(param->note.type), equals + 1);
}

bool image_check_options(const struct image *image, const char *const *options,
                         unsigned count, char *error, size_t error_size)
{
	const struct parse p = {NULL, error, error_size};

	for (unsigned i = 0; i < count; i++) {
		if (!check_option(&p, image, options[i]))
			return false;
		for (unsigned j = 0; j < i; j++) {
			size_t key = strcspn(options[i], "=") + 1;
			if (strncmp(options[i], options[j], key) == 0)
				return refuse(&p, "--%.*s is given twice", (int)(key - 1),
				              options[i]);
		}
	}
	return true;
}
