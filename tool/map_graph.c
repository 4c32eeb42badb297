/*
 * Why a part is in the image. With --emit-relocs the linker leaves the relocations of
 * everything it took, which are the very references by which it decided what to take: from
 * the entry point on, breadth first, they give the shortest way to each part.
 *
 * What cannot be reached so is there because it shares an input section with what can (the
 * linker takes sections as a whole), or because the linker script says KEEP or EXTERN.
 */
#include <elf.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <capstone/capstone.h>
#include "map.h"

/* Parts that have an address, in its order. */
struct places {
	const struct map *map;
	size_t *part;
	size_t count;
};

struct edge {
	size_t from, to; /* parts */
};

struct edges {
	struct edge *item;
	size_t count, capacity;
};

/* The breadth-first search: `queue` holds the parts reached, up to `next` seen to. */
struct search {
	struct map_reach *reach;
	size_t *queue;
	size_t next, count;
};

/* ---- which part lies at an address ---- */

static int compare_places(const void *a, const void *b, void *map)
{
	const struct map_part *part = ((const struct map *)map)->part;
	uint64_t x = part[*(const size_t *)a].address,
	         y = part[*(const size_t *)b].address;

	return x < y ? -1 : x > y;
}

static struct places collect_places(const struct map *map)
{
	struct places places = {.map = map,
	                        .part = allocate(map->count * sizeof(size_t))};

	for (size_t i = 0; i < map->count; i++)
		if (map->part[i].input != MAP_NO_INPUT)
			places.part[places.count++] = i;
	qsort_r(places.part, places.count, sizeof(size_t), compare_places,
	        (void *)(uintptr_t)map);
	return places;
}

/* MAP_NO_INPUT if there is none. */
static size_t part_at(const struct places *places, uint64_t address)
{
	size_t low = 0, high = places->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct map_part *part = &places->map->part[places->part[middle]];
		if (address < part->address)
			high = middle;
		else if (address - part->address >= part->bytes)
			low = middle + 1;
		else
			return places->part[middle];
	}
	return MAP_NO_INPUT;
}

/* ---- references ---- */

/*
 * The end of the instruction that has a field at `address`: a reference relative to the
 * instruction pointer counts from there. The field's own end if that cannot be told.
 */
static uint64_t instruction_end(csh handle, const struct section *section,
                                const struct map_part *part, uint64_t address)
{
	uint64_t at = part->address, end = address + 4;
	const uint8_t *code = section->bytes + (at - section->address);
	size_t left = part->bytes;
	cs_insn *instruction = cs_malloc(handle);

	while (at <= address && cs_disasm_iter(handle, &code, &left, &at, instruction))
		;
	cs_free(instruction, 1);
	return at >= end && at - end <= 4 ? at : end;
}

/*
 * What a relocation refers to: a symbol, or, of what is local to a file, a place within a
 * section. False if it says nothing: a table of jumps within a function has distances in
 * it, which lead back into the function that uses it.
 */
static bool target_of(csh handle, const struct sections *image, const Elf64_Rela *rela,
                      const struct section_symbol *symbol, const struct map_part *from,
                      uint64_t *target)
{
	unsigned type = (unsigned)ELF64_R_TYPE(rela->r_info);
	bool relative = type == R_X86_64_PC32 || type == R_X86_64_PLT32;

	*target = symbol->address;
	if (symbol->type != STT_SECTION)
		return true;
	*target += (uint64_t)rela->r_addend;
	if (!relative)
		return true;
	if (from->kind != MAP_CODE)
		return false;
	for (size_t i = 0; i < image->count; i++) {
		const struct section *s = &image->item[i];
		if (s->bytes && (s->flags & SHF_ALLOC) && from->address >= s->address &&
		    from->address - s->address < s->size &&
		    from->bytes <= s->size - (from->address - s->address))
			*target += instruction_end(handle, s, from, rela->r_offset) -
			           rela->r_offset;
	}
	return true;
}

