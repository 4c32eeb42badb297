/*
 * An image that turns on its jail. What it tries stands in test/jail/attempts; ../attack.h has
 * the words, to which this one adds:
 *
 *	call WAY NUMBER ARGUMENTS...
 *
 * a system call by one of these ways: `gate`, the function; `inside`, the instruction in it, with
 * all registers the attacker's; `elsewhere`, bytes in the middle of another instruction; `vdso`,
 * the kernel's own instruction; `int80` and `sysenter`, the entries for 32-bit programs. It prints
 * what was returned.
 *
 *	frames N     N hostile frames to the tap, of headers and parts chosen at random
 *	request OP FLAGS FILE ADDRESS LENGTH
 *	             by the ring of its network device; prints the result
 *	storm N      N hostile rounds of that ring: entries, counters and buffers at random
 *	frame AT SIZE OPTIONS
 *	             by the queues of an AF_XDP device; prints what the call returned
 *	flood N      N hostile rounds of those queues
 */
#include <sys/uio.h>
#include <kiln/bytes.h>

#include <kiln/appliance.h>

KILN_NET(net0, "a device to abuse");
KILN_BLOCK(disk0, "a disk to abuse");
KILN_BLOCK(disk1, "one that may only be read");
KILN_PARAM_STRING(attack, "none", "what to try");
KILN_PARAM_STRING(path, "/nonexistent", "a file that must stay as it is");
KILN_PARAM_UINT(pid, 0, 0, 4194304, "a process that must live on");

#include "../attack.h"
#include "../../../target/jail/uring.h"

long jail_call(long a, long b, long c, long d, long e, long number);

/* What calls are made with. */
static struct {
	uint8_t buffer[8192];
	struct iovec parts[4];
	struct {
		int fd;
		short events, revents;
	} poll[64];
	uint64_t time[2];
	uint64_t mask;
} material;

/* The entries that the gate is not, each with a return behind it. */
extern const uint8_t entry_elsewhere[], entry_int80[], entry_sysenter[];
__asm__(".pushsection .text\n"
        ".hidden entry_elsewhere, entry_int80, entry_sysenter\n"
        "\t.byte 0xb8\n" /* mov $0x90c3050f, %eax */
        "entry_elsewhere: .byte 0x0f, 0x05, 0xc3, 0x90\n"
        "entry_int80: int $0x80; ret\n"
        "entry_sysenter: sysenter; ret\n"
        ".popsection\n");

/* The first `syscall` from there on: bytes that must be there. */
static uint64_t find_syscall(uint64_t address)
{
	const uint8_t *code = (const uint8_t *)(uintptr_t)address;

	while (code[0] != 0x0f || code[1] != 0x05)
		code++;
	return (uintptr_t)code;
}

static int32_t handle(struct attack *a, const char *device)
{
	const struct kiln_boot *boot = a->kiln->boot;

	for (uint32_t i = 0; i < boot->device_count; i++) {
		if (strcmp(boot->devices[i].name, device) == 0)
			return boot->devices[i].handle;
	}
	kiln_fail(a->kiln, "attack", "there is no %s", device);
}

/* Among the boot struct's devices, and so among the ring's files. */
static uint64_t number_of(struct attack *a, const char *device)
{
	const struct kiln_boot_device *devices = a->kiln->boot->devices;
	uint64_t number = 0;

	while (devices[number].handle != handle(a, device))
		number++;
	return number;
}

static uint64_t size_of(struct attack *a, int32_t disk)
{
	const struct kiln_boot *boot = a->kiln->boot;

	for (uint32_t i = 0; i < boot->device_count; i++) {
		if (boot->devices[i].handle == disk)
			return boot->devices[i].size;
	}
	return 0;
}

/* Of an AF_XDP device; all zero if the device is none. */
static const struct kiln_boot_xdp *queues(struct attack *a)
{
	static const struct kiln_boot_xdp none;
	const struct kiln_boot_device *device =
	    &a->kiln->boot->devices[number_of(a, "net0")];

	return device->registers
	           ? (const struct kiln_boot_xdp *)(uintptr_t)device->registers
	           : &none;
}

