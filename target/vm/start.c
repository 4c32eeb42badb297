/*
 * The start of a vm image in ring 3, and how devices are found by their manifest names.
 * Entered from entry.S; the struct kiln_boot is the monitor's or the stub's (boot.h).
 */
#include <kiln/bytes.h>
#include "stub.h"
#include "vm.h"

KILN_NOTE(vm_note_target, KILN_NOTE_TARGET, kiln_note_target, KILN_ABI_VERSION,
          KILN_TARGET_VM);

struct vm vm;

/* The stack protector's canary: gcc and clang know these two names. */
uintptr_t __stack_chk_guard;
_Noreturn void __stack_chk_fail(void);
_Noreturn void vm_start(const struct kiln_boot *boot);

/* From image.ld. */
extern const uint8_t kiln_notes_start[], kiln_notes_end[];

void __stack_chk_fail(void)
{
	target_panic(SLICE("kiln: stack smashed\n"));
}

/* The place of `name` among the manifest's devices of its type; -1 if it is not there. */
static int manifest_place(uint32_t type, const char *name)
{
	struct cursor notes = cursor_of(
	    slice_of(kiln_notes_start, (size_t)(kiln_notes_end - kiln_notes_start)));
	struct kiln_note_header header;
	struct kiln_note_device device;
	int place = 0;

	while (cursor_left(&notes) >= sizeof(header)) {
		struct slice desc;
		memcpy(&header, cursor_bytes(&notes, sizeof(header)).data,
		       sizeof(header));
		desc = cursor_bytes(&notes, (header.desc_size + 3) & ~3u);
		if (header.type != KILN_NOTE_DEVICE || desc.len < sizeof(device))
			continue;
		memcpy(&device, desc.data, sizeof(device));
		if (device.type != type)
			continue;
		if (strcmp((const char *)desc.data + sizeof(device), name) == 0)
			return place;
		place++;
	}
	return -1;
}

const struct kiln_boot_device *vm_device(uint32_t type, const char *name)
{
	int place = manifest_place(type, name);

	for (uint32_t i = 0; i < vm.boot->device_count && i < KILN_BOOT_DEVICES; i++) {
		const struct kiln_boot_device *d = &vm.boot->devices[i];
		if (d->type != type)
			continue;
		if (vm.control ? strncmp(d->name, name, sizeof(d->name)) == 0
		               : place-- == 0)
			return d;
	}
	return NULL;
}

const struct kiln_boot_device *vm_device_of_type(uint32_t type)
{
	for (uint32_t i = 0; i < vm.boot->device_count && i < KILN_BOOT_DEVICES; i++) {
		if (vm.boot->devices[i].type == type)
			return &vm.boot->devices[i];
	}
	return NULL;
}

/* The stub has no driver for the entropy device: what it gives joins the seed here. */
static void stir(struct kiln *k)
{
	uint8_t seed[2 * KILN_BOOT_SEED] = {0};

	if (vm.control || !virtio_rng_read(k, seed + KILN_BOOT_SEED, KILN_BOOT_SEED))
		return;
	memcpy(seed, k->boot->seed, KILN_BOOT_SEED);
	random_init(&k->random, seed, sizeof(seed), true);
}

static int entry(struct kiln *k)
{
	stir(k);
	return appliance(k);
}

/* The canary is set in here, so this function must not have one. */
__attribute__((no_stack_protector)) void vm_start(const struct kiln_boot *boot)
{
	static struct kiln kiln;

	memcpy(&__stack_chk_guard, boot->seed, sizeof(__stack_chk_guard));
	__stack_chk_guard &= ~(uintptr_t)0xff; /* a string stops at it */
	vm.kiln = &kiln;
	vm.boot = boot;
	vm.control = (volatile uint64_t *)(uintptr_t)boot->control;
	vm.ns_per_tick = (1000000000ull << 32) / boot->tsc_hz;
	vm.ticks_per_ns = (boot->tsc_hz << 24) / 1000000000;
	list_init(&vm.waiters);
	kiln.boot = boot;
	kiln.target = &vm;
	target_exit(&kiln, kiln_start_with(&kiln, entry));
}
