/*
 * A network device on any Ethernet interface of the host, by AF_XDP
 * (Documentation/networking/af_xdp.rst): what arrives on one of the interface's queues goes to
 * the image instead of the host's own stack, by a program of a few instructions at the driver,
 * and is sent from memory that the image shares with the kernel.
 *
 * All of it goes with the process: the program is attached by a link (BPF_LINK_CREATE) whose
 * descriptor the image keeps, and cannot use. It keeps a packet socket as well, which receives
 * nothing: for as long as that is open the interface takes all multicast, as it is the image
 * and not the host that knows which groups it is in (IPv6's neighbours need that).
 *
 * The image drives queues whose every entry the kernel checks. Its frames and queues lie in one
 * place, a page to which nothing is mapped behind each.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <net/if_arp.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include "jail.h"

enum {
	FRAME = 2048,        /* the least that the kernel takes */
	FRAME_LARGE = PAGE,  /* the most */
	FRAME_ROOM = 256,    /* XDP_PACKET_HEADROOM: before what was received */
	FRAME_LINK = 14 + 4, /* Ethernet header, VLAN tag */
	ENTRIES_LEAST = 16,  /* of each queue */
	ENTRIES_MOST = 2048,
	MEMORY_SHARE = 16, /* so many times the frames are the image's memory */
};

/* As the queues lie behind the frames. */
enum { FILL, COMPLETION, RECEIVE, SEND, QUEUES };

struct queue {
	int option;   /* of the socket: sets its size */
	off_t offset; /* of the mapping */
	struct xdp_ring_offset words;
	uint64_t size;
};

/* What is known of the device while it is opened. */
struct opening {
	const struct monitor_options *o;
	const char *device, *interface;
	unsigned queue;
	int index; /* the interface's */
	int socket, packet, map, link;
	bool generic; /* its driver does not run programs */
	uint32_t entries, frame_size;
	struct queue queues[QUEUES];
	struct place place;
};

