/*
 * An image whose drivers break the rules. What it tries stands in test/vm/rings, in these words;
 * a line is a whole program of them. PLACE and number are as in ../attack.h; devices are told
 * guest-physical addresses, which are the image's own less `offset`.
 *
 *	setup DEVICE QUEUE          resets, agrees on features, and places the queue's rings
 *	size N, desc A, avail A, used A   changes what was set up
 *	start                       the queue is ready, and the driver is up
 *	d I ADDRESS SIZE FLAGS NEXT a descriptor; flags: 1 has a next, 2 to write, 4 indirect
 *	i I ADDRESS SIZE FLAGS NEXT one of the table `table`, for indirect descriptors
 *	offer N                     shows the device N buffers, the first descriptors, and notifies
 *	index N                     shows it that index, whatever it means, and notifies
 *	set1, set2, set4, set8 OFFSET VALUE     writes a register
 *	control4, control8 OFFSET VALUE         writes a control register
 *	move PLACE                  writes 16 bytes by one instruction
 *	show PLACE                  prints "returned" and the byte there
 */
#include <kiln/bytes.h>
#include <kiln/appliance.h>

KILN_NET(net0, "a tap to abuse");
KILN_BLOCK(disk0, "a disk to abuse");
KILN_BLOCK(disk1, "one that may only be read");
KILN_PARAM_STRING(attack, "none", "what to try");

#include "../attack.h"

/* virtio 1.2, 4.2.2 */
enum {
	DRIVER_FEATURES = 0x20,
	DRIVER_FEATURES_SELECT = 0x24,
	QUEUE_SELECT = 0x30,
	QUEUE_SIZE = 0x38,
	QUEUE_READY = 0x44,
	NOTIFY = 0x50,
	STATUS = 0x70,
	QUEUE_DESC = 0x80,
	QUEUE_AVAIL = 0x90,
	QUEUE_USED = 0xa0,
	QUEUE = 4,
};

struct descriptor {
	uint64_t address;
	uint32_t size;
	uint16_t flags, next;
};
_Static_assert(sizeof(struct descriptor) == 16, "virtio 1.2, 2.7.5");

/* All that a device gets to see. */
static volatile struct {
	struct descriptor desc[256], table[256];
	uint16_t avail[2 + 256 + 1];
	uint8_t header[16], status[16], buffer[2048];
	struct {
		uint16_t flags, index;
		uint32_t ring[2 * 256 + 1];
	} used;
} rings __attribute__((aligned(4096)));

static volatile uint8_t *registers; /* of the device that was set up last */
static unsigned queue;

static void set(unsigned offset, uint32_t value)
{
	*(volatile uint32_t *)(volatile void *)(registers + offset) = value;
}

static void set_address(unsigned offset, uint64_t address)
{
	set(offset, (uint32_t)address);
	set(offset + 4, (uint32_t)(address >> 32));
}

static bool own_place(struct attack *a, struct slice name, uint64_t *value)
{
	const struct kiln_boot *boot = a->kiln->boot;
	const struct {
		struct slice name;
		uint64_t value;
	} places[] = {
	    {SLICE("offset"), boot->physical_offset},
	    {SLICE("control"), boot->control},
	    {SLICE("registers"), (uintptr_t)registers},
	    {SLICE("tables"), boot->control + (2 << 20)},
	    {SLICE("desc"), (uintptr_t)rings.desc},
	    {SLICE("table"), (uintptr_t)rings.table},
	    {SLICE("avail"), (uintptr_t)rings.avail},
	    {SLICE("used"), (uintptr_t)&rings.used},
	    {SLICE("header"), (uintptr_t)rings.header},
	    {SLICE("status"), (uintptr_t)rings.status},
	    {SLICE("buffer"), (uintptr_t)rings.buffer},
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (slice_equal(name, places[i].name)) {
			*value = places[i].value;
			return true;
		}
	}
	return false;
}

