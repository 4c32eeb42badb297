/*
 * Every byte of an image's file, once: its headers say what each range of the file is, the
 * linker's map which object gave which piece of a section, the symbols which function or
 * variable lies where in a piece. What nobody claims is alignment, so that the parts add up
 * to the file whatever the map leaves out.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include "map.h"

static const char *const format_library = "format";

const char *map_kind_text(enum map_kind kind)
{
	static const char *const texts[MAP_KINDS] = {"code",     "constants", "data",
	                                             "embedded", "format",    "zeroed"};

	return kind < MAP_KINDS ? texts[kind] : "";
}

static void add_part(struct map *map, struct map_part part)
{
	if (part.bytes == 0)
		return;
	if (map->count == map->capacity) {
		struct map_part *more;
		map->capacity = map->capacity ? map->capacity * 2 : 256;
		more = allocate(map->capacity * sizeof(*more));
		if (map->count)
			memcpy(more, map->part, map->count * sizeof(*more));
		map->part = more;
	}
	map->part[map->count++] = part;
}

static void add_format(struct map *map, const char *object, const char *name,
                       uint64_t bytes)
{
	add_part(map, (struct map_part){.library = format_library,
	                                .object = object,
	                                .name = name,
	                                .kind = MAP_FORMAT,
	                                .bytes = bytes,
	                                .input = MAP_NO_INPUT});
}

/* ---- whose a piece is ---- */

/* Without what `kiln build` and the compiler append: "tcp.c.o", "memcpy.lo". */
static char *object_name(const char *name, size_t length)
{
	static const char *const endings[] = {".o", ".lo"};

	for (size_t i = 0; i < 2; i++) {
		size_t ending = strlen(endings[i]);
		if (length > ending &&
		    memcmp(name + length - ending, endings[i], ending) == 0)
			return text_format("%.*s", (int)(length - ending), name);
	}
	return text_format("%.*s", (int)length, name);
}

/* From the file that the map names: "/a/libnet.a(tcp.c.o)" is tcp.c of net, an object by
 * itself is the appliance's, or holds a folder that it embeds. */
static void name_origin(struct map_part *part, const char *file)
{
	static const char embed[] = "embed_", assembly[] = ".s";
	const char *open = strrchr(file, '('), *base;
	size_t length = strlen(file), name;

	if (open && length && file[length - 1] == ')') {
		base = path_base(text_format("%.*s", (int)(open - file), file));
		if (strncmp(base, "lib", 3) == 0 && strcmp(base, "libgcc.a") != 0 &&
		    strcmp(base, "libc.a") != 0)
			base += 3;
		name = strlen(base);
		if (name > 2 && strcmp(base + name - 2, ".a") == 0)
			name -= 2;
		part->library = text_format("%.*s", (int)name, base);
		part->object = object_name(open + 1, (size_t)(file + length - open) - 2);
		return;
	}
	base = path_base(file);
	part->library = "appliance";
	part->object = object_name(base, strlen(base));
	name = strlen(part->object);
	if (strncmp(part->object, embed, sizeof(embed) - 1) == 0 &&
	    name > sizeof(embed) + sizeof(assembly) - 2 &&
	    strcmp(part->object + name - sizeof(assembly) + 1, assembly) == 0) {
		part->library = "embedded";
		part->object = text_format(
		    "%.*s", (int)(name - sizeof(embed) - sizeof(assembly) + 2),
		    part->object + sizeof(embed) - 1);
		part->kind = MAP_EMBEDDED;
	}
}

/* A piece without a symbol is called by its section's name, as compilers give it: texts
 * and numbers that a function uses, ".rodata.tcp_new.str1.8", and tables of its jumps. */
static const char *piece_name(const char *section)
{
	static const char *const prefixes[] = {".rodata.", ".text.", ".data.rel.ro.",
	                                       ".data.", ".bss."};
	const char *name = section, *texts;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncmp(section, prefixes[i], strlen(prefixes[i])) == 0) {
			name = section + strlen(prefixes[i]);
			break;
		}
	if (strncmp(name, "cst", 3) == 0)
		return "numbers";
	if (strncmp(name, "str1.", 5) == 0)
		return "texts";
	texts = strstr(name, ".str1.");
	if (texts)
		return text_format("%.*s texts", (int)(texts - name), name);
	return name == section ? section : text_format("%s tables", name);
}

static enum map_kind section_kind(const struct section *section)
{
	if (section->type == SHT_NOBITS)
		return MAP_ZEROED;
	if (section->flags & SHF_EXECINSTR)
		return MAP_CODE;
	return section_is_writable(section) ? MAP_DATA : MAP_CONSTANTS;
}

/* ---- symbols ---- */

/* Compilers' and assemblers' own labels, and the linker script's. */
static bool is_label(const struct map_link *link, const char *name)
{
	return !*name || strncmp(name, ".L", 2) == 0 || words_have(&link->assigned, name);
}

