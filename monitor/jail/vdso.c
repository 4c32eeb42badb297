/*
 * Finds the vDSO (vdso(7)): the one part of the kernel's that the image keeps, because
 * reading the clock there takes a tenth of the time of a system call.
 *
 * Before its code lie pages with its data, as many as the kernel likes. They are counted,
 * not looked up: /proc may not be there, and costs as much as the whole placing of an
 * image. Runs before the monitor maps anything, when only the stack could lie there, too.
 */
#include <elf.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include "jail.h"

static uint64_t data_start(uint64_t code)
{
	enum { PAGES_MOST = 16 };
	/* The topmost of the stack is the program's name and 8 bytes of zero. */
	uint64_t name = getauxval(AT_EXECFN);
	uint64_t stack_end =
	    page_up(name + strlen((const char *)(uintptr_t)name) + 1 + 8);
	uint64_t start = code;
	unsigned char present;

	while (start != stack_end && code - start < PAGES_MOST * PAGE &&
	       mincore((void *)(uintptr_t)(start - PAGE), PAGE, &present) == 0)
		start -= PAGE;
	return start;
}

/* The kernel's own ELF file, mapped whole: section headers and all. */
static uint64_t find_symbol(uint64_t base, const char *name)
{
	const char *file = (const char *)(uintptr_t)base;
	const Elf64_Ehdr *header = (const void *)file;
	const Elf64_Shdr *sections = (const void *)(file + header->e_shoff);

	for (unsigned i = 0; i < header->e_shnum; i++) {
		const Elf64_Shdr *s = &sections[i];
		const Elf64_Sym *symbol = (const void *)(file + s->sh_offset);
		const char *names = file + sections[s->sh_link].sh_offset;

		for (size_t n = s->sh_size / sizeof(*symbol);
		     s->sh_type == SHT_DYNSYM && n; n--, symbol++) {
			if (symbol->st_shndx != SHN_UNDEF &&
			    strcmp(names + symbol->st_name, name) == 0)
				return base + symbol->st_value;
		}
	}
	return 0;
}

struct vdso vdso_find(void)
{
	struct vdso vdso = {0};
	uint64_t base = getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *header = (const void *)(uintptr_t)base;

	if (base == 0)
		return vdso;
	vdso.code.start = base;
	vdso.code.size = page_up(header->e_shoff + header->e_shnum * sizeof(Elf64_Shdr));
	vdso.whole.start = data_start(base);
	vdso.whole.size = base + vdso.code.size - vdso.whole.start;
	vdso.clock_gettime = find_symbol(base, "__vdso_clock_gettime");
	/* The filter compares the upper half of an address once. */
	if (vdso.clock_gettime == 0 || base >> 32 != (base + vdso.code.size) >> 32)
		return (struct vdso){0};
	return vdso;
}
