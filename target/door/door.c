/*
 * A stack's life, its clock, and packets in and out: the first half of <kiln/door.h>.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "door_private.h"
#include "../sim/pcap.h"

enum { MEMORY_DEFAULT = 64 << 20, MEMORY_LEAST = 4 << 20, MTU_DEFAULT = 1500 };

/* The stack's own clock is never 0, which stands for "not yet" in places. What is sent when
 * it starts (announcements, listener reports, detection of duplicates) is over by then. */
#define CLOCK_START KILN_SECONDS(1000)
#define START_TIME  KILN_SECONDS(15)

/* ---- what was asked for ---- */

/* A field of a configuration that may be of an older, shorter version. */
#define FIELD_GIVEN(config, field) \
	((config)->size >=         \
	 offsetof(struct kiln_door_config, field) + sizeof((config)->field))

static bool add_option(struct kiln_door *door, const char *name, const char *value)
{
	size_t left = sizeof(door->options) - door->options_size;
	int n = snprintf(door->options + door->options_size, left, "%s=%s", name, value);

	if (n < 0 || (size_t)n >= left) {
		door_say("%s is too long", name);
		return false;
	}
	door->options_size += (size_t)n + 1;
	return true;
}

/* An address of the same network that is not the stack's: whatever it is, it answers. */
static bool make_gateway(const char *ip, char *text, size_t size)
{
	struct ip4_addr addr;
	struct writer w = writer_of(text, size - 1);
	size_t slash = strcspn(ip, "/");
	uint64_t prefix;

	if (!ip4_parse(slice_take(slice_text(ip), slash), &addr) ||
	    !slice_decimal(slice_skip(slice_text(ip), slash + 1), 32, &prefix))
		return false;
	if (prefix > 30)
		return false;
	uint32_t value = ip4_value(addr) ^ 1;
	uint32_t host = UINT32_MAX >> prefix;
	if ((value & host) == 0 || (value & host) == host)
		value = ip4_value(addr) ^ 2;
	if ((value & host) == 0 || (value & host) == host)
		value = ip4_value(addr) ^ 3;
	ip4_format(&w, ip4_of(value));
	text[writer_done(&w).len] = 0;
	return true;
}

static bool read_addresses(struct kiln_door *door, const struct kiln_door_config *c)
{
	char made[24];

	if (!c->ip && !c->ip6) {
		door_say("an address is missing: ip or ip6");
		return false;
	}
	if (c->ip) {
		const char *gateway = c->gateway;

		if (!gateway && make_gateway(c->ip, made, sizeof(made)))
			gateway = made;
		if (!add_option(door, "ip", c->ip) ||
		    (gateway && !add_option(door, "gateway", gateway)))
			return false;
	} else if (!add_option(door, "ip", "off")) {
		return false;
	}
	if (!c->ip6)
		return add_option(door, "ip6", "off");
	return add_option(door, "ip6", c->ip6) &&
	       add_option(door, "gateway6", c->gateway6 ? c->gateway6 : "fe80::1");
}

static bool read_congestion(struct kiln_door *door, const char *name)
{
	if (!name)
		return true;
	door->tcp_config.congestion = door_congestion(slice_text(name));
	if (door->tcp_config.congestion)
		return true;
	door_say("there is no congestion control %s", name);
	return false;
}

static bool read_tcp(struct kiln_door *door, const struct kiln_door_config *c)
{
	static const enum tcp_ecn ecn[] = {
	    [KILN_DOOR_ECN_DEFAULT] = TCP_ECN_ANSWER,
	    [KILN_DOOR_ECN_OFF] = TCP_ECN_OFF,
	    [KILN_DOOR_ECN_ACCEPT] = TCP_ECN_ANSWER,
	    [KILN_DOOR_ECN_REQUEST] = TCP_ECN_ASK,
	};

	door->tcp_config = (struct tcp_config){
	    .no_timestamps = c->no_timestamps,
	    .no_sack = c->no_sack,
	    .no_window_scaling = c->no_window_scaling,
	    .initial_window = c->initial_window,
	    .ecn = ecn[c->ecn],
	    .observer = &tcp_socket_observer,
	    .fast_open = &tcp_fast_open, /* for the listeners that are told to */
	};
	return read_congestion(door, c->congestion);
}