static int compare_symbols(const void *a, const void *b)
{
	const struct section_symbol *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	/* The better name first: with a size, global, of the fewer underscores. */
	if (!x->size != !y->size)
		return x->size ? -1 : 1;
	if (x->global != y->global)
		return x->global ? -1 : 1;
	if ((x->name[0] == '_') != (y->name[0] == '_'))
		return x->name[0] == '_' ? 1 : -1;
	return strcmp(x->name, y->name);
}

struct symbols {
	struct section_symbol *item;
	size_t count;
};

static struct symbols collect_symbols(const struct sections *sections,
                                      const struct map_link *link)
{
	size_t count = sections_symbol_count(sections);
	struct symbols symbols = {.item = allocate(count * sizeof(*symbols.item))};

	for (size_t i = 0; i < count; i++) {
		struct section_symbol symbol;
		if (sections_symbol_at(sections, i, &symbol) && symbol.section &&
		    symbol.type <= STT_FUNC && !is_label(link, symbol.name))
			symbols.item[symbols.count++] = symbol;
	}
	qsort(symbols.item, symbols.count, sizeof(*symbols.item), compare_symbols);
	return symbols;
}

/* The first at or behind the address. */
static size_t first_symbol(const struct symbols *symbols, uint64_t address)
{
	size_t low = 0, high = symbols->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (symbols->item[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* What a symbol claims of a piece, up to the next one. What lies behind its size is its
 * own alignment, or has no symbol. */
static void add_claimed(struct map *map, struct map_part part, uint64_t end,
                        const struct section_symbol *symbol, const char *rest)
{
	enum { ALIGNMENT = 16 };

	if (symbol && symbol->size && end - part.address >= ALIGNMENT &&
	    symbol->size <= end - part.address - ALIGNMENT) {
		part.bytes = symbol->size;
		add_part(map, part);
		part.address += symbol->size;
		part.name = rest;
	}
	part.bytes = end - part.address;
	add_part(map, part);
}

/* Of an embedded file: without the folder, which is its object. */
static const char *symbol_name(const struct map_part *part, const char *name)
{
	size_t folder = strlen(part->object);

	if (part->kind == MAP_EMBEDDED && strncmp(name, part->object, folder) == 0 &&
	    name[folder] == '/')
		return name + folder + 1;
	return name;
}

/* Divides a piece at the symbols in it. Those without a size are labels of assembly: one at
 * the piece's beginning names it. */
static void add_piece(struct map *map, const struct symbols *symbols,
                      struct map_part part, uint64_t end)
{
	const struct section_symbol *claimant = NULL;
	const char *rest = part.name;
	uint64_t begin = part.address;

	for (size_t at = first_symbol(symbols, begin);
	     at < symbols->count && symbols->item[at].address < end; at++) {
		const struct section_symbol *s = &symbols->item[at];
		if (claimant ? s->address == claimant->address || !s->size
		             : s->address != begin && !s->size)
			continue;
		if (s->address != part.address)
			add_claimed(map, part, s->address, claimant, rest);
		part.address = s->address;
		part.name = symbol_name(&part, s->name);
		claimant = s;
	}
	add_claimed(map, part, end, claimant, rest);
}

/* ---- sections ---- */

static int compare_inputs(const void *a, const void *b)
{
	const struct map_input *x = *(const struct map_input *const *)a;
	const struct map_input *y = *(const struct map_input *const *)b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x < y ? -1 : x > y; /* as the map has them */
}

/* One input section, of `size` bytes in the image. */
static void add_input(struct map *map, const struct section *section,
                      const struct symbols *symbols, const struct map_link *link,
                      const struct map_input *input, uint64_t size)
{
	struct map_part part = {.name = piece_name(input->section),
	                        .kind = section_kind(section),
	                        .address = input->address,
	                        .input = (size_t)(input - link->placed)};

	if (strncmp(input->section, ".got", 4) == 0) {
		add_format(map, "dynamic tables", input->section, size);
		return;
	}
	name_origin(&part, input->file);
	if (part.kind == MAP_EMBEDDED)
		part.name = "table of files";
	if (section->type == SHT_NOBITS)
		part.kind = MAP_ZEROED;
	if (section->type != SHT_NOTE) {
		add_piece(map, symbols, part, input->address + size);
		return;
	}
	part.name = text_format("%s %s", part.library, part.object);
	part.library = format_library;
	part.object = "manifest";
	part.kind = MAP_FORMAT;
	part.bytes = size;
	add_part(map, part);
}

/*
 * What the map says of one output section. A section of texts that was merged into another
 * stands there with the size it once had: it ends where the next one begins.
 */
static void add_section(struct map *map, const struct section *section,
                        const struct symbols *symbols, const struct map_link *link)
{
	const struct map_input **input = allocate(link->placed_count * sizeof(*input));
	uint64_t end = section->address + section->size, unclaimed = section->size;
	size_t count = 0;

	for (size_t i = 0; i < link->placed_count; i++)
		if (link->placed[i].address - section->address < section->size &&
		    strcmp(link->placed[i].output, section->name) == 0)
			input[count++] = &link->placed[i];
	qsort(input, count, sizeof(struct map_input *), compare_inputs);
	for (size_t i = 0; i < count; i++) {
		uint64_t next = i + 1 < count ? input[i + 1]->address : end;
		uint64_t size = input[i]->size;

		if (size > next - input[i]->address)
			size = next - input[i]->address;
		if (!input[i]->file || !size)
			continue;
		add_input(map, section, symbols, link, input[i], size);
		unclaimed -= size;
	}
	if (section->type == SHT_NOTE)
		add_format(map, "manifest", "of the linker script", unclaimed);
	else if (section->type != SHT_NOBITS)
		add_format(map, "alignment", section->name, unclaimed);
}

static void add_table(struct map *map, const struct section *section)
{
	if (section->type == SHT_RELR || section->type == SHT_RELA)
		add_format(map, "relocations", section->name, section->size);
	else if (section->flags & SHF_ALLOC)
		add_format(map, "dynamic tables", section->name, section->size);
	else
		add_format(map, "headers",
		           strcmp(section->name, ".shstrtab") == 0 ? "section names"
		                                                   : section->name,
		           section->size);
}

/* ---- the file ---- */

struct extent {
	uint64_t offset, size;
	const char *name; /* of a header */
	const struct section *section;
};

static int compare_extents(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return x->size < y->size ? -1 : x->size > y->size;
}

static struct extent *collect_extents(const uint8_t *file,
                                      const struct sections *sections,
                                      const Elf64_Ehdr *elf, size_t *count)
{
	struct extent *extents = allocate((sections->count + 3) * sizeof(*extents));

	*count = 0;
	extents[(*count)++] = (struct extent){0, sizeof(*elf), "ELF header", NULL};
	extents[(*count)++] =
	    (struct extent){elf->e_phoff, (uint64_t)elf->e_phnum * elf->e_phentsize,
	                    "program headers", NULL};
	extents[(*count)++] =
	    (struct extent){elf->e_shoff, (uint64_t)elf->e_shnum * elf->e_shentsize,
	                    "section headers", NULL};
	for (size_t i = 0; i < sections->count; i++) {
		const struct section *s = &sections->item[i];
		if (s->bytes && s->size)
			extents[(*count)++] = (struct extent){(uint64_t)(s->bytes - file),
			                                      s->size, NULL, s};
	}
	qsort(extents, *count, sizeof(*extents), compare_extents);
	return extents;
}

static void add_extent(struct map *map, const struct extent *extent,
                       const struct symbols *symbols, const struct map_link *link)
{
	const struct section *s = extent->section;

	if (!s)
		add_format(map, "headers", extent->name, extent->size);
	else if ((s->type == SHT_PROGBITS || s->type == SHT_NOTE) &&
	         (s->flags & SHF_ALLOC))
		add_section(map, s, symbols, link);
	else
		add_table(map, s);
}

bool map_parts_read(struct map *map, const void *file, size_t size,
                    const struct sections *image, const struct sections *symbols,
                    const struct map_link *link, const char **why)
{
	struct symbols names = collect_symbols(symbols, link);
	struct extent *extents;
	uint64_t at = 0, padding = 0;
	size_t count;
	Elf64_Ehdr elf;

	*map = (struct map){.bytes = size};
	*why = "its sections lie beyond the end of memory";
	for (size_t i = 0; i < image->count; i++)
		if (image->item[i].address > UINT64_MAX - image->item[i].size)
			return false;
	*why = "its headers overlap";
	if (size < sizeof(elf))
		return false;
	memcpy(&elf, file, sizeof(elf));
	extents = collect_extents(file, image, &elf, &count);
	for (size_t i = 0; i < count; i++) {
		if (extents[i].offset < at || extents[i].offset > size ||
		    extents[i].size > size - extents[i].offset)
			return false;
		padding += extents[i].offset - at;
		at = extents[i].offset + extents[i].size;
		add_extent(map, &extents[i], &names, link);
	}
	add_format(map, "alignment", "between sections", padding + (size - at));
	for (size_t i = 0; i < image->count; i++)
		if (image->item[i].type == SHT_NOBITS &&
		    (image->item[i].flags & SHF_ALLOC))
			add_section(map, &image->item[i], &names, link);
	*why = "its companion lists none of its pieces";
	for (size_t i = 0; i < map->count; i++)
		if (map->part[i].kind == MAP_CODE)
			return true;
	return false;
}
