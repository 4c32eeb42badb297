/*
 * See relay.h. One thread, which sleeps until a frame comes or is due; what is on its way
 * lies in a heap of events. Memory is bounded: beyond RELAY_MOST bytes a way's frames are
 * dropped as by a full queue.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <kiln/bytes.h>
#include "../monitor/monitor.h"
#include "../target/sim/pcap.h"
#include "relay.h"
#include "tool.h"

enum {
	HEADER = sizeof(struct virtio_net_hdr),
	FRAME_MOST = 65536 + 18,
	RELAY_MOST = 64 << 20, /* bytes that a way holds */
	BATCH = 64,            /* frames read before others have their turn */
	TIMER_SLACK = 1000,    /* ns that the kernel may let us oversleep */
};
_Static_assert(HEADER == 10, "virtio_net_hdr");

/* A frame on its way. */
struct delivery {
	struct sim_event event;
	struct relay_way *way;
	uint32_t size;
	uint8_t data[];
};

static volatile sig_atomic_t stop_asked;

static void on_stop(int number)
{
	stop_asked = number;
}

static kiln_time clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (kiln_time)now.tv_sec * KILN_SECONDS(1) + (kiln_time)now.tv_nsec;
}

static kiln_time now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* ---- out ---- */

/* False: the interface has gone. */
static bool write_frame(struct relay_way *way, const void *frame, size_t size)
{
	static uint8_t no_offload[HEADER];
	const struct iovec parts[] = {{no_offload, HEADER},
	                              {(void *)(uintptr_t)frame, size}};

	if (writev(way->out, parts, 2) >= 0)
		return true;
	way->counters.refused++;
	return errno != EBADFD;
}

/* Delivers what is due. False: an interface has gone. */
static bool deliver_due(struct relay *relay, const char **gone)
{
	while (sim_events_next(&relay->events) <= now_ns()) {
		struct delivery *d = kiln_container(sim_events_pop(&relay->events),
		                                    struct delivery, event);
		struct relay_way *way = d->way;
		bool there = write_frame(way, d->data, d->size);

		way->held -= d->size;
		free(d);
		if (!there) {
			*gone = way->to;
			return false;
		}
	}
	return true;
}

/* ---- in ---- */

/* False: there is no memory for it. */
static bool schedule(struct relay *relay, struct relay_way *way, const uint8_t *frame,
                     uint32_t size, const struct sim_arrival *copy)
{
	struct delivery *d;

	if (way->held + size > RELAY_MOST ||
	    !sim_events_reserve(&relay->events, relay->events.count + 1))
		return false;
	d = malloc(sizeof(*d) + size);
	if (!d)
		return false;
	*d = (struct delivery){.way = way, .size = size};
	memcpy(d->data, frame, size);
	if (copy->damaged)
		d->data[copy->bit / 8] ^= (uint8_t)(1u << copy->bit % 8);
	way->held += size;
	sim_events_set(&relay->events, &d->event, copy->at);
	return true;
}

static void carry(struct relay *relay, struct relay_way *way, uint8_t *frame,
                  uint32_t size)
{
	struct relay_counters *counters = &way->counters;
	struct sim_arrival copies[SIM_COPIES];
	kiln_time departure =
	    sim_path_departure(&way->path, &way->impairment, now_ns(), size);
	unsigned count = 0;

	counters->frames++;
	counters->bytes += size;
	if (departure == KILN_NEVER) {
		counters->overflowed++;
		return;
	}
	if (sim_path_congested(&way->path, &way->impairment))
		counters->marked += sim_frame_mark(frame, size);
	if (!sim_path_swallows(&way->impairment, size))
		count = sim_path_carry(&way->path, &way->impairment, &way->random,
		                       departure, size, copies);
	counters->lost += count == 0;
	counters->duplicated += count == SIM_COPIES;
	for (unsigned i = 0; i < count; i++) {
		counters->reordered += copies[i].held_back;
		counters->corrupted += copies[i].damaged;
		if (!schedule(relay, way, frame, size, &copies[i]))
			counters->overflowed++;
	}
}