static void add_edge(struct edges *edges, size_t from, size_t to)
{
	if (from == to || from == MAP_NO_INPUT || to == MAP_NO_INPUT)
		return;
	if (edges->count == edges->capacity) {
		edges->capacity = edges->capacity ? edges->capacity * 2 : 1024;
		edges->item =
		    realloc(edges->item, edges->capacity * sizeof(*edges->item));
		if (!edges->item)
			fail("out of memory");
	}
	edges->item[edges->count++] = (struct edge){from, to};
}

static int compare_edges(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return x->to < y->to ? -1 : x->to > y->to;
}

static struct edges collect_edges(const struct places *places,
                                  const struct sections *image,
                                  const struct sections *symbols,
                                  const struct map_link *link)
{
	size_t symbol_count = sections_symbol_count(symbols);
	struct edges edges = {0};
	csh handle;

	if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK)
		fail("cannot start the disassembler");
	for (size_t i = 0; i < symbols->count; i++) {
		const struct section *s = &symbols->item[i];
		if (s->type != SHT_RELA || (s->flags & SHF_ALLOC) || !s->bytes ||
		    s->info >= symbols->count ||
		    !(symbols->item[s->info].flags & SHF_ALLOC))
			continue;
		for (size_t at = 0; s->size - at >= sizeof(Elf64_Rela);
		     at += sizeof(Elf64_Rela)) {
			Elf64_Rela rela;
			struct section_symbol symbol;
			size_t from;
			uint64_t target;

			memcpy(&rela, s->bytes + at, sizeof(rela));
			from = part_at(places, rela.r_offset);
			if (from == MAP_NO_INPUT ||
			    ELF64_R_SYM(rela.r_info) >= symbol_count ||
			    !sections_symbol_at(symbols, ELF64_R_SYM(rela.r_info),
			                        &symbol) ||
			    !symbol.section || words_have(&link->assigned, symbol.name))
				continue;
			if (target_of(handle, image, &rela, &symbol,
			              &places->map->part[from], &target))
				add_edge(&edges, from, part_at(places, target));
		}
	}
	cs_close(&handle);
	if (edges.count)
		qsort(edges.item, edges.count, sizeof(*edges.item), compare_edges);
	return edges;
}

/* ---- the search ---- */

static void reach(struct search *search, size_t part, enum map_link_kind kind,
                  size_t from)
{
	if (search->reach[part].kind != MAP_UNREACHED)
		return;
	search->reach[part] = (struct map_reach){kind, from};
	search->queue[search->count++] = part;
}

static void follow_edges(struct search *search, const struct edges *edges, size_t from)
{
	size_t low = 0, high = edges->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (edges->item[middle].from < from)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < edges->count && edges->item[low].from == from; low++)
		reach(search, edges->item[low].to, MAP_REFERENCE, from);
}

/* The parts of one input section, places[begin..end): if one is reached, all are. */
static void reach_neighbours(struct search *search, const struct places *places,
                             size_t begin, size_t end)
{
	size_t known = begin;

	while (known < end && search->reach[places->part[known]].kind == MAP_UNREACHED)
		known++;
	for (size_t i = begin; known < end && i < end; i++)
		reach(search, places->part[i], MAP_NEIGHBOUR, places->part[known]);
}

/* Everything that references lead to; then what shares a section with it, and on from
 * there, until nothing is new. */
static void spread(struct search *search, const struct edges *edges,
                   const struct places *places)
{
	const struct map_part *part = places->map->part;

	while (search->next < search->count) {
		while (search->next < search->count)
			follow_edges(search, edges, search->queue[search->next++]);
		for (size_t begin = 0, end; begin < places->count; begin = end) {
			end = begin + 1;
			while (end < places->count && part[places->part[end]].input ==
			                                  part[places->part[begin]].input)
				end++;
			reach_neighbours(search, places, begin, end);
		}
	}
}

/* A part that is not reached yet, and that nothing else of that kind refers to; or, if they
 * refer to each other in a circle, the first. */