static _Noreturn void failed(const struct opening *x, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static _Noreturn void failed(const struct opening *x, const char *format, ...)
{
	char sentence[256];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	monitor_fail(x->o, "%s: xdp:%s: %s", x->device, x->interface, sentence);
}

/* ---- the interface ---- */

static struct ifreq ask(const struct opening *x, unsigned long what, const char *name)
{
	struct ifreq request = {0};

	memcpy(request.ifr_name, x->interface, strnlen(x->interface, IFNAMSIZ - 1));
	if (ioctl(x->packet, (int)what, &request) == 0)
		return request;
	if (errno == ENODEV)
		failed(x, "there is no such interface: ip link lists them");
	failed(x, "cannot read its %s: %s", name, strerror(errno));
}

static void open_sockets(struct opening *x)
{
	if (strlen(x->interface) >= IFNAMSIZ)
		failed(x, "an interface's name has at most %d bytes", IFNAMSIZ - 1);
	x->socket = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (x->socket < 0 && errno == EPERM)
		failed(x,
		       "not permitted: run as root, or reach the image without AF_XDP: "
		       "kiln run -p HOST:GUEST");
	if (x->socket < 0 && errno == EAFNOSUPPORT)
		failed(x, "this kernel has no AF_XDP (CONFIG_XDP_SOCKETS): use a tap");
	if (x->socket < 0)
		failed(x, "cannot open a socket: %s", strerror(errno));
	x->packet = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (x->packet < 0)
		failed(x, "cannot open a packet socket: %s", strerror(errno));
}

/* Frames are as large as the interface's packets make necessary. */
static void look_at_interface(struct opening *x, struct kiln_boot_device *device)
{
	enum { MTU_MOST = FRAME_LARGE - FRAME_ROOM - FRAME_LINK };
	struct ifreq address, mtu;

	x->index = ask(x, SIOCGIFINDEX, "number").ifr_ifindex;
	address = ask(x, SIOCGIFHWADDR, "address");
	if (address.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		failed(x, "it is no Ethernet");
	if (!(ask(x, SIOCGIFFLAGS, "flags").ifr_flags & IFF_UP))
		failed(x, "it is down: ip link set dev %s up", x->interface);
	mtu = ask(x, SIOCGIFMTU, "MTU");
	if (mtu.ifr_mtu > MTU_MOST)
		failed(x,
		       "its MTU is %d, and a frame of AF_XDP has room for %d: ip link "
		       "set dev %s mtu 1500",
		       mtu.ifr_mtu, MTU_MOST, x->interface);
	x->frame_size =
	    mtu.ifr_mtu + FRAME_LINK + FRAME_ROOM <= FRAME ? FRAME : FRAME_LARGE;
	device->mtu = (uint16_t)mtu.ifr_mtu;
	memcpy(device->mac, address.ifr_hwaddr.sa_data, sizeof(device->mac));
}

static void join_all_groups(const struct opening *x)
{
	const struct packet_mreq all = {.mr_ifindex = x->index,
	                                .mr_type = PACKET_MR_ALLMULTI};

	if (setsockopt(x->packet, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) <
	    0)
		failed(x, "cannot have it take all multicast: %s", strerror(errno));
}

/* ---- frames and queues ---- */

static void set(const struct opening *x, int option, const void *value, socklen_t size,
                const char *what)
{
	if (setsockopt(x->socket, SOL_XDP, option, value, size) < 0)
		failed(x, "the kernel refuses its %s: %s", what, strerror(errno));
}

static void describe_queues(struct opening *x)
{
	struct xdp_mmap_offsets offsets;
	socklen_t size = sizeof(offsets);
	uint64_t numbers = x->entries * sizeof(uint64_t);
	uint64_t frames = x->entries * sizeof(struct xdp_desc);

	if (getsockopt(x->socket, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &size) < 0 ||
	    size != sizeof(offsets))
		failed(x, "this kernel's AF_XDP is too old: it wants Linux 5.4");
	x->queues[FILL] = (struct queue){
	    XDP_UMEM_FILL_RING, (off_t)XDP_UMEM_PGOFF_FILL_RING, offsets.fr, numbers};
	x->queues[COMPLETION] =
	    (struct queue){XDP_UMEM_COMPLETION_RING,
	                   (off_t)XDP_UMEM_PGOFF_COMPLETION_RING, offsets.cr, numbers};
	x->queues[RECEIVE] =
	    (struct queue){XDP_RX_RING, XDP_PGOFF_RX_RING, offsets.rx, frames};
	x->queues[SEND] =
	    (struct queue){XDP_TX_RING, XDP_PGOFF_TX_RING, offsets.tx, frames};
	for (unsigned i = 0; i < QUEUES; i++)
		x->queues[i].size = page_up(x->queues[i].size + x->queues[i].words.desc);
}

static uint64_t frames_size(const struct opening *x)
{
	return (uint64_t)2 * x->entries * x->frame_size;
}

static void make_frames(struct opening *x, uint64_t memory)
{
	uint64_t size;
	struct xdp_umem_reg frames;

	x->entries = ENTRIES_LEAST;
	while (x->entries < ENTRIES_MOST && 2 * frames_size(x) <= memory / MEMORY_SHARE)
		x->entries *= 2;
	describe_queues(x);
	size = frames_size(x);
	for (unsigned i = 0; i < QUEUES; i++)
		size += PAGE + x->queues[i].size;
	x->place = place_make(x->o, size, PROT_NONE, "frames");
	frames = (struct xdp_umem_reg){.addr = x->place.inside.start,
	                               .len = frames_size(x),
	                               .chunk_size = x->frame_size};
	place_protect(x->o, (struct range){frames.addr, frames.len},
	              PROT_READ | PROT_WRITE);
	set(x, XDP_UMEM_REG, &frames, sizeof(frames), "frames");
}

/* Maps the queue there, and tells the image. */
static void map_queue(const struct opening *x, const struct queue *queue, uint64_t at,
                      struct kiln_boot_queue *told)
{
	void *address = (void *)(uintptr_t)at;

	set(x, queue->option, &x->entries, sizeof(x->entries), "queues");
	if (mmap(address, queue->size, PROT_READ | PROT_WRITE,
	         MAP_SHARED | MAP_POPULATE | MAP_FIXED, x->socket,
	         queue->offset) != address)
		failed(x, "cannot map its queues: %s", strerror(errno));
	*told = (struct kiln_boot_queue){
	    .producer = at + queue->words.producer,
	    .consumer = at + queue->words.consumer,
	    .flags = at + queue->words.flags,
	    .entry = at + queue->words.desc,
	};
}

static void map_queues(const struct opening *x, struct kiln_boot_xdp *told)
{
	struct kiln_boot_queue *const queues[QUEUES] = {
	    [FILL] = &told->fill,
	    [COMPLETION] = &told->completion,
	    [RECEIVE] = &told->receive,
	    [SEND] = &told->send,
	};
	uint64_t at = x->place.inside.start + frames_size(x) + PAGE;

	told->frames = x->place.inside.start;
	told->frame_size = x->frame_size;
	told->entries = x->entries;
	for (unsigned i = 0; i < QUEUES; i++) {
		map_queue(x, &x->queues[i], at, queues[i]);
		at += x->queues[i].size + PAGE;
	}
}

/* ---- the program ---- */

static int bpf(int command, union bpf_attr *attributes)
{
	return (int)syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

static int make_map(const struct opening *x)
{
	union bpf_attr map = {.map_type = BPF_MAP_TYPE_XSKMAP,
	                      .key_size = sizeof(uint32_t),
	                      .value_size = sizeof(uint32_t),
	                      .max_entries = x->queue + 1};
	int fd = bpf(BPF_MAP_CREATE, &map);

	if (fd < 0 && errno == EPERM)
		failed(x, "this root may load no BPF programs: AF_XDP wants the "
		          "machine's own root, outside containers");
	if (fd < 0)
		failed(x, "cannot make a map of sockets: %s", strerror(errno));
	return fd;
}

/* return bpf_redirect_map(map, context->rx_queue_index, XDP_PASS): to the socket that the map
 * has for that queue, and to the host's stack where it has none. */
static int load_program(const struct opening *x)
{
	const struct bpf_insn code[] = {
	    {.code = BPF_LDX | BPF_W | BPF_MEM,
	     .dst_reg = BPF_REG_2,
	     .src_reg = BPF_REG_1,
	     .off = offsetof(struct xdp_md, rx_queue_index)},
	    {.code = BPF_LD | BPF_DW | BPF_IMM,
	     .dst_reg = BPF_REG_1,
	     .src_reg = BPF_PSEUDO_MAP_FD,
	     .imm = x->map},
	    {0}, /* the other half of the last */
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_PASS},
	    {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
	    {.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr program = {.prog_type = BPF_PROG_TYPE_XDP,
	                          .insns = (uintptr_t)code,
	                          .insn_cnt = sizeof(code) / sizeof(code[0]),
	                          .license = (uintptr_t) "Dual BSD/GPL"};
	int fd = bpf(BPF_PROG_LOAD, &program);

	if (fd < 0)
		failed(x, "the kernel refuses the program that hands frames over: %s",
		       strerror(errno));
	return fd;
}

static int attach(const struct opening *x, int program, uint32_t mode)
{
	union bpf_attr link = {.link_create = {.prog_fd = (uint32_t)program,
	                                       .target_ifindex = (uint32_t)x->index,
	                                       .attach_type = BPF_XDP,
	                                       .flags = mode}};
	unsigned tries = 0;
	int fd;

	do
		fd = bpf(BPF_LINK_CREATE, &link);
	while (fd < 0 && monitor_try_again(&tries));
	return fd;
}

/* By its driver, else by what stands behind all drivers. */
static void attach_program(struct opening *x)
{
	int program;

	x->map = make_map(x);
	program = load_program(x);
	x->link = attach(x, program, XDP_FLAGS_DRV_MODE);
	x->generic = x->link < 0 && errno != EBUSY && errno != EEXIST;
	if (x->generic)
		x->link = attach(x, program, XDP_FLAGS_SKB_MODE);
	if (x->link < 0 && (errno == EBUSY || errno == EEXIST))
		failed(x,
		       "another program is attached to it, of an image or of somebody "
		       "else's: ip link show dev %s names it",
		       x->interface);
	if (x->link < 0)
		failed(x, "the program that hands frames over cannot be attached: %s",
		       strerror(errno));
	close(program);
}

/* The driver's own memory access where it can, else by copying. */
static void bind_socket(const struct opening *x)
{
	const struct sockaddr_xdp address = {
	    .sxdp_family = AF_XDP,
	    .sxdp_flags = (uint16_t)(XDP_USE_NEED_WAKEUP | (x->generic ? XDP_COPY : 0)),
	    .sxdp_ifindex = (uint32_t)x->index,
	    .sxdp_queue_id = x->queue,
	};
	unsigned tries = 0;
	int status;

	do
		status =
		    bind(x->socket, (const struct sockaddr *)&address, sizeof(address));
	while (status < 0 && monitor_try_again(&tries));
	if (status == 0)
		return;
	if (errno == EINVAL)
		failed(x, "it has no queue %u: ls /sys/class/net/%s/queues shows them",
		       x->queue, x->interface);
	if (errno == EBUSY)
		failed(x, "another process has its queue %u", x->queue);
	failed(x, "cannot have its queue %u: %s", x->queue, strerror(errno));
}

static void receive(const struct opening *x)
{
	uint32_t key = x->queue, value = (uint32_t)x->socket;
	union bpf_attr entry = {.map_fd = (uint32_t)x->map,
	                        .key = (uintptr_t)&key,
	                        .value = (uintptr_t)&value};

	if (bpf(BPF_MAP_UPDATE_ELEM, &entry) < 0)
		failed(x, "cannot receive by its queue %u: %s", x->queue,
		       strerror(errno));
	close(x->map);
}

void xdp_open(const struct monitor_options *o, const struct monitor_binding *binding,
              uint64_t memory, struct kiln_boot_device *device,
              struct kiln_boot_xdp *told, struct xdp *xdp)
{
	struct opening x = {.o = o,
	                    .device = device->name,
	                    .interface = binding->source,
	                    .queue = binding->xdp_queue};

	open_sockets(&x);
	look_at_interface(&x, device);
	join_all_groups(&x);
	make_frames(&x, memory);
	map_queues(&x, told);
	attach_program(&x);
	bind_socket(&x);
	receive(&x);
	device->handle = x.socket;
	device->registers = (uintptr_t)told;
	*xdp = (struct xdp){x.place, {x.link, x.packet}};
}
