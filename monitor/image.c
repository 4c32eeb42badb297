/*
 * Reading and loading image files (ELF64, x86-64; System V gABI, chapters 4 and 5). Used
 * by the monitors and by the tool; the manifest is read in image_notes.c.
 *
 * Every table is read through file_get(), which knows the file's bounds; every address is
 * checked against the segments. What a program could need but an image has not (shared
 * libraries, symbol relocations, thread-local storage) is refused, not ignored.
 */
#include <stdarg.h>
#include <stdio.h>
#include "image_private.h"

#ifndef DT_RELR /* newer than musl's elf.h */
#define DT_RELRSZ  35
#define DT_RELR    36
#define DT_RELRENT 37
#endif

/* More address space than any image has use for; keeps sums of addresses from
 * overflowing. */
#define SPAN_MAX ((uint64_t)1 << 32)

bool refuse(const struct parse *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(p->error, p->error_size, format, args);
	va_end(args);
	return false;
}

static uint64_t page_down(uint64_t address)
{
	return address & ~(uint64_t)(PAGE - 1);
}

static bool parse_header(struct parse *p, Elf64_Ehdr *header)
{
	if (!file_get(p->image, 0, header, sizeof(*header)) ||
	    memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
		return refuse(p, "not an ELF file");
	if (header->e_ident[EI_CLASS] != ELFCLASS64 ||
	    header->e_ident[EI_DATA] != ELFDATA2LSB || header->e_machine != EM_X86_64)
		return refuse(p, "not for x86-64");
	if (header->e_phnum && header->e_phentsize != sizeof(Elf64_Phdr))
		return refuse(p, "program headers of an unknown size");
	if (header->e_shnum && header->e_shentsize != sizeof(Elf64_Shdr))
		return refuse(p, "section headers of an unknown size");
	if (!file_holds(p->image, header->e_phoff,
	                (uint64_t)header->e_phnum * sizeof(Elf64_Phdr)))
		return refuse(p, "program headers outside the file");
	return true;
}

static bool program_header(const struct parse *p, const Elf64_Ehdr *header, unsigned i,
                           Elf64_Phdr *ph)
{
	return file_get(p->image, header->e_phoff + i * sizeof(*ph), ph, sizeof(*ph));
}

/* ---- segments ---- */

/* One PT_LOAD entry. Addresses are the file's own until rebase(). */
static bool take_segment(struct parse *p, const Elf64_Phdr *ph)
{
	struct image *image = p->image;
	const struct image_segment *before = NULL;

	if (ph->p_memsz == 0)
		return true;
	if (image->segment_count == IMAGE_SEGMENTS)
		return refuse(p, "more than %d segments", IMAGE_SEGMENTS);
	if (ph->p_filesz > ph->p_memsz || !file_holds(image, ph->p_offset, ph->p_filesz))
		return refuse(p, "a segment's content lies outside the file");
	if (ph->p_vaddr >= SPAN_MAX || ph->p_memsz > SPAN_MAX - ph->p_vaddr)
		return refuse(p, "a segment lies beyond %llu MiB",
		              (unsigned long long)(SPAN_MAX >> 20));
	if ((ph->p_flags & PF_W) && (ph->p_flags & PF_X))
		return refuse(p, "a segment is both writable and executable");
	if (image->segment_count)
		before = &image->segments[image->segment_count - 1];
	if (before &&
	    page_down(ph->p_vaddr) < page_up(before->address + before->memory_size))
		return refuse(p, "two segments overlap or share a page");
	image->segments[image->segment_count++] = (struct image_segment){
	    .address = ph->p_vaddr,
	    .memory_size = ph->p_memsz,
	    .file_offset = ph->p_offset,
	    .file_size = ph->p_filesz,
	    .flags = ph->p_flags,
	};
	return true;
}

/* The segment whose bytes in memory (or in the file) hold the range; NULL if none does.
 */
static const struct image_segment *segment_of(const struct image *image, uint64_t address,
                                              uint64_t size, bool in_file)
{
	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct image_segment *s = &image->segments[i];
		uint64_t length = in_file ? s->file_size : s->memory_size;
		if (address >= s->address && address - s->address <= length &&
		    size <= length - (address - s->address))
			return s;
	}
	return NULL;
}

/*
 * What is constant after relocation becomes whole pages: outward, where that takes
 * nothing in that the segment has beside it.
 */
static bool take_relro(struct parse *p, const Elf64_Phdr *ph)
{
	const struct image_segment *s;
	uint64_t start = page_down(ph->p_vaddr), end;

	if (ph->p_memsz == 0)
		return true;
	s = segment_of(p->image, ph->p_vaddr, ph->p_memsz, false);
	if (!s || !(s->flags & PF_W))
		return refuse(p, "the relocated constants lie outside the data");
	end = ph->p_vaddr + ph->p_memsz;
	if ((ph->p_vaddr > s->address && start != ph->p_vaddr) ||
	    (end < s->address + s->memory_size && end % PAGE != 0))
		return refuse(p, "the relocated constants share a page with data");
	p->image->relro_address = start;
	p->image->relro_size = page_up(end) - start;
	return true;
}

