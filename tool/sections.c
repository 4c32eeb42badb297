/*
 * Reading ELF section headers and symbols; see sections.h.
 */
#include <elf.h>
#include <string.h>
#include "sections.h"
#include "tool.h"

static bool inside(uint64_t offset, uint64_t length, size_t size)
{
	return offset <= size && length <= size - offset;
}

bool sections_read(struct sections *sections, const void *bytes, size_t size)
{
	const uint8_t *file = bytes;
	const uint8_t *names;
	Elf64_Ehdr elf;
	Elf64_Shdr *headers, *strings;

	*sections = (struct sections){0};
	if (size < sizeof(elf))
		return false;
	memcpy(&elf, file, sizeof(elf));
	if (memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 ||
	    elf.e_ident[EI_CLASS] != ELFCLASS64 ||
	    elf.e_shentsize != sizeof(Elf64_Shdr) || elf.e_shstrndx >= elf.e_shnum ||
	    !inside(elf.e_shoff, (uint64_t)elf.e_shnum * sizeof(Elf64_Shdr), size))
		return false;
	headers = allocate(elf.e_shnum * sizeof(*headers));
	memcpy(headers, file + elf.e_shoff, elf.e_shnum * sizeof(*headers));
	strings = &headers[elf.e_shstrndx];
	if (!inside(strings->sh_offset, strings->sh_size, size) || strings->sh_size == 0)
		return false;
	names = file + strings->sh_offset;
	if (names[strings->sh_size - 1] != 0)
		return false;

	sections->item = allocate(elf.e_shnum * sizeof(*sections->item));
	for (unsigned i = 0; i < elf.e_shnum; i++) {
		const Elf64_Shdr *h = &headers[i];
		bool in_file = h->sh_type != SHT_NOBITS && h->sh_type != SHT_NULL;

		if (h->sh_name >= strings->sh_size ||
		    (in_file && !inside(h->sh_offset, h->sh_size, size)))
			return false;
		sections->item[i] = (struct section){
		    .name = (const char *)names + h->sh_name,
		    .type = h->sh_type,
		    .flags = h->sh_flags,
		    .address = h->sh_addr,
		    .size = h->sh_size,
		    .bytes = in_file ? file + h->sh_offset : NULL,
		    .link = h->sh_link,
		    .info = h->sh_info,
		};
	}
	sections->count = elf.e_shnum;
	return true;
}

const struct section *sections_find(const struct sections *sections, const char *name)
{
	for (size_t i = 0; i < sections->count; i++)
		if (strcmp(sections->item[i].name, name) == 0)
			return &sections->item[i];
	return NULL;
}

bool section_is_writable(const struct section *section)
{
	return (section->flags & SHF_WRITE) && section->type != SHT_DYNAMIC &&
	       !strstr(section->name, ".rel.ro");
}

struct section_sizes sections_sizes(const struct sections *sections)
{
	struct section_sizes sizes = {0};

	for (size_t i = 0; i < sections->count; i++) {
		const struct section *s = &sections->item[i];
		if (!(s->flags & SHF_ALLOC))
			continue;
		if (s->flags & SHF_EXECINSTR)
			sizes.text += s->size;
		else if (s->type == SHT_NOBITS)
			sizes.zeroed += s->size;
		else if (s->type == SHT_NOTE)
			sizes.notes += s->size;
		else if (section_is_writable(s))
			sizes.data += s->size;
		else
			sizes.constants += s->size;
	}
	return sizes;
}

/* The NUL-terminated text at an offset of a string table. */
static const char *string_at(const struct section *table, uint64_t offset)
{
	if (!table->bytes || offset >= table->size || table->bytes[table->size - 1] != 0)
		return NULL;
	return (const char *)table->bytes + offset;
}

size_t sections_symbol_count(const struct sections *sections)
{
	const struct section *table = sections_find(sections, ".symtab");

	if (!table || !table->bytes || table->link >= sections->count)
		return 0;
	return table->size / sizeof(Elf64_Sym);
}

bool sections_symbol_at(const struct sections *sections, size_t index,
                        struct section_symbol *symbol)
{
	const struct section *table = sections_find(sections, ".symtab");
	Elf64_Sym elf;

	memcpy(&elf, table->bytes + index * sizeof(elf), sizeof(elf));
	*symbol = (struct section_symbol){
	    .name = string_at(&sections->item[table->link], elf.st_name),
	    .address = elf.st_value,
	    .size = elf.st_size,
	    .type = ELF64_ST_TYPE(elf.st_info),
	    .global = ELF64_ST_BIND(elf.st_info) != STB_LOCAL,
	};
	if (elf.st_shndx != SHN_UNDEF && elf.st_shndx < sections->count)
		symbol->section = &sections->item[elf.st_shndx];
	return symbol->name != NULL;
}

const char *sections_symbol(const struct sections *sections, uint64_t address)
{
	struct section_symbol symbol, best = {0};

	for (size_t i = 0; i < sections_symbol_count(sections); i++) {
		if (!sections_symbol_at(sections, i, &symbol) || !*symbol.name ||
		    !symbol.section || symbol.type > STT_FUNC ||
		    symbol.address > address || symbol.address < best.address)
			continue;
		if (symbol.size && address >= symbol.address + symbol.size)
			continue;
		best = symbol;
	}
	if (!best.name)
		return NULL;
	return text_format("%s+0x%llx", best.name,
	                   (unsigned long long)(address - best.address));
}

bool sections_address(const struct sections *sections, const char *name,
                      uint64_t *address)
{
	struct section_symbol symbol;

	for (size_t i = 0; i < sections_symbol_count(sections); i++)
		if (sections_symbol_at(sections, i, &symbol) && symbol.section &&
		    strcmp(symbol.name, name) == 0) {
			*address = symbol.address;
			return true;
		}
	return false;
}
