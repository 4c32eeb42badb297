/*
 * Finds the vDSO (vdso(7)): the one part of the kernel's that the image keeps, because its
 * clock costs 30 ns and a system call ten times that.
 *
 * Its pages and those with its data are not of a fixed number, so /proc/self/maps is asked.
 * Where there is no /proc, the image reads the clock by a system call.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>
#include "jail.h"

static void take_line(struct vdso *vdso, const char *line)
{
	uint64_t start, end;
	char *at;

	start = strtoull(line, &at, 16);
	if (*at != '-')
		return;
	end = strtoull(at + 1, &at, 16);
	if (strstr(at, "[vdso]")) {
		vdso->code = (struct range){start, end - start};
	} else if (strstr(at, "[vvar")) { /* also [vvar_vclock], next to it */
		if (vdso->data.size == 0)
			vdso->data.start = start;
		vdso->data.size = end - vdso->data.start;
	}
}

static void read_maps(struct vdso *vdso)
{
	static char text[16384];
	size_t size = 0;
	ssize_t n = 1;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	while (n > 0 && size < sizeof(text) - 1) {
		n = read(fd, text + size, sizeof(text) - 1 - size);
		size += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		take_line(vdso, line);
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

		if (s->sh_type != SHT_DYNSYM)
			continue;
		for (size_t n = s->sh_size / sizeof(*symbol); n; n--, symbol++) {
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

	if (base == 0)
		return vdso;
	read_maps(&vdso);
	/* The filter compares the upper half of an address once. */
	if (vdso.code.start == base && vdso.data.size &&
	    vdso.data.start + vdso.data.size == base &&
	    base >> 32 == (base + vdso.code.size) >> 32)
		vdso.clock_gettime = find_symbol(base, "__vdso_clock_gettime");
	if (vdso.clock_gettime == 0)
		vdso = (struct vdso){0};
	return vdso;
}
