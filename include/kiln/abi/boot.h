/*
 * What a monitor hands to an image at its entry: one struct kiln_boot, whose address is
 * in the first argument register (rdi); the stack is set up and 16-byte aligned before
 * the call. All addresses are the image's virtual ones. The page is read-only
 * to the image.
 *
 * A jailed image gets devices as file descriptors; a vm image as virtio-mmio registers
 * (virtio 1.2, section 4.2, version 2), mapped for it. Where a vm image boots as a PVH
 * kernel (QEMU), its own stub fills in this struct.
 */
#ifndef KILN_ABI_BOOT_H
#define KILN_ABI_BOOT_H

#include <stddef.h>
#include <stdint.h>
#include <kiln/abi/manifest.h>

#define KILN_BOOT_MAGIC 0x6e6c696b /* "kiln" */

enum { KILN_BOOT_DEVICES = 16, KILN_BOOT_SEED = 64 };

struct kiln_boot_device {
	char name[20];      /* as in the manifest */
	uint32_t type;      /* enum kiln_device_type */
	int32_t handle;     /* jail: file descriptor; else -1 */
	uint32_t features;  /* jail net: the tap's TUN_F_* offloads; block: 1 read-only */
	/* vm: address of the virtio-mmio register page; jail net on AF_XDP: of its struct
	 * kiln_boot_xdp; else 0 */
	uint64_t registers;
	/* jail block: bytes. Net: the bits of the last byte of its MAC address in which
	 * images differ that share its addresses (kiln run --cpus); 0: none does. */
	uint64_t size;
	uint8_t mac[6];     /* jail net */
	uint16_t mtu;       /* jail net */
};

/*
 * jail: the io_uring (io_uring(7)) by which frames go in and out of all the image's network
 * devices, many by one system call. The monitor made it, and restricted it for good: an
 * entry can be IORING_OP_READ_MULTISHOT or IORING_OP_WRITEV, and only on the registered
 * file with a device's number, which is its place in the boot struct. Received frames go
 * into buffers that the image gives by a ring of its own for each device (buffer group: the
 * device's number).
 *
 * Addresses are of words, or of the first element, that the kernel and the image share.
 */
struct kiln_boot_ring {
	int32_t handle; /* descriptor; -1: there is none, and read() and writev() serve */
	uint32_t requests, completions; /* entries, powers of two */
	uint32_t buffers;               /* entries of a device's ring of buffers */
	uint64_t request;               /* struct io_uring_sqe, `requests` of them */
	uint64_t request_head, request_tail, request_flags; /* uint32_t */
	uint64_t completion;            /* struct io_uring_cqe, `completions` of them */
	uint64_t completion_head, completion_tail; /* uint32_t */
	uint64_t buffer; /* struct io_uring_buf_ring, KILN_BOOT_BUFFER_RING bytes each */
};
enum { KILN_BOOT_BUFFER_RING = 4096 };

/* A queue that the kernel and the image share: addresses of words of 32 bits, which count all
 * that was ever put in and taken out, and of the first entry. */
struct kiln_boot_queue {
	uint64_t producer, consumer, flags;
	uint64_t entry;
};

/*
 * jail: a network device that is an AF_XDP socket (af_xdp.rst in the documentation of
 * Linux). Frames go to and fro in memory that the monitor has registered for it (its
 * umem): twice as many pieces of `frame_size` bytes as a queue has entries. In the
 * queues they are told by their distance from the first.
 */
struct kiln_boot_xdp {
	uint64_t frames; /* address of the first */
	uint32_t frame_size, entries; /* powers of two */
	struct kiln_boot_queue fill;	   /* of uint64_t: to receive into */
	struct kiln_boot_queue completion; /* of uint64_t: have been sent */
	struct kiln_boot_queue receive, send; /* of struct xdp_desc */
};

struct kiln_boot {
	uint32_t magic; /* KILN_BOOT_MAGIC */
	uint32_t abi;   /* KILN_ABI_VERSION */
	uint32_t size;  /* of this struct */
	uint32_t device_count;

	uint64_t memory;      /* the arena: zeroed, readable and writable */
	uint64_t memory_size; /* bytes */