static void setup(struct attack *a, struct slice device)
{
	const struct kiln_boot *boot = a->kiln->boot;
	uint64_t offset = boot->physical_offset;

	registers = NULL;
	for (uint32_t i = 0; i < boot->device_count; i++) {
		const struct kiln_boot_device *d = &boot->devices[i];
		if (slice_equal(device, slice_text(d->name)))
			registers = (volatile uint8_t *)(uintptr_t)d->registers;
	}
	if (!registers)
		cannot_read(a, device);
	queue = (unsigned)next_value(a);
	set(STATUS, 0);
	set(STATUS, 3);
	set(DRIVER_FEATURES_SELECT, 1);
	set(DRIVER_FEATURES, 1); /* VERSION_1 */
	set(STATUS, 11);
	set(QUEUE_SELECT, queue);
	set(QUEUE_SIZE, QUEUE);
	set_address(QUEUE_DESC, (uintptr_t)rings.desc - offset);
	set_address(QUEUE_AVAIL, (uintptr_t)rings.avail - offset);
	set_address(QUEUE_USED, (uintptr_t)&rings.used - offset);
}

static void describe(struct attack *a, volatile struct descriptor *table)
{
	volatile struct descriptor *d = &table[next_value(a) % 256];

	d->address = next_value(a);
	d->size = (uint32_t)next_value(a);
	d->flags = (uint16_t)next_value(a);
	d->next = (uint16_t)next_value(a);
}

static void show_index(uint16_t index)
{
	rings.avail[1] = index;
	set(NOTIFY, queue);
}

static void offer(uint64_t count)
{
	for (uint64_t i = 0; i < count && i < 256; i++)
		rings.avail[2 + i] = (uint16_t)i;
	show_index((uint16_t)count);
}

static void write_register(volatile uint8_t *at, unsigned size, uint64_t value)
{
	if (size == 1)
		*at = (uint8_t)value;
	else if (size == 2)
		*(volatile uint16_t *)(volatile void *)at = (uint16_t)value;
	else if (size == 4)
		*(volatile uint32_t *)(volatile void *)at = (uint32_t)value;
	else
		*(volatile uint64_t *)(volatile void *)at = value;
}

/* "set4": the digit behind the word; 0 if it is another word. */
static unsigned width_of(struct slice verb, struct slice word)
{
	return verb.len == word.len + 1 && slice_starts_with(verb, word)
	           ? verb.data[word.len] - '0'
	           : 0;
}

static bool try_register(struct attack *a, struct slice verb)
{
	unsigned width = width_of(verb, SLICE("set"));
	volatile uint8_t *base = registers;
	uint64_t offset;

	if (!width) {
		width = width_of(verb, SLICE("control"));
		base = (volatile uint8_t *)(uintptr_t)a->kiln->boot->control;
	}
	if (!width)
		return false;
	offset = next_value(a);
	write_register(base + offset, width, next_value(a));
	return true;
}

static bool try_queue(struct attack *a, struct slice verb)
{
	if (slice_equal(verb, SLICE("setup"))) {
		setup(a, next_word(a));
	} else if (slice_equal(verb, SLICE("size"))) {
		set(QUEUE_SIZE, (uint32_t)next_value(a));
	} else if (slice_equal(verb, SLICE("desc"))) {
		set_address(QUEUE_DESC, next_value(a));
	} else if (slice_equal(verb, SLICE("avail"))) {
		set_address(QUEUE_AVAIL, next_value(a));
	} else if (slice_equal(verb, SLICE("used"))) {
		set_address(QUEUE_USED, next_value(a));
	} else if (slice_equal(verb, SLICE("start"))) {
		set(QUEUE_READY, 1);
		set(STATUS, 15);
	} else if (slice_equal(verb, SLICE("d"))) {
		describe(a, rings.desc);
	} else if (slice_equal(verb, SLICE("i"))) {
		describe(a, rings.table);
	} else if (slice_equal(verb, SLICE("offer"))) {
		offer(next_value(a));
	} else if (slice_equal(verb, SLICE("index"))) {
		show_index((uint16_t)next_value(a));
	} else {
		return false;
	}
	return true;
}

static bool try_own(struct attack *a, struct slice verb)
{
	uint64_t place;

	if (try_queue(a, verb) || try_register(a, verb))
		return true;
	if (slice_equal(verb, SLICE("move"))) {
		place = next_value(a);
		__asm__ volatile("movups %%xmm0, (%0)" : : "r"(place) : "memory");
	} else if (slice_equal(verb, SLICE("show"))) {
		place = next_value(a);
		kiln_printf(a->kiln, "returned %u\n",
		            *(volatile uint8_t *)(uintptr_t)place);
	} else {
		return false;
	}
	return true;
}

int appliance(struct kiln *k)
{
	return attack_main(k, try_own);
}
