/*
 * frame-loop of kiln bench net and dns: the least that anything behind a tap does. It moves frames,
 * many by one system call (io_uring(7)), and there is no stack at all.
 *
 *	frame_loop echo FD      swaps the addresses of each UDP datagram, and writes it back
 *	frame_loop answer FD    likewise, and says that it is an answer (RFC 1035, QR)
 *	frame_loop sink FD      reads
 *	frame_loop source FD SIZE
 *	                        writes frames, of SIZE bytes of TCP's payload each, to
 *	                        another station: the host drops them as they come in
 *
 * FD is a tap with a virtio-net header of 10 bytes, which does not block. When nothing has
 * come in it rests, as an image under load does, so that a call that finds nothing is rare.
 */
#include <poll.h>
#include <stddef.h>
#include <netinet/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <linux/io_uring.h>
#include <linux/virtio_net.h>
#include "load.h"

enum {
	REST_NS = 100000,
	RESTS = 20, /* in vain, before it waits */
	MSS = 1448,
	TCP_HEAD = 32, /* with timestamps */
	FRAME_MOST = 68 << 10,
	QR = 0x80,
	BATCH = 64,
	BATCH_LARGE = 16, /* frames of 64 KB: what a window holds */
};

struct frame {
	struct virtio_net_hdr offload;
	struct ether_header ethernet;
	struct iphdr ip;
	union {
		struct udphdr udp;
		struct tcphdr tcp;
		struct {
			struct udphdr udp;
			uint8_t id[2], flags;
		} __attribute__((packed)) dns;
	};
	uint8_t rest[FRAME_MOST];
} __attribute__((packed));
_Static_assert(offsetof(struct frame, ethernet) == 10, "the tap's header");

enum { HEAD = offsetof(struct frame, udp) };

/* The part of an io_uring that is used here: requests go in together, and all have been
 * done, or failed with EAGAIN, when the call returns. */
struct ring {
	int fd;
	unsigned *tail, *mask, *array; /* of requests */
	struct io_uring_sqe *entries;
	unsigned *done_head, *done_tail, *done_mask;
	struct io_uring_cqe *done;
};

static void *map(int fd, size_t size, off_t what)
{
	void *bytes =
	    mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);

	if (bytes == MAP_FAILED)
		fail("mmap of the io_uring");
	return bytes;
}

static void ring_open(struct ring *ring)
{
	struct io_uring_params p = {0};
	uint8_t *in, *out;

	ring->fd = (int)syscall(SYS_io_uring_setup, BATCH, &p);
	if (ring->fd < 0)
		fail("io_uring_setup");
	in = map(ring->fd, p.sq_off.array + p.sq_entries * sizeof(unsigned),
	         IORING_OFF_SQ_RING);
	out = map(ring->fd, p.cq_off.cqes + p.cq_entries * sizeof(*ring->done),
	          IORING_OFF_CQ_RING);
	ring->entries =
	    map(ring->fd, p.sq_entries * sizeof(*ring->entries), IORING_OFF_SQES);
	ring->tail = (unsigned *)(in + p.sq_off.tail);
	ring->mask = (unsigned *)(in + p.sq_off.ring_mask);
	ring->array = (unsigned *)(in + p.sq_off.array);
	ring->done_head = (unsigned *)(out + p.cq_off.head);
	ring->done_tail = (unsigned *)(out + p.cq_off.tail);
	ring->done_mask = (unsigned *)(out + p.cq_off.ring_mask);
	ring->done = (struct io_uring_cqe *)(out + p.cq_off.cqes);
}

/* A frame to be read or written; results by its number. */
static void ring_add(struct ring *ring, uint8_t what, int tap, struct frame *frame,
                     size_t size, unsigned number)
{
	unsigned tail = *ring->tail, at = tail & *ring->mask;

	ring->entries[at] = (struct io_uring_sqe){
	    .opcode = what,
	    .fd = tap,
	    .addr = (uintptr_t)frame,
	    .len = (uint32_t)size,
	    .rw_flags = what == IORING_OP_READ ? RWF_NOWAIT : 0,
	    .user_data = number,
	};
	ring->array[at] = at;
	__atomic_store_n(ring->tail, tail + 1, __ATOMIC_RELEASE);
}

static void ring_run(struct ring *ring, unsigned count, int *results)
{
	unsigned head = *ring->done_head;

	if (syscall(SYS_io_uring_enter, ring->fd, count, count, IORING_ENTER_GETEVENTS,
	            NULL, 0) != (long)count)
		fail("io_uring_enter");
	while (head != __atomic_load_n(ring->done_tail, __ATOMIC_ACQUIRE)) {
		const struct io_uring_cqe *done = &ring->done[head++ & *ring->done_mask];

		results[done->user_data] = done->res;
	}
	__atomic_store_n(ring->done_head, head, __ATOMIC_RELEASE);
}

static struct frame frames[BATCH];
static int sizes[BATCH];

/* One may come in between two reads: behind one that failed. */
static bool any_taken(unsigned most)
{
	bool any = false;

	for (unsigned i = 0; i < most; i++) {
		if (sizes[i] < 0 && sizes[i] != -EAGAIN) {
			errno = -sizes[i];
			fail("read");
		}
		any |= sizes[i] > 0;
	}
	return any;
}

