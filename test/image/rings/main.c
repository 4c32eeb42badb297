/*
 * An image whose driver breaks the rules in the way that --attack names; test/vm/kvm.py runs
 * it once for each under Kiln's KVM monitor, which must say what was wrong. It prints
 * "survived" if it was not ended for it.
 *
 * Drives the entropy device by its registers, as code that was taken over would.
 */
#include <kiln/appliance.h>

KILN_PARAM_STRING(attack, "none", "what to try");

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
	NEXT = 1,
	WRITE = 2,
};

struct descriptor {
	uint64_t address;
	uint32_t size;
	uint16_t flags, next;
};

static volatile struct {
	struct descriptor desc[QUEUE];
	uint16_t avail[2 + QUEUE + 1];
	uint8_t buffer[64];
	struct {
		uint16_t flags, index;
		uint32_t ring[2 * QUEUE + 1];
	} used;
} rings __attribute__((aligned(64)));

static const uint64_t constant = 1;

struct attacker {
	struct kiln *kiln;
	volatile uint8_t *registers;
};

static void set(struct attacker *a, unsigned offset, uint32_t value)
{
	*(volatile uint32_t *)(a->registers + offset) = value;
}

static uint64_t physical(struct attacker *a, const volatile void *at)
{
	return (uintptr_t)at - a->kiln->boot->physical_offset;
}

static void set_address(struct attacker *a, unsigned offset, uint64_t address)
{
	set(a, offset, (uint32_t)address);
	set(a, offset + 4, (uint32_t)(address >> 32));
}

static void start_queue(struct attacker *a, uint64_t used)
{
	set(a, STATUS, 0);
	set(a, STATUS, 3);
	set(a, DRIVER_FEATURES_SELECT, 1);
	set(a, DRIVER_FEATURES, 1); /* VERSION_1 */
	set(a, STATUS, 11);
	set(a, QUEUE_SELECT, 0);
	set(a, QUEUE_SIZE, QUEUE);
	set_address(a, QUEUE_DESC, physical(a, rings.desc));
	set_address(a, QUEUE_AVAIL, physical(a, rings.avail));
	set_address(a, QUEUE_USED, used);
	set(a, QUEUE_READY, 1);
	set(a, STATUS, 15);
}

/* Asks for random bytes at `address`; true if the device wrote any. */
static bool ask(struct attacker *a, uint64_t address, uint32_t size, uint16_t flags)
{
	start_queue(a, physical(a, &rings.used));
	rings.desc[0].address = address;
	rings.desc[0].size = size;
	rings.desc[0].flags = flags;
	rings.desc[0].next = 0;
	rings.avail[2] = 0;
	rings.avail[1] = 1;
	set(a, NOTIFY, 0);
	return rings.used.index == 1;
}

static bool is(const char *name)
{
	return slice_equal(slice_text(attack), slice_text(name));
}

/* Device writes to where the image itself could not write. */
static bool attack_memory(struct attacker *a)
{
	const struct kiln_boot *boot = a->kiln->boot;

	if (is("dma-text"))
		return ask(a, physical(a, (const void *)(uintptr_t)kiln_run), 16, WRITE);
	if (is("dma-constant"))
		return ask(a, physical(a, &constant), 8, WRITE);
	if (is("dma-boot"))
		return ask(a, physical(a, boot), 16, WRITE);
	if (is("dma-behind-memory"))
		return ask(a, boot->memory + boot->memory_size - boot->physical_offset,
		           16, WRITE);
	if (is("dma-tables"))
		return ask(a, physical(a, a->registers) + (2 << 20), 16, WRITE);
	if (is("dma-registers"))
		return ask(a, physical(a, a->registers), 16, WRITE);
	if (is("dma-wrap"))
		return ask(a, UINT64_MAX - 7, 16, WRITE);
	if (is("used-constant"))
		return start_queue(a, physical(a, &constant) & ~(uint64_t)3), true;
	return false;
}

static bool attack_rings(struct attacker *a)
{
	if (is("loop"))
		return ask(a, physical(a, rings.buffer), 16, WRITE | NEXT);
	if (is("jump")) {
		start_queue(a, physical(a, &rings.used));
		rings.avail[1] = 1000;
		set(a, NOTIFY, 0);
		return true;
	}
	if (is("byte-register"))
		return *(a->registers + STATUS) = 0, true;
	if (is("no-register"))
		return set(a, 0xff0, 1), true;
	if (is("no-queue"))
		return set(a, QUEUE_SELECT, 77), set(a, QUEUE_READY, 1), true;
	return false;
}

static bool attack_control(struct attacker *a)
{
	volatile uint64_t *control =
	    (volatile uint64_t *)(uintptr_t)a->kiln->boot->control;

	if (is("control-bytes"))
		return *(volatile uint32_t *)(volatile void *)control = 0, true;
	if (is("control-nothing"))
		return control[100] = 0, true;
	if (is("control-fault"))
		return control[KILN_CONTROL_FAULT / 8] = UINT64_MAX - 8, true;
	if (is("busy")) {
		kiln_printf(a->kiln, "busy\n");
		control[KILN_CONTROL_WAIT / 8] = 0; /* prints it */
		for (;;)
			__asm__ volatile("");
	}
	return false;
}

int appliance(struct kiln *k)
{
	struct attacker a = {k, NULL};

	for (unsigned i = 0; i < k->boot->device_count; i++) {
		if (k->boot->devices[i].type == KILN_DEVICE_RNG)
			a.registers = (uint8_t *)(uintptr_t)k->boot->devices[i].registers;
	}
	if (!a.registers || !k->boot->control)
		kiln_fail(k, "rings", "this is for Kiln's KVM monitor");
	if (is("none") &&
	    !ask(&a, physical(&a, rings.buffer), sizeof(rings.buffer), WRITE))
		kiln_fail(k, "rings", "no random bytes");
	if (is("address"))
		kiln_printf(k, "%p\n", (const void *)(uintptr_t)&rings);
	else if (!is("none") && !attack_memory(&a) && !attack_rings(&a) &&
	         !attack_control(&a))
		kiln_fail(k, "rings", "there is no attack %s", attack);
	kiln_printf(k, "survived\n");
	return 0;
}