	uint64_t options;      /* "key=value" texts, each NUL-terminated */
	uint64_t options_size; /* bytes, all NULs included */

	/* The clock. jail: address of the vDSO's clock_gettime, or 0 for the system call.
	 * vm: monotonic ns = (tsc - tsc_base) * 1e9 / tsc_hz; wall = that + wall_base. */
	uint64_t clock_gettime;
	uint64_t tsc_hz;
	uint64_t tsc_base;
	uint64_t wall_base; /* ns since 1970 at tsc_base */

	/* vm: guest-physical = virtual - physical_offset, for the whole image, its stack
	 * and its memory, so that constants can be sent from where they lie. */
	uint64_t physical_offset;
	/* vm under Kiln's monitor: the control page (struct kiln_control); else 0, and
	 * the image waits through its stub. */
	uint64_t control;

	int32_t console;      /* jail: descriptor to write the log to; else -1 */
	/* jail: descriptor that turns readable when asked to stop. vm under Kiln's
	 * monitor: 0; the monitor stores 1 here when asked to stop, and the image reads
	 * it after each wait, so that a wait is one exit and not two. */
	int32_t stop;
	uint64_t spin;        /* ns to poll before blocking, from --spin */
	uint64_t rest;        /* jail: ns to rest under load, from --rest */
	uint64_t start_clock; /* monotonic ns of the monitor's own start, 0 if unknown */

	/* From getrandom() or virtio-rng; the image erases nothing: the page is
	 * read-only, so it mixes RDRAND in as well. */
	uint8_t seed[KILN_BOOT_SEED];
	struct kiln_boot_device devices[KILN_BOOT_DEVICES];
	struct kiln_boot_ring ring;
};

_Static_assert(sizeof(struct kiln_boot_device) == 56, "boot layout");
_Static_assert(offsetof(struct kiln_boot, memory) == 16, "boot layout");
_Static_assert(offsetof(struct kiln_boot, console) == 96, "boot layout");
_Static_assert(offsetof(struct kiln_boot, seed) == 128, "boot layout");
_Static_assert(sizeof(struct kiln_boot_ring) == 80, "boot layout");
_Static_assert(sizeof(struct kiln_boot_xdp) == 16 + 4 * 32, "boot layout");
_Static_assert(sizeof(struct kiln_boot) == 192 + 16 * 56 + 80, "boot layout");

/*
 * The control page of Kiln's KVM monitor: MMIO registers of 8 bytes, at these offsets. An
 * access is an exit; the monitor serves all rings in it. It is the only way, next to the
 * devices' own registers, in which the image can speak to the monitor.
 *
 * Because every access to it serves all rings, the image does not write QueueNotify
 * (virtio 1.2, 4.2.2) for what it has queued: WAIT stands for the notification of every
 * queue, and so do EXIT and FAULT, which send the last console text. The image notifies
 * only a queue that is full (send, console) or that it polls for an answer (rng, at
 * start), and has all rings served by that, too. There are no interrupts: WAIT is the
 * only thing that waits, and used_event (2.7.10) need not be kept.
 *
 * Devices may be told guest-physical addresses within the image's readable segments, its
 * stack and its memory only; the monitor refuses any other, the page tables' above all.
 */
enum kiln_control {
	/* Write an instant (monotonic ns): returns once a ring has new entries for the
	 * image, a stop is asked for, or the instant has come. 0 polls. */
	KILN_CONTROL_WAIT = 0,
	/* Read: bit 0, a stop was asked for. */
	KILN_CONTROL_STATUS = 8,
	/* Write an exit status: ends the image. */
	KILN_CONTROL_EXIT = 16,
	/* Write the virtual address of a struct kiln_fault in the image's memory: ends
	 * the image, and the monitor reports it. */
	KILN_CONTROL_FAULT = 24,
};

/* Registers at a fault, as the stub's handlers save them. */
struct kiln_fault {
	uint64_t vector, code, address; /* exception number, error code, cr2 */
	uint64_t rip, rsp, rflags;
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
};
_Static_assert(sizeof(struct kiln_fault) == 21 * 8, "fault layout");

#endif