static bool read_config(struct kiln_door *door, const struct kiln_door_config *c)
{
	uint32_t mtu = c->mtu ? c->mtu : MTU_DEFAULT;

	if (c->path_mtu)
		mtu = KILN_MIN(mtu, c->path_mtu);
	if (mtu > UINT16_MAX || (c->memory && c->memory < MEMORY_LEAST) ||
	    c->blocking < 0 || c->blocking > KILN_DOOR_WAIT ||
	    c->ecn > KILN_DOOR_ECN_REQUEST) {
		door_say("mtu, memory, ecn or blocking is out of range");
		return false;
	}
	door_link_init(door, (uint16_t)mtu);
	door->waits = c->blocking == KILN_DOOR_WAIT;
	door->receive_buffer = c->receive_buffer;
	door->send_buffer = c->send_buffer;
	return read_addresses(door, c) && read_tcp(door, c) &&
	       add_option(door, "log", "warn");
}

/* ---- a stack's life ---- */

static bool open_capture(struct kiln_door *door, const char *path)
{
	door->pcap = -1;
	if (!path)
		return true;
	door->pcap = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (door->pcap >= 0 && pcap_begin(door->pcap))
		return true;
	door_say("%s: %s", path, strerror(errno));
	return false;
}

static bool boot(struct kiln_door *door, const struct kiln_door_config *c)
{
	struct kiln_boot *b = &door->boot;
	uint64_t seed = c->seed ? c->seed : 1;
	size_t size = c->memory ? c->memory : MEMORY_DEFAULT;
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED) {
		door_say("no memory for %zu bytes", size);
		return false;
	}
	*b = (struct kiln_boot){
	    .magic = KILN_BOOT_MAGIC,
	    .abi = KILN_ABI_VERSION,
	    .size = sizeof(*b),
	    .memory = (uintptr_t)memory,
	    .memory_size = size,
	    .options = (uintptr_t)door->options,
	    .options_size = door->options_size,
	    .console = -1,
	    .stop = -1,
	};
	memcpy(b->seed, &seed, sizeof(seed));
	return true;
}

/* The stack comes up; a while later its addresses are its own. */
static bool start(struct kiln_door *door)
{
	door->now = CLOCK_START;
	door->starting = true;
	if (!door_start(door))
		return false;
	door_run(door, CLOCK_START + START_TIME, 0);
	door->starting = false;
	door_queue_clear(&door->out);
	door->epoch = door->now;
	return true;
}

struct kiln_door *kiln_door_new(const struct kiln_door_config *given)
{
	struct kiln_door_config config = {0};
	struct kiln_door *door;

	door_say("%s", "");
	if (!given || !FIELD_GIVEN(given, ip6)) {
		errno = EINVAL;
		door_say("the configuration's size is missing");
		return NULL;
	}
	memcpy(&config, given, KILN_MIN(given->size, sizeof(config)));
	door = calloc(1, sizeof(*door));
	if (!door)
		return NULL;
	pthread_mutex_init(&door->lock, NULL);
	pthread_cond_init(&door->woken, NULL);
	pthread_cond_init(&door->settled, NULL);
	list_init(&door->waiting);
	int error = EINVAL;
	if (!open_capture(door, config.pcap))
		error = errno;
	else if (read_config(door, &config) && !boot(door, &config))
		error = ENOMEM;
	else if (door->boot.memory && start(door))
		return door;
	kiln_door_free(door);
	errno = error;
	return NULL;
}

void kiln_door_free(struct kiln_door *door)
{
	if (!door)
		return;
	for (int i = 0; i < DOOR_SOCKETS; i++)
		if (door->sockets[i])
			door_socket_forget(door->sockets[i]);
	door_queue_clear(&door->in);
	door_queue_clear(&door->out);
	if (door->pcap >= 0)
		close(door->pcap);
	if (door->boot.memory)
		munmap((void *)(uintptr_t)door->boot.memory, door->boot.memory_size);
	pthread_mutex_destroy(&door->lock);
	pthread_cond_destroy(&door->woken);
	pthread_cond_destroy(&door->settled);
	free(door);
}