static uint64_t frames_size(struct attack *a)
{
	return (uint64_t)2 * queues(a)->entries * queues(a)->frame_size;
}

static bool own_place(struct attack *a, struct slice name, uint64_t *value)
{
	const struct kiln_boot *boot = a->kiln->boot;
	const struct {
		struct slice name;
		uint64_t value;
	} places[] = {
	    {SLICE("stop"), (uint64_t)boot->stop},
	    {SLICE("console"), (uint64_t)boot->console},
	    {SLICE("tap"), (uint64_t)handle(a, "net0")},
	    {SLICE("disk"), (uint64_t)handle(a, "disk0")},
	    {SLICE("readonly"), (uint64_t)handle(a, "disk1")},
	    {SLICE("tapnumber"), number_of(a, "net0")},
	    {SLICE("disknumber"), number_of(a, "disk0")},
	    {SLICE("readonlynumber"), number_of(a, "disk1")},
	    {SLICE("ring"), (uint64_t)boot->ring.handle},
	    {SLICE("requests"), boot->ring.request},
	    {SLICE("completions"), boot->ring.completion},
	    {SLICE("buffers"), boot->ring.buffer},
	    {SLICE("frames"), queues(a)->frames},
	    {SLICE("framesend"), queues(a)->frames + frames_size(a)},
	    {SLICE("framessize"), frames_size(a)},
	    {SLICE("fill"), queues(a)->fill.entry},
	    {SLICE("send"), queues(a)->send.entry},
	    {SLICE("size"), size_of(a, handle(a, "disk0"))},
	    {SLICE("gate"), (uintptr_t)jail_call},
	    {SLICE("inside"), find_syscall((uintptr_t)jail_call)},
	    {SLICE("elsewhere"), (uintptr_t)entry_elsewhere},
	    {SLICE("int80"), (uintptr_t)entry_int80},
	    {SLICE("sysenter"), (uintptr_t)entry_sysenter},
	    {SLICE("clock"), boot->clock_gettime},
	    {SLICE("path"), (uintptr_t)path},
	    {SLICE("pid"), pid},
	    {SLICE("buffer"), (uintptr_t)material.buffer},
	    {SLICE("parts"), (uintptr_t)material.parts},
	    {SLICE("poll"), (uintptr_t)material.poll},
	    {SLICE("time"), (uintptr_t)material.time},
	    {SLICE("mask"), (uintptr_t)&material.mask},
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (slice_equal(name, places[i].name)) {
			*value = places[i].value;
			return true;
		}
	}
	if (!slice_equal(name, SLICE("vdso")))
		return false;
	*value = find_syscall(boot->clock_gettime);
	return true;
}

/* With the registers of both conventions: that of 64 bits, and ebx, ecx, edx of 32. */
static uint64_t enter(uint64_t address, uint64_t number, const uint64_t argument[6])
{
	register uint64_t r10 __asm__("r10") = argument[3];
	register uint64_t r8 __asm__("r8") = argument[4];
	register uint64_t r9 __asm__("r9") = argument[5];
	uint64_t result;

	__asm__ volatile("call *%[address]"
	                 : "=a"(result), "+r"(r10), "+r"(r8), "+r"(r9)
	                 : "a"(number), "D"(argument[0]), "S"(argument[1]),
	                   "d"(argument[2]), "b"(argument[0]),
	                   "c"(argument[1]), [address] "r"(address)
	                 : "r11", "memory", "cc");
	return result;
}

static void call(struct attack *a)
{
	struct slice way = next_word(a);
	uint64_t number = next_value(a), argument[6], result;

	material.parts[0] = (struct iovec){material.buffer, 64};
	material.parts[1] = (struct iovec){(void *)(uintptr_t)appliance, 64};
	for (int i = 0; i < 6; i++)
		argument[i] = next_value(a);
	if (slice_equal(way, SLICE("gate")))
		result = (uint64_t)jail_call((long)argument[0], (long)argument[1],
		                             (long)argument[2], (long)argument[3],
		                             (long)argument[4], (long)number);
	else
		result = enter(value_of(a, way), number, argument);
	kiln_printf(a->kiln, "returned %lld\n", (long long)result);
}