/* ---- relocations ---- */

enum { RELR_BITS = 63 };

/* Entries of the dynamic section that an image may have; all that ask for a dynamic
 * loader are refused. */
static bool take_dynamic_entry(struct parse *p, const Elf64_Dyn *d, uint64_t *relr)
{
	switch (d->d_tag) {
	case DT_RELR:
		*relr = d->d_un.d_ptr;
		return true;
	case DT_RELRSZ:
		p->image->relr_size = d->d_un.d_val;
		return true;
	case DT_RELRENT:
		if (d->d_un.d_val != sizeof(uint64_t))
			return refuse(p, "relocations of an unknown size");
		return true;
	case DT_NEEDED:
		return refuse(p, "it needs a shared library");
	case DT_TEXTREL:
		return refuse(p, "it relocates its text");
	case DT_RELASZ:
	case DT_RELSZ:
	case DT_PLTRELSZ:
		if (d->d_un.d_val != 0)
			return refuse(p, "it has relocations other than RELR");
		return true;
	case DT_FLAGS:
		if (d->d_un.d_val & DF_TEXTREL)
			return refuse(p, "it relocates its text");
		return true;
	default:
		return true;
	}
}

static bool parse_dynamic(struct parse *p, const Elf64_Phdr *ph)
{
	struct image *image = p->image;
	const struct image_segment *s;
	uint64_t relr = 0;

	if (!file_holds(image, ph->p_offset, ph->p_filesz))
		return refuse(p, "the dynamic section lies outside the file");
	for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= ph->p_filesz;
	     at += sizeof(Elf64_Dyn)) {
		Elf64_Dyn d;
		if (!file_get(image, ph->p_offset + at, &d, sizeof(d)))
			return refuse(p, "the dynamic section lies outside the file");
		if (d.d_tag == DT_NULL)
			break;
		if (!take_dynamic_entry(p, &d, &relr))
			return false;
	}
	if (image->relr_size == 0)
		return true;
	s = segment_of(image, relr, image->relr_size, true);
	if (!s || image->relr_size % sizeof(uint64_t) != 0)
		return refuse(p, "the relocations lie outside the file");
	image->relr_offset = s->file_offset + (relr - s->address);
	return true;
}

/* ---- the whole ---- */

/* Makes all addresses relative to the lowest page. */
static void rebase(struct image *image, const Elf64_Ehdr *header)
{
	const struct image_segment *last = &image->segments[image->segment_count - 1];
	uint64_t base = page_down(image->segments[0].address);

	image->link_base = base;
	image->span = page_up(last->address + last->memory_size) - base;
	image->entry = header->e_entry - base;
	if (image->relro_size)
		image->relro_address -= base;
	for (unsigned i = 0; i < image->segment_count; i++)
		image->segments[i].address -= base;
}

static bool check_entry(struct parse *p, const Elf64_Ehdr *header)
{
	const struct image_segment *s = segment_of(p->image, header->e_entry, 1, true);

	if (!s || !(s->flags & PF_X))
		return refuse(p, "the entry point is not in the text");
	if (!p->image->has_gate)
		return true;
	const struct kiln_note_gate *gate = &p->image->gate;
	if (gate->offset < -(int64_t)SPAN_MAX || gate->offset > (int64_t)SPAN_MAX ||
	    gate->size > SPAN_MAX ||
	    segment_of(p->image, header->e_entry + (uint64_t)gate->offset, gate->size,
	               true) != s)
		return refuse(p, "the gate is not in the text");
	return true;
}

uint64_t image_gate_return(const struct image *image)
{
	uint64_t address = image->entry + (uint64_t)image->gate.offset, found = 0;
	const struct image_segment *s =
	    segment_of(image, address, image->gate.size, true);

	for (uint64_t i = 0; image->has_gate && s && i + 1 < image->gate.size; i++) {
		const uint8_t *code =
		    image->bytes + s->file_offset + (address - s->address) + i;
		if (code[0] != 0x0f || code[1] != 0x05)
			continue;
		if (found)
			return 0;
		found = address + i + 2;
	}
	return found;
}

static void start(struct parse *p, struct image *image, const void *bytes, size_t size,
                  char *error, size_t error_size)
{
	memset(image, 0, offsetof(struct image, devices));
	image->bytes = bytes;
	image->build.appliance = "";
	image->size = size;
	*p = (struct parse){image, error, error_size};
}

/* What the image says of itself apart from its segments, which are known by now. */
static bool take_other(struct parse *p, const Elf64_Phdr *ph, uint32_t *seen)
{
	switch (ph->p_type) {
	case PT_NOTE:
		return parse_note_run(p, ph->p_offset, ph->p_filesz, ph->p_align, seen);
	case PT_DYNAMIC:
		return parse_dynamic(p, ph);
	case PT_GNU_RELRO:
		return take_relro(p, ph);
	case PT_GNU_STACK:
		p->image->stack_executable = ph->p_flags & PF_X;
		return true;
	case PT_INTERP:
		return refuse(p, "it needs a dynamic loader");
	case PT_TLS:
		return refuse(p, "it has thread-local storage");
	default:
		return true;
	}
}

