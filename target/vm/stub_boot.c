/*
 * Boots an image that a PVH loader has put at its physical address: relocates it for a
 * virtual base chosen at random, lays out its memory, finds its devices and options, and
 * fills in the struct kiln_boot that Kiln's own monitor would have handed over.
 *
 * Runs once, in ring 0, at physical addresses, on tables that map the first 4 GiB as they
 * are; in the tables it makes for ring 3 neither it nor the tables have a place. Physical
 * memory, and above it in the same order the virtual one:
 *
 *	image | stub text, data | stack | tables (not mapped) | boot page | memory
 *
 * then, virtual only, a hole of 2 MiB and the registers of the local APIC and the
 *devices. Virtual minus physical is one multiple of 2 MiB, so that large pages map the
 *memory. RAM beyond the region that the image lies in is not used: on microvm that is 3
 *GiB.
 */
#include <elf.h>
#include <kiln/abi/boot.h>
#include "pvh.h"
#include "stub_boot.h"

enum {
	PAGE = 4096,
	STACK_SIZE = 64 << 10,
	MEMORY_LEAST = 1 << 20,
	OPTIONS_OFFSET = (sizeof(struct kiln_boot) + 15) & ~15,
	OPTIONS_MOST = PAGE - OPTIONS_OFFSET,
};
#define LARGE_PAGE (2ull << 20)
#define GIGABYTE   (1ull << 30)
#define SLOT       (512 * GIGABYTE) /* of one entry in the topmost table */

/* Page table entry bits. */
#define PTE_PRESENT  1ull
#define PTE_WRITE    2ull
#define PTE_USER     4ull
#define PTE_UNCACHED 0x18ull /* PWT, PCD */
#define PTE_LARGE    0x80ull
#define PTE_NX       (1ull << 63)
#define PTE_ADDRESS  0x000ffffffffff000ull

/* QEMU's microvm, where no command line names the devices. */
#define MICROVM_DEVICES 0xfeb00000ull
enum { MICROVM_STRIDE = 512, MICROVM_SLOTS = 24, PLACES_MOST = 32 };

/* Physical, but for the window. */
struct layout {
	uint64_t image;
	uint64_t memory_end; /* of the RAM that the image lies in */
	uint64_t stack, tables, boot, arena;
	uint64_t next_table;
	uint64_t window, window_page; /* the last page of registers: virtual, physical */
	uint64_t shared; /* bits of the MAC address: struct kiln_boot_device, size */
};

#pragma GCC visibility push(hidden)
extern const uint64_t relr_start[], relr_end[];
void stub_boot(const struct pvh_start *start);
#pragma GCC visibility pop

BOOT_CODE void boot_say(const char *text)
{
	for (; *text; text++)
		stub_serial((uint8_t)*text);
}

BOOT_CODE void boot_fail(const char *why)
{
	boot_say(BOOT_TEXT("kiln: cannot boot: "));
	boot_say(why);
	stub_serial('\n');
	stub_exit(1);
}