/* struct virtio_net_hdr and what is said to be behind it: nothing is what it should be. */
static void send_hostile_frame(struct attack *a)
{
	struct kiln_random *random = &a->kiln->random;
	struct iovec parts[64];
	unsigned count = (unsigned)random_below(random, 64);

	random_bytes(random, material.buffer, 256);
	if (random_below(random, 2)) /* a type of segmentation that there is */
		material.buffer[1] = (uint8_t)random_below(random, 6);
	parts[0] = (struct iovec){material.buffer, 10};
	for (unsigned i = 1; i < count; i++)
		parts[i] =
		    (struct iovec){material.buffer + 10, (size_t)random_u64(random) >>
		                                             random_below(random, 64)};
	jail_call(handle(a, "net0"), (long)(uintptr_t)parts, (long)count, 0, 0, 20);
}

/* ---- the ring ---- */

enum { SYSTEM_CALL_ENTER = 426 };

static uint32_t *shared(uint64_t address)
{
	return (uint32_t *)(uintptr_t)address;
}

static long enter_ring(struct attack *a, uint64_t count)
{
	return jail_call(a->kiln->boot->ring.handle, (long)count, 0, URING_GETEVENTS, 0,
	                 SYSTEM_CALL_ENTER);
}

static struct uring_request *next_request(struct attack *a)
{
	const struct kiln_boot_ring *ring = &a->kiln->boot->ring;
	uint32_t tail = *shared(ring->request_tail);

	__atomic_store_n(shared(ring->request_tail), tail + 1, __ATOMIC_RELEASE);
	return (struct uring_request *)(uintptr_t)ring->request +
	       (tail & (ring->requests - 1));
}

static void request(struct attack *a)
{
	const struct kiln_boot_ring *ring = &a->kiln->boot->ring;
	uint64_t words[5];
	long entered;

	material.parts[0] = (struct iovec){material.buffer, 64};
	for (int i = 0; i < 5; i++)
		words[i] = next_value(a);
	*next_request(a) = (struct uring_request){.op = (uint8_t)words[0],
	                                          .flags = (uint8_t)words[1],
	                                          .file = (int32_t)words[2],
	                                          .address = words[3],
	                                          .length = (uint32_t)words[4]};
	entered = enter_ring(a, 1);
	if (*shared(ring->completion_head) == *shared(ring->completion_tail))
		kiln_printf(a->kiln, "returned nothing, %ld\n", entered);
	else
		kiln_printf(
		    a->kiln, "returned %d\n",
		    ((struct uring_completion *)(uintptr_t)ring->completion)->result);
}

/* Often something near to what is right, so that more than the first check is met. */
static void random_request(struct attack *a)
{
	struct kiln_random *random = &a->kiln->random;
	struct uring_request *r = next_request(a);

	random_bytes(random, (uint8_t *)r, sizeof(*r));
	if (random_below(random, 4)) {
		r->op = random_below(random, 2) ? URING_READ_MULTISHOT : URING_WRITEV;
		r->flags = URING_FIXED_FILE |
		           (random_below(random, 2) ? URING_BUFFER_SELECT : 0);
		r->priority = 0;
		r->file = (int32_t)random_below(random, 4);
	}
	if (random_below(random, 4)) {
		r->rw_flags = 0;
		r->group = (uint16_t)random_below(random, 4);
		r->address = (uintptr_t)material.parts;
		r->length = (uint32_t)random_below(random, 6);
		r->offset = 0;
	}
}

static void storm(struct attack *a)
{
	const struct kiln_boot_ring *ring = &a->kiln->boot->ring;
	struct kiln_random *random = &a->kiln->random;

	random_bytes(random, material.buffer, sizeof(material.buffer));
	for (unsigned i = 0; i < 4; i++)
		material.parts[i] = (struct iovec){material.buffer + i, 1000u * i};
	for (unsigned n = (unsigned)random_below(random, 8); n; n--)
		random_request(a);
	random_bytes(random, (uint8_t *)(uintptr_t)ring->buffer, 64);
	if (random_below(random, 8) == 0)
		*shared(ring->request_tail) = (uint32_t)random_u64(random);
	if (random_below(random, 8) == 0)
		*shared(ring->request_head) = (uint32_t)random_u64(random);
	enter_ring(a, random_u64(random) & 255);
	*shared(ring->completion_head) = random_below(random, 4)
	                                     ? *shared(ring->completion_tail)
	                                     : (uint32_t)random_u64(random);
}

