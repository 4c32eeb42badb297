/*
 * The sections of an ELF file, every bound checked: for sizes, symbols, the functions to
 * lay out and the code to look through. What runs an image never reads these; it goes by
 * segments (monitor/image.h).
 */
#ifndef TOOL_SECTIONS_H
#define TOOL_SECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct section {
	const char *name;
	uint32_t type;  /* SHT_* */
	uint64_t flags; /* SHF_* */
	uint64_t address, size;
	const uint8_t *bytes; /* in the file; NULL if it has none there */
	uint32_t link, info;
};

struct sections {
	struct section *item;
	size_t count;
};

/* False if this is no 64-bit ELF file with well-formed sections. Refers to `bytes`. */
bool sections_read(struct sections *sections, const void *bytes, size_t size);
/* NULL if there is none of that name. */
const struct section *sections_find(const struct sections *sections, const char *name);

/* Whether a running program can write to it: not to what its loader has relocated. */
bool section_is_writable(const struct section *section);

/* What an image consists of, in bytes. */
struct section_sizes {
	uint64_t text, constants, data, zeroed, notes;
};
struct section_sizes sections_sizes(const struct sections *sections);

struct section_symbol {
	const char *name;
	uint64_t address, size;
	unsigned type; /* STT_* */
	bool global;
	const struct section *section; /* NULL: undefined, absolute */
};

/* So many symbols there are. */
size_t sections_symbol_count(const struct sections *sections);
/* False if that one is broken. */
bool sections_symbol_at(const struct sections *sections, size_t index,
                        struct section_symbol *symbol);

/* The function that holds the address: "name+0x12"; NULL if no symbol says. */
const char *sections_symbol(const struct sections *sections, uint64_t address);
/* And the other way round; false if there is no symbol of that name. */
bool sections_address(const struct sections *sections, const char *name,
                      uint64_t *address);

#endif