static BOOT_CODE uint64_t page_up(uint64_t address)
{
	return (address + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

static BOOT_CODE uint64_t page_down(uint64_t address)
{
	return address & ~(uint64_t)(PAGE - 1);
}

static BOOT_CODE void zero(uint64_t address, uint64_t size)
{
	__asm__ volatile("rep stosb" : "+D"(address), "+c"(size) : "a"(0) : "memory");
}

/* ---- layout ---- */

static BOOT_CODE uint64_t memory_end(const struct pvh_start *start, uint64_t address)
{
	const struct pvh_memory *map = (const void *)(uintptr_t)start->memory_map;

	if (start->magic != PVH_MAGIC || start->version < 1)
		boot_fail(BOOT_TEXT("the loader gives no memory map"));
	for (uint32_t i = 0; i < start->memory_map_entries; i++) {
		uint64_t end = map[i].address + map[i].size;
		if (map[i].type != PVH_MEMORY_RAM || address < map[i].address ||
		    address >= end)
			continue;
		return page_down(end < 4 * GIGABYTE ? end : 4 * GIGABYTE);
	}
	boot_fail(BOOT_TEXT("the image does not lie in memory"));
}

static BOOT_CODE void lay_out(struct layout *l, const struct pvh_start *start)
{
	uint64_t random = boot_random(), size, room;

	l->image = (uintptr_t)image_start;
	l->memory_end = memory_end(start, l->image);
	l->stack = (uintptr_t)stub_tables;
	l->tables = l->stack + STACK_SIZE;
	/* Three levels, one directory a gigabyte, one table at each end of the large
	 * pages and for each 2 MiB of image; the window's own, and what straddles a
	 * boundary. */
	l->boot = l->tables + PAGE * (10 + l->memory_end / GIGABYTE +
	                              ((uintptr_t)image_end - l->image) / LARGE_PAGE);
	l->arena = l->boot + PAGE;
	if (l->arena + MEMORY_LEAST > l->memory_end)
		boot_fail(
		    BOOT_TEXT("too little memory; give the virtual machine more (-m)"));
	if ((uintptr_t)start > l->image || start->command_line > l->image ||
	    start->memory_map > l->image)
		boot_fail(BOOT_TEXT("the loader's own data lies behind the image"));
	l->next_table = l->tables;

	/* 8 bits choose one of 254 slots of 512 GiB, 18 the place in it. */
	size = l->memory_end + 4 * LARGE_PAGE;
	room = (SLOT - size) / LARGE_PAGE;
	stub.offset = SLOT * (1 + (random >> 32) % 254) +
	              LARGE_PAGE * (uint64_t)((random & UINT32_MAX) * room >> 32);
	stub.image_base = l->image + stub.offset;
	l->window = ((l->memory_end + stub.offset) & ~(LARGE_PAGE - 1)) + 2 * LARGE_PAGE;
	l->window_page = 0;
}

/* RELR, as in monitor/image.c: places, and bits for the 63 words behind. */
static BOOT_CODE void relocate(const struct layout *l)
{
	uint64_t *next = NULL;

	for (const uint64_t *entry = relr_start; entry < relr_end; entry++) {
		if (*entry & 1) {
			uint64_t *at = next;
			for (uint64_t bits = *entry >> 1; bits; bits >>= 1, at++) {
				if (bits & 1)
					*at += stub.image_base;
			}
			next += 63;
		} else {
			next = (uint64_t *)(uintptr_t)(l->image + *entry);
			*next++ += stub.image_base;
		}
	}
}

/* ---- ring 3's tables ---- */

static BOOT_CODE uint64_t *new_table(struct layout *l)
{
	uint64_t table = l->next_table;

	if (table == l->boot)
		boot_fail(BOOT_TEXT("out of page tables"));
	l->next_table += PAGE;
	zero(table, PAGE);
	return (uint64_t *)(uintptr_t)table;
}

/* The table that an entry leads to, made if there is none. */
static BOOT_CODE uint64_t *descend(struct layout *l, uint64_t *entry)
{
	if (!*entry)
		*entry = (uintptr_t)new_table(l) | PTE_PRESENT | PTE_WRITE | PTE_USER;
	return (uint64_t *)(uintptr_t)(*entry & PTE_ADDRESS);
}

static BOOT_CODE void map_page(struct layout *l, uint64_t virtual, uint64_t entry)
{
	uint64_t *table = (uint64_t *)(uintptr_t)stub.tables;

	table = descend(l, &table[virtual >> 39 & 511]);
	table = descend(l, &table[virtual >> 30 & 511]);
	if (!(entry & PTE_LARGE)) {
		table = descend(l, &table[virtual >> 21 & 511]);
		table[virtual >> 12 & 511] = entry | PTE_PRESENT;
	} else {
		table[virtual >> 21 & 511] = entry | PTE_PRESENT;
	}
}

/* Maps [from, to), physical, whole pages, at its place in the block. */
static BOOT_CODE void map(struct layout *l, uint64_t from, uint64_t to, uint64_t flags)
{
	while (from < to) {
		bool large = from % LARGE_PAGE == 0 && to - from >= LARGE_PAGE;
		map_page(l, from + stub.offset, from | flags | (large ? PTE_LARGE : 0));
		from += large ? LARGE_PAGE : PAGE;
	}
}

/* The virtual address of registers, in a page of the window: the last one, or a new one.
 */
static BOOT_CODE uint64_t map_registers(struct layout *l, uint64_t physical,
                                        uint64_t user)
{
	if (l->window_page != page_down(physical)) {
		l->window_page = page_down(physical);
		l->window += PAGE;
		map_page(l, l->window,
		         l->window_page | PTE_WRITE | PTE_NX | PTE_UNCACHED | user);
	}
	return l->window + physical % PAGE;
}

static BOOT_CODE void map_pages(struct layout *l, uint64_t from, uint64_t to,
                                uint64_t flags)
{
	map(l, page_down(from), page_up(to), flags);
}

/* The image's own segments, as its program headers say: they begin the image. */
static BOOT_CODE void map_segments(struct layout *l)
{
	const Elf64_Ehdr *elf = (const void *)image_start;
	const Elf64_Phdr *segment = (const void *)(image_start + elf->e_phoff);

	for (unsigned i = 0; i < elf->e_phnum; i++, segment++) {
		uint64_t from = l->image + segment->p_vaddr, to = from + segment->p_memsz;
		if (segment->p_type != PT_LOAD || segment->p_flags & KILN_SEGMENT_STUB)
			continue;
		map_pages(l, from, to,
		          PTE_USER | (segment->p_flags & PF_W ? PTE_WRITE : 0) |
		              (segment->p_flags & PF_X ? 0 : PTE_NX));
		stub.ranges[0].start = stub.image_base;
		stub.ranges[0].end = to + stub.offset;
	}
	stub.entry = stub.image_base + elf->e_entry;
}

static BOOT_CODE void map_all(struct layout *l)
{
	const uint64_t data = PTE_USER | PTE_WRITE | PTE_NX;

	stub.tables = (uintptr_t)new_table(l);
	map_segments(l);
	map_pages(l, (uintptr_t)stub_text_start, (uintptr_t)stub_text_end, 0);
	map_pages(l, (uintptr_t)stub_data_start, (uintptr_t)stub_data_end,
	          PTE_WRITE | PTE_NX);
	map(l, l->stack, l->tables, data);
	map(l, l->boot, l->arena, PTE_USER | PTE_NX);
	map(l, l->arena, l->memory_end, data);
	stub.lapic = map_registers(l, LAPIC_BASE, 0);
	/* The tables in use now learn ring 3's addresses: for the step over. */
	stub_tables[0][stub.offset / SLOT] =
	    ((const uint64_t *)(uintptr_t)stub.tables)[stub.offset / SLOT];
}

/* ---- devices ---- */

enum { VIRTIO_MAGIC = 0x74726976, REGISTER_VERSION = 4, REGISTER_DEVICE = 8 };

static BOOT_CODE uint32_t device_type(uint32_t virtio_id)
{
	return virtio_id == 1   ? KILN_DEVICE_NET
	       : virtio_id == 2 ? KILN_DEVICE_BLOCK
	       : virtio_id == 3 ? KILN_DEVICE_CONSOLE
	       : virtio_id == 4 ? KILN_DEVICE_RNG
	                        : 0;
}

/* Takes in the device whose registers are there, if there is one that we drive. Its page
 * is ring 3's then; on microvm eight devices share one. */
static BOOT_CODE void add_device(struct layout *l, struct kiln_boot *boot,
                                 uint64_t physical)
{
	struct kiln_boot_device *device = &boot->devices[boot->device_count];
	uint32_t type;

	if (physical % 512 || physical < l->memory_end || physical >= 4 * GIGABYTE ||
	    (physical >= 0xfec00000 && physical < 0xfef00000) ||
	    *stub_register(physical, 0) != VIRTIO_MAGIC)
		return;
	type = device_type(*stub_register(physical, REGISTER_DEVICE));
	if (!type || boot->device_count == KILN_BOOT_DEVICES)
		return;
	if (*stub_register(physical, REGISTER_VERSION) != 2) {
		boot_say(
		    BOOT_TEXT("kiln: a device speaks legacy virtio and is left alone; "
		              "use -global virtio-mmio.force-legacy=false\n"));
		return;
	}
	device->type = type;
	device->handle = -1;
	device->size = type == KILN_DEVICE_NET ? l->shared : 0;
	device->registers = map_registers(l, physical, PTE_USER);
	boot->device_count++;
}

/* Where devices are said to be, in ascending order, in which a manifest's devices are
 * matched to them. QEMU's -device options fill its slots from the last one down, unless
 * they name them (bus=virtio-mmio-bus.N). */
struct places {
	uint64_t at[PLACES_MOST];
	unsigned count;
};

static BOOT_CODE void add_place(struct places *p, uint64_t physical)
{
	unsigned i = p->count;

	if (p->count == PLACES_MOST)
		return;
	for (; i > 0 && p->at[i - 1] > physical; i--)
		p->at[i] = p->at[i - 1];
	p->at[i] = physical;
	p->count++;
}

static BOOT_CODE void add_devices(struct layout *l, struct kiln_boot *boot,
                                  struct places *places)
{
	if (places->count == 0) {
		for (unsigned i = 0; i < MICROVM_SLOTS; i++)
			add_place(places, MICROVM_DEVICES + i * MICROVM_STRIDE);
	}
	for (unsigned i = 0; i < places->count; i++)
		add_device(l, boot, places->at[i]);
}

/* ---- the command line ---- */

static BOOT_CODE bool starts_with(const char *text, const char *prefix)
{
	for (; *prefix; prefix++, text++) {
		if (*text != *prefix)
			return false;
	}
	return true;
}

/* "0xfeb00e00", at the text's start. */
static BOOT_CODE uint64_t hexadecimal(const char *text)
{
	uint64_t value = 0;

	if (!starts_with(text, BOOT_TEXT("0x")))
		return 0;
	for (text += 2;; text++) {
		char c = *text | 0x20;
		if (*text >= '0' && *text <= '9')
			value = value << 4 | (uint64_t)(*text - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint64_t)(c - 'a' + 10);
		else
			return value;
	}
}

/*
 * Splits the command line at spaces, those in double quotes apart. What names a device,
 * as QEMU and Firecracker do for Linux ("virtio_mmio.device=512@0xfeb00e00:12"), is
 * a place; "kiln.shared=0xf" is what `kiln run --cpus` says of network devices (boot.h,
 * `size`); the rest are the image's options.
 */
static BOOT_CODE void read_command_line(struct layout *l, struct kiln_boot *boot,
                                        struct places *places, const char *line)
{
	char *options = (char *)boot + OPTIONS_OFFSET;
	uint64_t used = 0;

	while (line && *line) {
		uint64_t start = used;
		bool quoted = false;
		for (; *line && (quoted || *line != ' '); line++) {
			if (*line == '"') {
				quoted = !quoted;
				continue;
			}
			if (used == OPTIONS_MOST - 1)
				boot_fail(BOOT_TEXT("the command line is too long"));
			options[used++] = *line;
		}
		while (*line == ' ')
			line++;
		options[used] = '\0';
		if (starts_with(options + start, BOOT_TEXT("virtio_mmio.device="))) {
			const char *at = options + start;
			while (*at && *at != '@')
				at++;
			if (*at)
				add_place(places, hexadecimal(at + 1));
			used = start;
		} else if (starts_with(options + start, BOOT_TEXT("kiln.shared="))) {
			l->shared = hexadecimal(options + start + 12);
			used = start;
		} else if (used > start) {
			used++;
		}
	}
	boot->options = (uintptr_t)options + stub.offset;
	boot->options_size = used;
}

/* ---- all of it ---- */

static BOOT_CODE void fill_boot(struct layout *l, const struct pvh_start *start)
{
	struct kiln_boot *boot = (struct kiln_boot *)(uintptr_t)l->boot;
	struct clock clock = {0, 0, 0};
	struct places places;

	zero(l->boot, PAGE);
	boot_clock(&clock);
	boot->magic = KILN_BOOT_MAGIC;
	boot->abi = KILN_ABI_VERSION;
	boot->size = sizeof(*boot);
	boot->memory = l->arena + stub.offset;
	boot->memory_size = l->memory_end - l->arena;
	boot->tsc_hz = clock.tsc_hz;
	boot->tsc_base = clock.tsc_base;
	boot->wall_base = clock.wall_base;
	boot->physical_offset = stub.offset;
	boot->console = -1;
	for (unsigned i = 0; i < KILN_BOOT_SEED; i += 8)
		*(uint64_t *)(void *)(boot->seed + i) = boot_random();
	places.count = 0;
	l->shared = 0;
	read_command_line(l, boot, &places, (const char *)(uintptr_t)start->command_line);
	add_devices(l, boot, &places);
}

/* The firmware may have used memory that it says is free. It is read first: what is zero
 * need not be touched, and costs the host nothing. */
static BOOT_CODE void clean(uint64_t from, uint64_t to)
{
	for (; from < to; from += PAGE) {
		const volatile uint64_t *words =
		    (const volatile uint64_t *)(uintptr_t)from;
		uint64_t any = 0;
		for (unsigned i = 0; i < PAGE / 8; i += 4)
			any |= words[i] | words[i + 1] | words[i + 2] | words[i + 3];
		if (any)
			zero(from, PAGE);
	}
}

/* Called by stub_entry.S, which then enters ring 3 by what stands in `stub`. */
BOOT_CODE void stub_boot(const struct pvh_start *start)
{
	struct layout l;

	lay_out(&l, start);
	boot_protect();
	relocate(&l);
	map_all(&l);
	boot_interrupts();
	fill_boot(&l, start);
	clean(l.arena, l.memory_end);
	boot_descriptors();

	stub.ranges[1].start = l.stack + stub.offset;
	stub.ranges[1].end = l.tables + stub.offset;
	stub.ranges[2].start = l.boot + stub.offset;
	stub.ranges[2].end = l.memory_end + stub.offset;
	stub.stack = l.tables + stub.offset;
	stub.boot = l.boot + stub.offset;
}
