/*
 * The order of an image's functions: every function has a section of its own, and the
 * linker places them as layout.ld names them. A seed shuffles the names, so that two
 * appliances, or two builds with different seeds, differ in where every function lies;
 * the seed stands in the manifest, so a build can be repeated.
 *
 * Without --layout-seed, the seed is derived from the sections that are linked and their
 * sizes: building twice gives the same bytes, on any machine.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sha2.h>
#include "archive.h"
#include "build.h"
#include "sections.h"

struct collect {
	struct words names;
	SHA2_CTX digest;
};

static void object_sections(struct collect *collect, const void *bytes, size_t size)
{
	struct sections sections;

	if (!sections_read(&sections, bytes, size))
		return;
	for (size_t i = 0; i < sections.count; i++) {
		const struct section *s = &sections.item[i];
		if (!(s->flags & SHF_ALLOC))
			continue;
		SHA256Update(&collect->digest, (const uint8_t *)s->name,
		             strlen(s->name) + 1);
		SHA256Update(&collect->digest, (const uint8_t *)&s->size,
		             sizeof(s->size));
		if (strncmp(s->name, ".text.", 6) == 0)
			words_add(&collect->names, text_format("%s", s->name));
	}
}

static void collect_sections(struct collect *collect, const char *path)
{
	struct archive archive;
	struct archive_member member;
	size_t size;
	const char *bytes = file_map(path, &size);

	if (!bytes)
		fail("cannot read %s: %s", path, strerror(errno));
	if (!archive_open(&archive, bytes, size))
		object_sections(collect, bytes, size);
	else
		while (archive_next(&archive, &member))
			object_sections(collect, member.bytes, member.size);
}

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* Fisher and Yates. */
static void shuffle(struct words *names, uint64_t seed)
{
	for (size_t i = names->count; i > 1; i--) {
		size_t j = next_random(&seed) % i;
		const char *name = names->item[i - 1];
		names->item[i - 1] = names->item[j];
		names->item[j] = name;
	}
}

static void drop_repeated(struct words *names)
{
	size_t kept = 0;

	for (size_t i = 0; i < names->count; i++)
		if (!kept || strcmp(names->item[kept - 1], names->item[i]) != 0)
			names->item[kept++] = names->item[i];
	names->count = kept;
}

void layout_write(struct build *build, const struct words *inputs, const char *path)
{
	struct collect collect = {0};
	uint8_t digest[SHA256_DIGEST_LENGTH];
	struct text text = {0};

	SHA256Init(&collect.digest);
	for (size_t i = 0; i < inputs->count; i++)
		collect_sections(&collect, inputs->item[i]);
	SHA256Final(digest, &collect.digest);
	if (!build->has_layout_seed)
		memcpy(&build->layout_seed, digest, sizeof(build->layout_seed));

	words_sort(&collect.names);
	drop_repeated(&collect.names);
	text_add(&text, "/* Functions in the order of layout seed %llu. */\n",
	         (unsigned long long)build->layout_seed);
	if (build->layout_seed) {
		shuffle(&collect.names, build->layout_seed);
		for (size_t i = 0; i < collect.names.count; i++)
			text_add(&text, "*(%s)\n", collect.names.item[i]);
	}
	file_write(path, text.data, text.len);
}