static size_t next_root(const struct search *search, const struct edges *edges,
                        const struct places *places)
{
	bool *referred = allocate(places->map->count * sizeof(*referred));
	size_t first = MAP_NO_INPUT;

	for (size_t i = 0; i < edges->count; i++)
		if (search->reach[edges->item[i].from].kind == MAP_UNREACHED)
			referred[edges->item[i].to] = true;
	for (size_t i = 0; i < places->count; i++) {
		size_t part = places->part[i];
		if (search->reach[part].kind != MAP_UNREACHED)
			continue;
		if (first == MAP_NO_INPUT)
			first = part;
		if (referred[part])
			continue;
		first = part;
		break;
	}
	free(referred);
	return first;
}

struct map_reach *map_graph_read(const struct map *map, const struct sections *image,
                                 const struct sections *symbols,
                                 const struct map_link *link, uint64_t entry)
{
	struct places places = collect_places(map);
	struct edges edges = collect_edges(&places, image, symbols, link);
	struct search search = {
	    .reach = allocate(map->count * sizeof(*search.reach)),
	    .queue = allocate(map->count * sizeof(*search.queue)),
	};
	size_t root = part_at(&places, entry);

	if (root != MAP_NO_INPUT)
		reach(&search, root, MAP_ENTRY, root);
	spread(&search, &edges, &places);
	while ((root = next_root(&search, &edges, &places)) != MAP_NO_INPUT) {
		reach(&search, root, MAP_KEPT, root);
		spread(&search, &edges, &places);
	}
	return search.reach;
}

/* ---- names ---- */

static int compare_indices(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return x < y ? -1 : x > y;
}

struct map_found map_find(const struct map *map, const struct sections *symbols,
                          const char *name)
{
	struct places places = collect_places(map);
	size_t count = sections_symbol_count(symbols), kept = 0;
	struct map_found found = {.part =
	                              allocate((count + map->count) * sizeof(size_t))};

	for (size_t i = 0; i < count; i++) {
		struct section_symbol symbol;
		size_t part;
		if (!sections_symbol_at(symbols, i, &symbol) || !symbol.section ||
		    symbol.type > STT_FUNC || fnmatch(name, symbol.name, 0) != 0)
			continue;
		part = part_at(&places, symbol.address);
		if (part != MAP_NO_INPUT)
			found.part[found.count++] = part;
	}
	/* Pieces that have the name of their section. */
	for (size_t i = 0; i < places.count; i++)
		if (fnmatch(name, map->part[places.part[i]].name, 0) == 0)
			found.part[found.count++] = places.part[i];
	qsort(found.part, found.count, sizeof(size_t), compare_indices);
	for (size_t i = 0; i < found.count; i++)
		if (!kept || found.part[kept - 1] != found.part[i])
			found.part[kept++] = found.part[i];
	found.count = kept;
	return found;
}

/* Levenshtein's distance; names longer than this look like no other. */
enum { NAME_LENGTH = 64 };

static size_t distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), row[NAME_LENGTH + 1];

	if (n > NAME_LENGTH || m > NAME_LENGTH)
		return SIZE_MAX;
	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t above = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = above;
			row[j] = best;
		}
	}
	return row[m];
}

struct words map_similar(const struct sections *symbols, const char *name, size_t limit)
{
	struct words similar = {0};
	size_t most = strlen(name) / 3 + 1;

	/* Nearest first; then what has the name in it. */
	for (size_t wanted = 1; wanted <= most + 1; wanted++)
		for (size_t i = 0; i < sections_symbol_count(symbols); i++) {
			struct section_symbol symbol;
			bool known = false;
			if (similar.count == limit)
				return similar;
			if (!sections_symbol_at(symbols, i, &symbol) || !symbol.section ||
			    symbol.type > STT_FUNC || !*symbol.name ||
			    symbol.name[0] == '.' ||
			    (wanted <= most ? distance(symbol.name, name) != wanted
			                    : !strstr(symbol.name, name)))
				continue;
			for (size_t j = 0; j < similar.count; j++)
				known |= strcmp(similar.item[j], symbol.name) == 0;
			if (!known)
				words_add(&similar, symbol.name);
		}
	return similar;
}
