/*
 * The vm target in ring 3: what its drivers share. The image has one struct vm; it is all
 * the state the target keeps outside of what its devices allocate.
 */
#ifndef VM_VM_H
#define VM_VM_H

#include <kiln/target.h>

struct virtio_device;
struct virtio_console;

/* A device that target_wait() waits for. */
struct vm_waiter {
	struct list node;
	struct virtio_device *device;
	/* Asks the device for an interrupt at its next entry; true if there is one
	 * already. */
	bool (*arm)(struct vm_waiter *waiter);
};

struct vm {
	struct kiln *kiln;
	const struct kiln_boot *boot;
	volatile uint64_t *control; /* Kiln's monitor; NULL behind the stub */
	uint64_t ns_per_tick;       /* 32.32 */
	uint64_t ticks_per_ns;      /* 40.24 */
	struct list waiters;        /* struct vm_waiter */
	struct virtio_console *console;
	bool console_tried;
};

/* The image's one instance: target_panic() has no other way to it. */
extern struct vm vm;

/* Calls the stub; see stub.h. */
uint64_t vm_gate(uint64_t call, uint64_t a, uint64_t b);

/* Guest-physical address of a byte of the image, its stack or its memory. */
static inline uint64_t vm_physical(const void *at)
{
	return (uintptr_t)at - vm.boot->physical_offset;
}

/*
 * The device of this type that the manifest calls so; behind the stub, where devices have
 * no names, the one whose place among those of its type is the same as the name's among
 * the manifest's. NULL if there is none.
 */
const struct kiln_boot_device *vm_device(uint32_t type, const char *name);
/* The first device of a type that no manifest names; NULL if there is none. */
const struct kiln_boot_device *vm_device_of_type(uint32_t type);

/* A monotonic clock that runs before there is a struct kiln. */
kiln_time vm_now(void);

/* Fills `out`, or its beginning, from the entropy device; false if there is none, or it
 * does not answer in time. */
bool virtio_rng_read(struct kiln *k, void *out, size_t size);

/* Opens the console device, if there is one: NULL if not. */
struct virtio_console *virtio_console_open(struct kiln *k);
/* Never waits for long: text is dropped when the device does not take it. */
void virtio_console_write(struct virtio_console *console, struct slice text);

#endif