/* Waits for frames, and reads as many as there are, of `most`; their sizes, or failures. */
static void take(struct ring *ring, int tap, unsigned most)
{
	static const struct timespec rest = {.tv_nsec = REST_NS};
	struct pollfd readable = {.fd = tap, .events = POLLIN};

	for (unsigned rests = 0;; rests++) {
		for (unsigned i = 0; i < most; i++)
			ring_add(ring, IORING_OP_READ, tap, &frames[i], sizeof(frames[i]),
			         i);
		ring_run(ring, most, sizes);
		if (any_taken(most))
			return;
		if (rests < RESTS)
			nanosleep(&rest, NULL);
		else
			poll(&readable, 1, -1);
	}
}

static bool is_udp(const struct frame *frame, int size)
{
	return size >= (int)(HEAD + sizeof(frame->udp)) &&
	       frame->ethernet.ether_type == htons(ETHERTYPE_IP) && frame->ip.ihl == 5 &&
	       frame->ip.protocol == IPPROTO_UDP;
}

/* Checksums are of sums, and so stay what they are. */
static void swap(struct frame *frame)
{
	struct ether_header ethernet = frame->ethernet;
	struct udphdr udp = frame->udp;
	uint32_t source = frame->ip.saddr;

	memcpy(frame->ethernet.ether_dhost, ethernet.ether_shost, ETH_ALEN);
	memcpy(frame->ethernet.ether_shost, ethernet.ether_dhost, ETH_ALEN);
	frame->ip.saddr = frame->ip.daddr;
	frame->ip.daddr = source;
	frame->udp.source = udp.dest;
	frame->udp.dest = udp.source;
}

/* An answer to a query of DNS, as far as who counts answers looks at it. The checksum is left
 * out, which IPv4 allows. */
static void answer(struct frame *frame)
{
	memset(&frame->offload, 0, sizeof(frame->offload));
	frame->udp.check = 0;
	frame->dns.flags |= QR;
}

_Noreturn static void echo(struct ring *ring, int tap, void (*change)(struct frame *))
{
	int written[BATCH];

	for (;;) {
		unsigned count = 0;

		take(ring, tap, BATCH);
		for (unsigned i = 0; i < BATCH; i++) {
			if (!is_udp(&frames[i], sizes[i]))
				continue;
			swap(&frames[i]);
			if (change)
				change(&frames[i]);
			ring_add(ring, IORING_OP_WRITE, tap, &frames[i], (size_t)sizes[i],
			         count++);
		}
		if (count)
			ring_run(ring, count, written);
	}
}

_Noreturn static void sink(struct ring *ring, int tap)
{
	for (;;)
		take(ring, tap, BATCH_LARGE);
}

/* A segment, for the tap to cut if it is large. */
static size_t make(struct frame *frame, unsigned payload)
{
	static const uint8_t other[ETH_ALEN] = {2, 0, 0, 0, 0, 0xff};

	memset(frame, 0, sizeof(*frame));
	memcpy(frame->ethernet.ether_dhost, other, ETH_ALEN);
	frame->ethernet.ether_type = htons(ETHERTYPE_IP);
	frame->ip = (struct iphdr){
	    .version = 4,
	    .ihl = 5,
	    .tot_len = htons((uint16_t)(sizeof(frame->ip) + TCP_HEAD + payload)),
	    .ttl = 64,
	    .protocol = IPPROTO_TCP,
	};
	frame->tcp.doff = TCP_HEAD / 4;
	if (payload > MSS)
		frame->offload = (struct virtio_net_hdr){
		    .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		    .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		    .hdr_len = HEAD - sizeof(frame->offload) + TCP_HEAD,
		    .gso_size = MSS,
		    .csum_start = HEAD - sizeof(frame->offload),
		    .csum_offset = offsetof(struct tcphdr, check),
		};
	return HEAD + TCP_HEAD + payload;
}

_Noreturn static void source(struct ring *ring, int tap, unsigned payload)
{
	size_t size = 0;

	for (unsigned i = 0; i < BATCH_LARGE; i++)
		size = make(&frames[i], payload);

	for (;;) {
		for (unsigned i = 0; i < BATCH_LARGE; i++)
			ring_add(ring, IORING_OP_WRITE, tap, &frames[i], size, i);
		ring_run(ring, BATCH_LARGE, sizes);
		if (sizes[0] != (int)size) {
			errno = -sizes[0];
			fail("write");
		}
	}
}

int main(int argc, char **argv)
{
	int tap = argc > 2 ? atoi(argv[2]) : -1;
	struct ring ring;

	prctl(PR_SET_TIMERSLACK, 1);
	ring_open(&ring);
	if (argc == 3 && strcmp(argv[1], "echo") == 0)
		echo(&ring, tap, NULL);
	if (argc == 3 && strcmp(argv[1], "answer") == 0)
		echo(&ring, tap, answer);
	if (argc == 3 && strcmp(argv[1], "sink") == 0)
		sink(&ring, tap);
	if (argc == 4 && strcmp(argv[1], "source") == 0)
		source(&ring, tap, (unsigned)atoi(argv[3]));
	fprintf(stderr, "usage: %s echo|answer|sink FD\n       %s source FD SIZE\n",
	        argv[0], argv[0]);
	return 2;
}