static void capture(struct relay *relay, uint8_t *frame, size_t size)
{
	const struct iovec whole = {frame, size};

	if (relay->pcap < 0 ||
	    pcap_write(relay->pcap, clock_ns(CLOCK_REALTIME), &whole, 1))
		return;
	warn("the capture ends here: %s", strerror(errno));
	close(relay->pcap);
	relay->pcap = -1;
}

/* Takes what a tap has for the other. False: the interface has gone. */
static bool read_frames(struct relay *relay, struct relay_way *way)
{
	static uint8_t frame[FRAME_MOST];
	struct virtio_net_hdr header;
	const struct iovec parts[] = {{&header, HEADER}, {frame, sizeof(frame)}};

	for (unsigned i = 0; i < BATCH; i++) {
		ssize_t size = readv(way->in, parts, 2);

		if (size < 0)
			return errno != EBADFD;
		if (size <= HEADER)
			continue;
		/* Left from when the tap had offloads. */
		if (header.gso_type != VIRTIO_NET_HDR_GSO_NONE ||
		    header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
			way->counters.refused++;
			continue;
		}
		capture(relay, frame, (size_t)size - HEADER);
		carry(relay, way, frame, (uint32_t)(size - HEADER));
	}
	return true;
}

/* ---- running ---- */

static int open_tap(const char *name)
{
	struct tap tap;
	char error[256];

	if (!tap_open(&tap, name, false, HEADER, 0, 0, error, sizeof(error)))
		fail("%s", error);
	if (ioctl(tap.fd, TUNSETOFFLOAD, 0ul) < 0)
		fail("tap:%s: its offloads cannot be switched off: %s", name,
		     strerror(errno));
	return tap.fd;
}

void relay_open(struct relay *relay, uint64_t seed)
{
	struct relay_way *there = &relay->ways[0], *back = &relay->ways[1];
	struct sim_random draws;

	sim_random_seed(&draws, seed);
	sim_random_seed(&there->random, sim_random_u64(&draws));
	sim_random_seed(&back->random, sim_random_u64(&draws));
	there->in = back->out = open_tap(there->from);
	there->out = back->in = open_tap(there->to);
}

/* Signals are let in only while it sleeps, so that none comes between looking and
 * sleeping. */
static void catch_signals(sigset_t *sleeping)
{
	const struct sigaction action = {.sa_handler = on_stop};
	sigset_t stops;

	sigemptyset(&stops);
	sigaddset(&stops, SIGINT);
	sigaddset(&stops, SIGTERM);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigprocmask(SIG_BLOCK, &stops, sleeping);
	sigdelset(sleeping, SIGINT);
	sigdelset(sleeping, SIGTERM);
}

/* Until a frame comes, one is due, or a signal. */
static void sleep_until(struct relay *relay, struct pollfd *taps, const sigset_t *mask)
{
	kiln_time next = sim_events_next(&relay->events), now = now_ns();
	kiln_time left = next > now ? next - now : 0;
	struct timespec timeout = {.tv_sec = (time_t)(left / KILN_SECONDS(1)),
	                           .tv_nsec = (long)(left % KILN_SECONDS(1))};

	if (ppoll(taps, 2, next == KILN_NEVER ? NULL : &timeout, mask) < 0)
		taps[0].revents = taps[1].revents = 0;
}

bool relay_run(struct relay *relay, const char **gone)
{
	struct pollfd taps[2] = {{.fd = relay->ways[0].in, .events = POLLIN},
	                         {.fd = relay->ways[1].in, .events = POLLIN}};
	sigset_t sleeping;

	catch_signals(&sleeping);
	prctl(PR_SET_TIMERSLACK, (unsigned long)TIMER_SLACK, 0, 0, 0);
	while (!stop_asked) {
		if (!deliver_due(relay, gone))
			return false;
		sleep_until(relay, taps, &sleeping);
		for (unsigned i = 0; i < 2; i++) {
			if (taps[i].revents && !read_frames(relay, &relay->ways[i])) {
				*gone = relay->ways[i].from;
				return false;
			}
		}
	}
	return true;
}