/* ---- time ---- */

void door_settle(struct kiln_door *door)
{
	do {
		door->idle = false;
		loop_step(&door->kiln.loop, KILN_NEVER);
	} while (!door->idle);
}

/* The next instant at which something may happen: to the stack, or to a call that waits. */
static kiln_time next_event(const struct kiln_door *door)
{
	kiln_time next = door->wake_at;

	if (door->in.first)
		next = KILN_MIN(next, door->in.first->at);
	list_each (node, &door->waiting)
		next = KILN_MIN(next,
		                kiln_container(node, struct door_call, node)->deadline);
	return next;
}

void door_run(struct kiln_door *door, kiln_time until, unsigned stop)
{
	uint64_t returns = door->returns;
	kiln_time last = until == KILN_NEVER ? door->now + DOOR_LONGEST_WAIT : until;

	for (;;) {
		door_settle(door);
		if (door->waits)
			door_wake(door);
		if ((stop & KILN_DOOR_ON_PACKET && door->out.first) ||
		    (stop & KILN_DOOR_ON_RETURN && door->returns != returns))
			return;
		kiln_time next = next_event(door);
		if (next > last)
			break;
		door->now = KILN_MAX(door->now, next);
	}
	if (until != KILN_NEVER && until > door->now) {
		door->now = until;
		door_settle(door);
	}
}

static kiln_time instant(const struct kiln_door *door, uint64_t time)
{
	return time > KILN_NEVER - door->epoch ? KILN_NEVER : time + door->epoch;
}

uint64_t kiln_door_now(struct kiln_door *door)
{
	pthread_mutex_lock(&door->lock);
	uint64_t now = door->now - door->epoch;
	pthread_mutex_unlock(&door->lock);
	return now;
}

uint64_t kiln_door_next(struct kiln_door *door)
{
	pthread_mutex_lock(&door->lock);
	door_settle(door);
	kiln_time next = next_event(door);
	uint64_t time = next == KILN_NEVER ? KILN_DOOR_NEVER : next - door->epoch;
	pthread_mutex_unlock(&door->lock);
	return time;
}

uint64_t kiln_door_run(struct kiln_door *door, uint64_t time, unsigned stop)
{
	pthread_mutex_lock(&door->lock);
	door_run(door, instant(door, time), stop);
	uint64_t now = door->now - door->epoch;
	pthread_mutex_unlock(&door->lock);
	return now;
}

void kiln_door_advance(struct kiln_door *door, uint64_t time)
{
	if (time != KILN_DOOR_NEVER)
		(void)kiln_door_run(door, time, 0);
}

/* ---- packets ---- */

int kiln_door_inject_at(struct kiln_door *door, const void *packet, size_t size,
                        uint64_t time)
{
	struct door_packet *frame = door_frame_new(packet, size, 0);
	struct door_call call;

	if (!frame)
		return -1;
	door_enter(&call, door);
	frame->at = KILN_MAX(instant(door, time), door->now);
	door_queue_put(&door->in, frame);
	return (int)door_leave(&call, 0);
}

int kiln_door_inject(struct kiln_door *door, const void *packet, size_t size)
{
	return kiln_door_inject_at(door, packet, size, 0);
}

size_t kiln_door_take(struct kiln_door *door, void *buffer, size_t capacity,
                      uint64_t *time)
{
	size_t size = 0;

	pthread_mutex_lock(&door->lock);
	struct door_packet *packet = door_queue_pop(&door->out);
	if (packet) {
		size = packet->size;
		memcpy(buffer, packet->bytes, KILN_MIN(size, capacity));
		if (time)
			*time = packet->at - door->epoch;
		free(packet);
	}
	pthread_mutex_unlock(&door->lock);
	return size;
}

size_t kiln_door_pending(struct kiln_door *door)
{
	pthread_mutex_lock(&door->lock);
	size_t count = door->out.count;
	pthread_mutex_unlock(&door->lock);
	return count;
}
