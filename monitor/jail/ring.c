/*
 * The image's io_uring (io_uring(7)): what the monitor makes and restricts, so that one
 * system call hands many frames in and out of the network devices. A call costs more than the
 * network stack does for a small frame, so this is half of a web server's speed.
 *
 * What the ring adds to the jail is one system call. The kernel enforces the rest by the ring
 * itself, from the moment it is enabled (IORING_REGISTER_RESTRICTIONS): an entry reads or
 * writes a registered file, those are the network devices and no others, and nothing can be
 * registered. io_uring_register() is not among the image's calls either.
 *
 * Everything here that a kernel lacks leaves the image without a ring: it uses read() and
 * writev() then.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/io_uring.h>
#include "jail.h"

/* Newer than the headers that are built with. */
enum {
	READ_MULTISHOT = 49,           /* IORING_OP_, Linux 6.7 */
	SETUP_SINGLE_ISSUER = 1 << 12, /* IORING_SETUP_, Linux 6.0 */
	SETUP_DEFER_TASKRUN = 1 << 13, /* Linux 6.1 */
	SETUP_NO_SQARRAY = 1 << 16,    /* Linux 6.6 */
};

enum {
	REQUESTS = 128,
	COMPLETIONS_EACH = 256, /* of a device */
	BUFFERS = 64,           /* of a device, at most */
};
_Static_assert(BUFFERS * sizeof(struct io_uring_buf) <= KILN_BOOT_BUFFER_RING,
               "a ring of buffers is a page");

struct ring {
	int fd;
	struct io_uring_params p;
	unsigned devices; /* of the boot struct: each has a buffer group */
};

static bool enlist(const struct ring *ring, unsigned what, const void *arg,
                   unsigned count)
{
	return syscall(SYS_io_uring_register, ring->fd, what, arg, count) >= 0;
}

/* One process uses it and has the kernel work within its own calls alone, where no frame
 * interrupts it. */
static bool set_up(struct ring *ring)
{
	unsigned completions = COMPLETIONS_EACH;

	while (completions < COMPLETIONS_EACH * ring->devices)
		completions *= 2;
	ring->p = (struct io_uring_params){
	    .cq_entries = completions,
	    .flags = IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED |
	             IORING_SETUP_SUBMIT_ALL | IORING_SETUP_TASKRUN_FLAG |
	             SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN | SETUP_NO_SQARRAY,
	};
	ring->fd = (int)syscall(SYS_io_uring_setup, REQUESTS, &ring->p);
	return ring->fd >= 0;
}

static bool has_multishot(const struct ring *ring)
{
	enum { KNOWN = READ_MULTISHOT + 1 };
	struct {
		struct io_uring_probe probe;
		struct io_uring_probe_op ops[KNOWN];
	} found = {0};

	return enlist(ring, IORING_REGISTER_PROBE, &found, KNOWN) &&
	       found.probe.last_op >= READ_MULTISHOT &&
	       found.ops[READ_MULTISHOT].flags & IO_URING_OP_SUPPORTED;
}

static bool give_files(const struct ring *ring, const struct kiln_boot *boot)
{
	int files[KILN_BOOT_DEVICES];

	for (unsigned i = 0; i < ring->devices; i++) {
		const struct kiln_boot_device *d = &boot->devices[i];
		files[i] = is_tap(d) ? d->handle : -1;
	}
	return enlist(ring, IORING_REGISTER_FILES, files, ring->devices);
}

static bool give_buffer_rings(const struct ring *ring, uint64_t at)
{
	for (unsigned i = 0; i < ring->devices; i++) {
		struct io_uring_buf_reg group = {
		    .ring_addr = at + (uint64_t)i * KILN_BOOT_BUFFER_RING,
		    .ring_entries = BUFFERS,
		    .bgid = (uint16_t)i,
		};
		if (!enlist(ring, IORING_REGISTER_PBUF_RING, &group, 1))
			return false;
	}
	return true;
}

static bool restrict_for_good(const struct ring *ring)
{
	struct io_uring_restriction rules[] = {
	    {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = READ_MULTISHOT},
	    {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITEV},
	    {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
	     .sqe_flags = IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT},
	    {.opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED,
	     .sqe_flags = IOSQE_FIXED_FILE},
	};

	return enlist(ring, IORING_REGISTER_RESTRICTIONS, rules,
	              sizeof(rules) / sizeof(rules[0])) &&
	       enlist(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

/* The kernel chooses where, and takes no advice. */
static bool map_part(const struct ring *ring, uint64_t size, off_t what,
                     struct place *place)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
	                ring->fd, what);

	if (at == MAP_FAILED)
		return false;
	place->whole = place->inside = (struct range){(uint64_t)(uintptr_t)at, size};
	return true;
}

static bool map_all(const struct monitor_options *o, const struct ring *ring,
                    struct place parts[RING_PARTS])
{
	const struct io_uring_params *p = &ring->p;
	uint64_t queues =
	    page_up(p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe));
	uint64_t requests = page_up(p->sq_entries * sizeof(struct io_uring_sqe));

	parts[RING_BUFFERS] =
	    place_make(o, (uint64_t)ring->devices * KILN_BOOT_BUFFER_RING,
	               PROT_READ | PROT_WRITE, "rings of buffers");
	return map_part(ring, queues, IORING_OFF_SQ_RING, &parts[RING_QUEUES]) &&
	       map_part(ring, requests, IORING_OFF_SQES, &parts[RING_REQUESTS]);
}

static void tell(const struct ring *ring, const struct place parts[RING_PARTS],
                 struct kiln_boot_ring *told)
{
	const struct io_uring_params *p = &ring->p;
	uint64_t at = parts[RING_QUEUES].inside.start;

	*told = (struct kiln_boot_ring){
	    .handle = ring->fd,
	    .requests = p->sq_entries,
	    .completions = p->cq_entries,
	    .buffers = BUFFERS,
	    .request = parts[RING_REQUESTS].inside.start,
	    .request_head = at + p->sq_off.head,
	    .request_tail = at + p->sq_off.tail,
	    .request_flags = at + p->sq_off.flags,
	    .completion = at + p->cq_off.cqes,
	    .completion_head = at + p->cq_off.head,
	    .completion_tail = at + p->cq_off.tail,
	    .buffer = parts[RING_BUFFERS].inside.start,
	};
}

static bool has_tap(const struct kiln_boot *boot)
{
	for (uint32_t i = 0; i < boot->device_count; i++) {
		if (is_tap(&boot->devices[i]))
			return true;
	}
	return false;
}

static void unmap_all(struct place parts[RING_PARTS])
{
	for (unsigned i = 0; i < RING_PARTS; i++) {
		if (parts[i].whole.size)
			munmap((void *)(uintptr_t)parts[i].whole.start,
			       parts[i].whole.size);
		parts[i] = (struct place){0};
	}
}

void ring_make(const struct monitor_options *o, struct kiln_boot *boot,
               struct place parts[RING_PARTS])
{
	struct ring ring = {.fd = -1, .devices = boot->device_count};

	boot->ring.handle = -1;
	if (!o->io_uring || !has_tap(boot) || !set_up(&ring))
		return;
	if (has_multishot(&ring) && give_files(&ring, boot) && map_all(o, &ring, parts) &&
	    give_buffer_rings(&ring, parts[RING_BUFFERS].inside.start) &&
	    restrict_for_good(&ring)) {
		tell(&ring, parts, &boot->ring);
		return;
	}
	close(ring.fd);
	unmap_all(parts);
}