bool image_parse(struct image *image, const void *bytes, size_t size, char *error,
                 size_t error_size)
{
	struct parse p;
	Elf64_Ehdr header;
	Elf64_Phdr ph;
	uint32_t seen = 0;

	start(&p, image, bytes, size, error, error_size);
	if (!parse_header(&p, &header))
		return false;
	if (header.e_type != ET_DYN)
		return refuse(&p, "not a position-independent executable");
	for (unsigned i = 0; i < header.e_phnum; i++) {
		if (!program_header(&p, &header, i, &ph))
			return refuse(&p, "program headers outside the file");
		if (ph.p_type == PT_LOAD && !take_segment(&p, &ph))
			return false;
	}
	if (image->segment_count == 0)
		return refuse(&p, "it has nothing to load");
	for (unsigned i = 0; i < header.e_phnum; i++) {
		if (!program_header(&p, &header, i, &ph) || !take_other(&p, &ph, &seen))
			return false;
	}
	image->has_gate = seen & 1u << KILN_NOTE_GATE;
	if (!check_manifest(&p) || !check_entry(&p, &header))
		return false;
	rebase(image, &header);
	return true;
}

bool image_parse_notes(struct image *image, const void *bytes, size_t size, char *error,
                       size_t error_size)
{
	struct parse p;
	Elf64_Ehdr header;
	uint32_t seen = 0;

	start(&p, image, bytes, size, error, error_size);
	if (!parse_header(&p, &header))
		return false;
	for (unsigned i = 0; i < header.e_shnum; i++) {
		Elf64_Shdr sh;
		if (__builtin_add_overflow(header.e_shoff, i * sizeof(sh),
		                           &sh.sh_offset) ||
		    !file_get(image, sh.sh_offset, &sh, sizeof(sh)))
			return refuse(
			    &p, "the file is cut off before its section headers end");
		if (sh.sh_type == SHT_NOTE &&
		    !parse_note_run(&p, sh.sh_offset, sh.sh_size, sh.sh_addralign, &seen))
			return false;
	}
	for (unsigned i = 0; header.e_shnum == 0 && i < header.e_phnum; i++) {
		Elf64_Phdr ph;
		if (!program_header(&p, &header, i, &ph))
			return refuse(&p, "program headers outside the file");
		if (ph.p_type == PT_NOTE &&
		    !parse_note_run(&p, ph.p_offset, ph.p_filesz, ph.p_align, &seen))
			return false;
	}
	image->has_gate = seen & 1u << KILN_NOTE_GATE;
	mark_fixed(image);
	return true;
}

/* Applies one relocation: the address at its place, as linked, becomes one within the image. */
static bool relocate(const struct parse *p, const struct image *image, uint64_t place,
                     uint8_t *memory, uint64_t base)
{
	const struct image_segment *s = segment_of(image, place, sizeof(uint64_t), false);
	uint64_t target;

	if (!s || (s->flags & PF_X))
		return refuse(p, "a relocation lies in the text or outside the image");
	memcpy(&target, memory + place, sizeof(target));
	target -= image->link_base;
	if (target > image->span)
		return refuse(p, "a relocation points outside the image");
	target += base;
	memcpy(memory + place, &target, sizeof(target));
	return true;
}

bool image_load(const struct image *image, void *memory, uint64_t base, char *error,
                size_t error_size)
{
	const struct parse p = {NULL, error, error_size};
	uint8_t *to = memory;

	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct image_segment *s = &image->segments[i];
		if (!file_get(image, s->file_offset, to + s->address, s->file_size))
			return refuse(&p, "a segment's content lies outside the file");
	}
	return image_relocate(image, memory, base, error, error_size);
}

/*
 * RELR (System V gABI, chapter 5): an even entry is the place of a relocation; an odd one has
 * a bit for each of the 63 words behind the last that an entry told of.
 */
bool image_relocate(const struct image *image, void *memory, uint64_t base, char *error,
                    size_t error_size)
{
	const struct parse p = {NULL, error, error_size};
	uint64_t next = SPAN_MAX; /* in no image */

	for (uint64_t at = 0; at < image->relr_size; at += sizeof(uint64_t)) {
		uint64_t entry, place, bits = 1;
		if (!file_get(image, image->relr_offset + at, &entry, sizeof(entry)))
			return refuse(&p, "the relocations lie outside the file");
		if (entry & 1) {
			place = next;
			bits = entry >> 1;
			next += RELR_BITS * sizeof(uint64_t);
		} else {
			place = entry - image->link_base;
			next = place + sizeof(uint64_t);
		}
		for (; bits; bits >>= 1, place += sizeof(uint64_t)) {
			if ((bits & 1) && !relocate(&p, image, place, memory, base))
				return false;
		}
	}
	return true;
}