/* ---- the queues of AF_XDP ---- */

enum { SYSTEM_CALL_SENDTO = 44, DO_NOT_WAIT = 64 };

struct frame_entry {
	uint64_t at;
	uint32_t size, options;
};

static long kick(struct attack *a)
{
	return jail_call(handle(a, "net0"), 0, 0, DO_NOT_WAIT, 0, SYSTEM_CALL_SENDTO);
}

static void frame(struct attack *a)
{
	const struct kiln_boot_queue *queue = &queues(a)->send;
	uint64_t words[3];

	for (int i = 0; i < 3; i++)
		words[i] = next_value(a);
	*(struct frame_entry *)(uintptr_t)queue->entry =
	    (struct frame_entry){words[0], (uint32_t)words[1], (uint32_t)words[2]};
	__atomic_store_n(shared(queue->producer), 1, __ATOMIC_RELEASE);
	kiln_printf(a->kiln, "returned %ld\n", kick(a));
}

/* Often a frame that there is, so that more than the first check is met. */
static uint64_t random_frame(struct attack *a)
{
	struct kiln_random *random = &a->kiln->random;

	if (random_below(random, 4))
		return random_below(random, 2 * queues(a)->entries) *
		       queues(a)->frame_size;
	return random_u64(random) >> random_below(random, 64);
}

/* A few entries more, or any number. */
static void turn(struct attack *a, uint64_t counter)
{
	struct kiln_random *random = &a->kiln->random;

	if (random_below(random, 64))
		*shared(counter) += (uint32_t)random_below(random, 8);
	else
		*shared(counter) = (uint32_t)random_u64(random);
}

static void flood(struct attack *a)
{
	const struct kiln_boot_xdp *x = queues(a);
	struct kiln_random *random = &a->kiln->random;
	uint64_t *fill = (uint64_t *)(uintptr_t)x->fill.entry;
	struct frame_entry *send = (struct frame_entry *)(uintptr_t)x->send.entry;

	for (int i = 0; i < 4; i++) {
		fill[random_below(random, x->entries)] = random_frame(a);
		send[random_below(random, x->entries)] = (struct frame_entry){
		    random_frame(a),
		    (uint32_t)random_u64(random) >> random_below(random, 32),
		    random_below(random, 8) ? 0 : (uint32_t)random_u64(random)};
	}
	turn(a, x->fill.producer);
	turn(a, x->send.producer);
	turn(a, x->receive.consumer);
	turn(a, x->completion.consumer);
	if (random_below(random, 64) == 0) { /* the kernel's own side */
		turn(a, x->fill.consumer);
		turn(a, x->send.consumer);
		turn(a, x->receive.producer);
		turn(a, x->completion.producer);
	}
	kick(a);
}

static bool try_own(struct attack *a, struct slice verb)
{
	if (slice_equal(verb, SLICE("call"))) {
		call(a);
	} else if (slice_equal(verb, SLICE("frames"))) {
		for (uint64_t n = next_value(a); n; n--)
			send_hostile_frame(a);
	} else if (slice_equal(verb, SLICE("request"))) {
		request(a);
	} else if (slice_equal(verb, SLICE("storm"))) {
		for (uint64_t n = next_value(a); n; n--)
			storm(a);
	} else if (slice_equal(verb, SLICE("frame"))) {
		frame(a);
	} else if (slice_equal(verb, SLICE("flood"))) {
		for (uint64_t n = next_value(a); n; n--)
			flood(a);
	} else {
		return false;
	}
	return true;
}

int appliance(struct kiln *k)
{
	return attack_main(k, try_own);
}
