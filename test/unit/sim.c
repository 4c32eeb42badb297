/*
 * The simulator: that a seed repeats a run to the bit, that a link does what it was told
 * (loss, rate, delay, order), that nodes live and end, and that its disks keep sectors.
 *
 * The nodes here talk to their device directly, without a stack: one sends numbered
 * frames, the other notes when which of them came.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include <kiln/block.h>
#include <kiln/netdev.h>
#include <kiln/sim.h>
#include <kiln/task.h>
#include <kiln/target.h>

KILN_NET(net0, "where frames come and go");
KILN_BLOCK(disk0, "some sectors");

enum { MEMORY = 64 * 1024, MOST_FRAMES = 20000, FRAME = 100 };

/* What a sender does, and what a receiver saw. */
struct talk {
	unsigned count;
	kiln_time interval; /* 0: all at once */
	size_t size;
	enum kiln_error sent; /* of the last frame */

	struct netdev *dev;
	unsigned received, intact;
	uint32_t number[MOST_FRAMES];
	kiln_time at[MOST_FRAMES];
};

static void wait_until(struct kiln *k, kiln_time instant)
{
	while (target_now(k) < instant)
		target_wait(k, instant);
}

static enum kiln_error send_numbered(struct netdev *dev, uint32_t number, size_t size)
{
	static const uint8_t zeroes[2048];
	struct netdev_frame frame;
	struct writer w;

	netdev_frame_init(&frame);
	w = writer_of(netdev_frame_push(&frame, 20), 20);
	writer_bytes(&w, slice_of("\xff\xff\xff\xff\xff\xff", 6));
	writer_bytes(&w, slice_of(dev->mac, 6));
	writer_u16(&w, 0x88b5); /* IEEE 802 local experimental */
	writer_u16(&w, 0);
	writer_u32(&w, number);
	if (!netdev_frame_add(&frame, zeroes, size - 20, NULL))
		return KILN_ERR_FULL;
	return dev->ops->send(dev, &frame);
}

static int sender(struct kiln *k)
{
	struct talk *talk = sim_node_user(sim_node_of(k));

	talk->dev = target_netdev(k, &net0);
	talk->dev->receive = NULL;
	for (uint32_t i = 0; i < talk->count; i++) {
		talk->sent = send_numbered(talk->dev, i, talk->size);
		wait_until(k, target_now(k) + talk->interval);
	}
	return 0;
}

static void received(void *stack, struct slice frame,
                     const struct netdev_offload *offload)
{
	struct talk *talk = stack;
	struct cursor c = cursor_of(frame);
	bool zero = true;

	cursor_bytes(&c, 16);
	assert_true(talk->received < MOST_FRAMES);
	talk->at[talk->received] = target_now(talk->dev->kiln);
	talk->number[talk->received++] = cursor_u32(&c);
	for (size_t i = 20; i < frame.len; i++)
		zero = zero && frame.data[i] == 0;
	talk->intact += zero;
}

static int receiver(struct kiln *k)
{
	struct talk *talk = sim_node_user(sim_node_of(k));

	talk->dev = target_netdev(k, &net0);
	talk->dev->receive = received;
	talk->dev->stack = talk;
	while (!k->loop.stopping) {
		if (talk->dev->ops->poll(talk->dev, 64) == 0)
			target_wait(k, KILN_NEVER);
	}
	return 0;
}

/* `count` frames of FRAME bytes over one link; the receiver's view. Freed by the caller.
 */
static struct talk *talk_over(const struct sim_impairment *impairment, unsigned count,
                              kiln_time interval, struct sim_counters *counters,
                              uint64_t seed, const char *pcap)
{
	struct talk out = {.count = count, .interval = interval, .size = FRAME};
	struct talk *in = calloc(1, sizeof(*in));
	struct sim *sim = sim_new(seed);
	struct sim_link *link = sim_link_new(sim, impairment, 1500);
	struct sim_node *from = sim_node_new(sim, "from", MEMORY, sender, NULL);
	struct sim_node *to = sim_node_new(sim, "to", MEMORY, receiver, NULL);

	sim_node_net(from, "net0", link);
	sim_node_net(to, "net0", link);
	sim_node_set_user(from, &out);
	sim_node_set_user(to, in);
	if (pcap)
		assert_int_equal(sim_link_pcap(link, pcap), KILN_OK);
	assert_false(sim_run(sim, sim_now(sim) + KILN_SECONDS(60)));
	assert_true(sim_node_ended(from, NULL));
	sim_node_stop(to);
	assert_true(sim_run(sim, KILN_NEVER));
	if (counters)
		sim_counters(sim, counters);
	sim_free(sim);
	return in;
}

static bool within(uint64_t value, uint64_t low, uint64_t high)
{
	return value >= low && value <= high;
}

static void frames_arrive_in_order_and_at_once_on_a_perfect_link(void **state)
{
	struct talk *in = talk_over(NULL, 100, KILN_MS(1), NULL, 1, NULL);

	assert_int_equal(in->received, 100);
	assert_int_equal(in->intact, 100);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(in->number[i], i);
		assert_int_equal(in->at[i], KILN_MS(i));
	}
	free(in);
}

static void delay_is_exact(void **state)
{
	struct sim_impairment far = {.delay = 123456789};
	struct talk *in = talk_over(&far, 10, KILN_MS(1), NULL, 1, NULL);

	assert_int_equal(in->received, 10);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(in->at[i], KILN_MS(i) + 123456789);
	free(in);
}

static void rate_is_exact(void **state)
{
	/* 100 bytes are 800 bits: 100 us each at 8 Mbit/s */
	struct sim_impairment slow = {.rate = 8000000};
	struct talk *in = talk_over(&slow, 500, 0, NULL, 1, NULL);

	assert_int_equal(in->received, 500);
	for (unsigned i = 0; i < 500; i++)
		assert_int_equal(in->at[i], KILN_US(100) * (i + 1));
	free(in);
}

static void full_queue_drops_the_newest(void **state)
{
	struct sim_impairment slow = {.rate = 8000000, .queue = 10};
	struct sim_counters counters;
	struct talk *in = talk_over(&slow, 500, 0, &counters, 1, NULL);

	/* one on the wire and ten behind it */
	assert_int_equal(in->received, 11);
	assert_int_equal(in->number[10], 10);
	assert_int_equal(counters.overflowed, 489);
	free(in);
}

static void jitter_keeps_order_and_bounds(void **state)
{
	struct sim_impairment shaky = {.delay = KILN_MS(10), .jitter = KILN_MS(5)};
	struct talk *in = talk_over(&shaky, 2000, KILN_MS(1), NULL, 3, NULL);
	kiln_time least = KILN_NEVER, most = 0;

	assert_int_equal(in->received, 2000);
	for (unsigned i = 0; i < 2000; i++) {
		kiln_time took = in->at[i] - KILN_MS(i);
		assert_int_equal(in->number[i], i);
		least = took < least ? took : least;
		most = took > most ? took : most;
	}
	assert_true(within(least, KILN_MS(10), KILN_MS(11)));
	assert_true(within(most, KILN_MS(14), KILN_MS(15)));
	free(in);
}

static void loss_comes_at_its_rate(void **state)
{
	struct sim_impairment lossy = {.loss = 0.1};
	struct sim_counters counters;
	struct talk *in = talk_over(&lossy, 10000, KILN_US(10), &counters, 5, NULL);

	assert_int_equal(in->received + counters.lost, 10000);
	assert_true(within(counters.lost, 850, 1150)); /* 5 sigma */
	free(in);
}

static void a_link_that_is_cut_and_mended_loses_what_was_sent_between(void **state)
{
	static const struct sim_impairment cut = {.loss = 1}, whole = {.loss = 0};
	struct talk out = {.count = 30, .interval = KILN_MS(1), .size = FRAME};
	struct talk *in = calloc(1, sizeof(*in));
	struct sim *sim = sim_new(1);
	struct sim_link *link = sim_link_new(sim, NULL, 1500);
	struct sim_node *from = sim_node_new(sim, "from", MEMORY, sender, NULL);
	struct sim_node *to = sim_node_new(sim, "to", MEMORY, receiver, NULL);
	kiln_time start = sim_now(sim);

	sim_node_net(from, "net0", link);
	sim_node_net(to, "net0", link);
	sim_node_set_user(from, &out);
	sim_node_set_user(to, in);
	assert_false(sim_run(sim, start + KILN_US(9500)));
	sim_link_set(link, &cut);
	assert_false(sim_run(sim, start + KILN_US(19500)));
	sim_link_set(link, &whole);
	assert_false(sim_run(sim, start + KILN_SECONDS(1)));
	assert_int_equal(in->received, 20);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(in->number[i], i < 10 ? i : i + 10);
	sim_node_stop(to);
	assert_true(sim_run(sim, KILN_NEVER));
	sim_free(sim);
	free(in);
}

static void duplicates_come_at_their_rate(void **state)
{
	struct sim_impairment twice = {.duplicate = 0.1};
	struct sim_counters counters;
	struct talk *in = talk_over(&twice, 10000, KILN_US(10), &counters, 5, NULL);

	assert_int_equal(in->received, 10000 + counters.duplicated);
	assert_true(within(counters.duplicated, 850, 1150));
	free(in);
}

static void corruption_comes_at_its_rate(void **state)
{
	struct sim_impairment noisy = {.corrupt = 0.1};
	struct sim_counters counters;
	struct talk *in = talk_over(&noisy, 10000, KILN_US(10), &counters, 5, NULL);

	assert_int_equal(in->received, 10000);
	assert_true(within(counters.corrupted, 850, 1150));
	/* 80 of a frame's 100 bytes are zeroes that we check */
	assert_true(within(10000 - in->intact, 650, 950));
	free(in);
}

static void reordering_comes_at_its_rate(void **state)
{
	struct sim_impairment mixed = {.reorder = 0.1, .reorder_delay = KILN_MS(2)};
	struct sim_counters counters;
	struct talk *in = talk_over(&mixed, 10000, KILN_US(10), &counters, 5, NULL);
	unsigned late = 0;

	assert_int_equal(in->received, 10000);
	for (unsigned i = 1; i < 10000; i++) {
		late += in->number[i] < in->number[i - 1];
		assert_true(in->at[i] - KILN_US(10) * in->number[i] <= KILN_MS(2));
	}
	assert_true(within(counters.reordered, 850, 1150));
	assert_true(late > 500);
	free(in);
}

/* ---- repeating ---- */

static size_t file_bytes(const char *path, uint8_t *out, size_t room)
{
	FILE *file = fopen(path, "rb");
	size_t size;

	assert_non_null(file);
	size = fread(out, 1, room, file);
	assert_true(size < room);
	fclose(file);
	return size;
}

static struct talk *bad_link_run(uint64_t seed, uint8_t *capture, size_t room,
                                 size_t *size)
{
	static const struct sim_impairment bad = {.loss = 0.05,
	                                          .duplicate = 0.05,
	                                          .corrupt = 0.05,
	                                          .reorder = 0.05,
	                                          .reorder_delay = KILN_MS(3),
	                                          .delay = KILN_MS(1),
	                                          .jitter = KILN_MS(1),
	                                          .rate = 10000000};
	char path[] = "/tmp/kiln-sim-XXXXXX";
	struct talk *in;

	close(mkstemp(path));
	in = talk_over(&bad, 2000, KILN_US(100), NULL, seed, path);
	*size = file_bytes(path, capture, room);
	unlink(path);
	return in;
}

static void same_seed_is_the_same_run_to_the_bit(void **state)
{
	enum { ROOM = 1 << 20 };
	uint8_t *a = malloc(ROOM), *b = malloc(ROOM);
	size_t a_size, b_size;
	struct talk *first = bad_link_run(42, a, ROOM, &a_size);
	struct talk *second = bad_link_run(42, b, ROOM, &b_size);
	struct talk *other = bad_link_run(43, b, ROOM, &b_size);

	assert_int_equal(first->received, second->received);
	assert_memory_equal(first->number, second->number, sizeof(first->number));
	assert_memory_equal(first->at, second->at, sizeof(first->at));
	assert_memory_not_equal(first->at, other->at, sizeof(first->at));
	/* the capture: its magic, all frames sent, the same bytes */
	assert_memory_equal(a, "\x4d\x3c\xb2\xa1", 4);
	assert_int_equal(a_size, 24 + 2000 * (16 + FRAME));
	free(second);
	second = bad_link_run(42, b, ROOM, &b_size);
	assert_int_equal(a_size, b_size);
	assert_memory_equal(a, b, a_size);
	free(first);
	free(second);
	free(other);
	free(a);
	free(b);
}

/* The node's generator is seeded by the sim alone. */
static int draw(struct kiln *k)
{
	*(uint64_t *)sim_node_user(sim_node_of(k)) = random_u64(&k->random);
	return 0;
}

static uint64_t drawn(uint64_t seed)
{
	struct sim *sim = sim_new(seed);
	struct sim_node *node = sim_node_new(sim, "n", MEMORY, draw, NULL);
	uint64_t value = 0;

	sim_node_set_user(node, &value);
	assert_true(sim_run(sim, KILN_NEVER));
	sim_free(sim);
	return value;
}

static void random_numbers_of_a_node_follow_the_seed(void **state)
{
	assert_true(drawn(7) == drawn(7));
	assert_true(drawn(7) != drawn(8));
}

/* ---- devices ---- */

static int send_what_is_refused(struct kiln *k)
{
	struct netdev *dev = target_netdev(k, &net0);
	struct netdev_frame frame;

	assert_int_equal(send_numbered(dev, 0, 1514), KILN_OK);
	assert_int_equal(send_numbered(dev, 0, 1515), KILN_ERR_TOO_LARGE);
	netdev_frame_init(&frame);
	netdev_frame_push(&frame, 64);
	frame.offload.flags = NETDEV_NEEDS_CSUM;
	assert_int_equal(dev->ops->send(dev, &frame), KILN_ERR_UNSUPPORTED);
	assert_int_equal(dev->counters.tx_frames, 1);
	assert_int_equal(dev->counters.tx_dropped, 2);
	assert_null(target_block(k, &disk0));
	return 0;
}

static void device_refuses_what_it_did_not_offer(void **state)
{
	struct sim *sim = sim_new(1);
	struct sim_link *link = sim_link_new(sim, NULL, 1500);
	struct sim_node *node =
	    sim_node_new(sim, "n", MEMORY, send_what_is_refused, NULL);

	sim_node_net(node, "net0", link);
	assert_true(sim_run(sim, KILN_NEVER));
	sim_free(sim);
}

static int send_large(struct kiln *k)
{
	static const uint8_t payload[60000];
	struct netdev *dev = target_netdev(k, &net0);
	struct netdev_frame frame;

	netdev_frame_init(&frame);
	memset(netdev_frame_push(&frame, 48), 0, 48);
	memset(netdev_frame_push(&frame, 6), 0xff, 6);
	frame.offload.flags = NETDEV_NEEDS_CSUM;
	frame.offload.gso_type = NETDEV_GSO_TCP4;
	frame.offload.gso_size = 1448;
	frame.offload.checksum_start = 34;
	frame.offload.checksum_offset = 16;
	assert_true(netdev_frame_add(&frame, payload, sizeof(payload), NULL));
	assert_int_equal(dev->ops->send(dev, &frame), KILN_OK);
	return 0;
}

struct large_seen {
	struct kiln *k;
	struct netdev_offload offload;
	size_t size;
	uint32_t sum; /* ones' complement, over what the checksum covers */
};

static void large_received(void *stack, struct slice frame,
                           const struct netdev_offload *offload)
{
	struct large_seen *seen = stack;

	seen->offload = *offload;
	seen->size = frame.len;
	for (size_t i = 34; i < frame.len; i++)
		seen->sum += i % 2 ? frame.data[i] : (uint32_t)frame.data[i] << 8;
	while (seen->sum >> 16)
		seen->sum = (seen->sum & 0xffff) + (seen->sum >> 16);
	kiln_stop(seen->k);
}

static int receive_large(struct kiln *k)
{
	struct netdev *dev = target_netdev(k, &net0);
	struct large_seen *seen = sim_node_user(sim_node_of(k));

	seen->k = k;
	dev->receive = large_received;
	dev->stack = seen;
	while (!k->loop.stopping) {
		dev->ops->poll(dev, 64);
		target_wait(k, KILN_NEVER);
	}
	return 0;
}

static struct large_seen large_over(const struct sim_impairment *impairment)
{
	struct large_seen seen = {0};
	struct sim *sim = sim_new(1);
	struct sim_link *link = sim_link_new(sim, impairment, 1500);
	struct sim_node *to = sim_node_new(sim, "to", MEMORY, receive_large, NULL);
	struct sim_node *from = sim_node_new(sim, "from", MEMORY, send_large, NULL);

	sim_link_offloads(link, true);
	sim_node_net(from, "net0", link);
	sim_node_net(to, "net0", link);
	sim_node_set_user(to, &seen);
	sim_run(sim, KILN_SECONDS(1));
	sim_node_stop(to);
	assert_true(sim_run(sim, KILN_NEVER));
	sim_free(sim);
	return seen;
}

static void offload_passes_large_frames_through(void **state)
{
	struct large_seen seen = large_over(NULL);

	assert_int_equal(seen.size, 60054);
	assert_int_equal(seen.offload.flags, NETDEV_NEEDS_CSUM);
	assert_int_equal(seen.offload.gso_type, NETDEV_GSO_TCP4);
	assert_int_equal(seen.offload.gso_size, 1448);
}

static void corruption_of_an_offloaded_frame_can_be_found_out(void **state)
{
	struct sim_impairment noisy = {.corrupt = 1};
	struct large_seen seen = large_over(&noisy);

	assert_int_equal(seen.size, 60054);
	assert_int_equal(seen.offload.flags, 0); /* nobody vouches for the checksum */
	assert_int_not_equal(seen.sum, 0xffff);  /* and it does not hold */
}

/* ---- nodes ---- */

static int count_ticks(struct kiln *k)
{
	unsigned *ticks = sim_node_user(sim_node_of(k));

	for (int i = 0; i < 10; i++) {
		wait_until(k, target_now(k) + KILN_MS(10));
		++*ticks;
	}
	return 7;
}

static void thousand_nodes_run_side_by_side(void **state)
{
	enum { NODES = 1000 };
	struct sim *sim = sim_new(1);
	struct sim_node *nodes[NODES];
	unsigned ticks = 0;

	for (unsigned i = 0; i < NODES; i++) {
		nodes[i] = sim_node_new(sim, "n", 1 << 20, count_ticks, NULL);
		sim_node_set_user(nodes[i], &ticks);
	}
	assert_false(sim_run(sim, KILN_MS(55)));
	assert_int_equal(ticks, 5 * NODES);
	assert_int_equal(sim_now(sim), KILN_MS(55));
	assert_true(sim_run(sim, KILN_NEVER));
	assert_int_equal(ticks, 10 * NODES);
	assert_int_equal(sim_now(sim), KILN_MS(100));
	for (unsigned i = 0; i < NODES; i++) {
		int status = 0;
		assert_true(sim_node_ended(nodes[i], &status));
		assert_int_equal(status, 7);
	}
	sim_free(sim);
}

static int run_loop(struct kiln *k)
{
	return kiln_run(k);
}

static int take_no_notice(struct kiln *k)
{
	while (target_now(k) < KILN_SECONDS(100))
		target_wait(k, KILN_NEVER);
	return 1;
}

static int give_up(struct kiln *k)
{
	kiln_fail(k, "test", "cannot go on: %d", 42);
}

static void keep_text(void *context, const char *node, struct slice text)
{
	char *kept = context;

	snprintf(kept + strlen(kept), 256 - strlen(kept), "%s|%.*s", node,
	         SLICE_ARG(text));
}

static void node_stops_when_asked_and_others_go_on(void **state)
{
	struct sim *sim = sim_new(1);
	struct sim_node *a = sim_node_new(sim, "a", MEMORY, run_loop, NULL);
	struct sim_node *b = sim_node_new(sim, "b", MEMORY, run_loop, NULL);
	struct sim_node *deaf = sim_node_new(sim, "deaf", MEMORY, take_no_notice, NULL);
	int status = -1;

	sim_run(sim, KILN_SECONDS(1));
	sim_node_stop(a);
	sim_node_stop(deaf);
	assert_false(sim_run(sim, KILN_SECONDS(2)));
	assert_true(sim_node_ended(a, &status));
	assert_int_equal(status, 0);
	assert_false(sim_node_ended(b, NULL));
	assert_false(sim_node_ended(deaf, NULL));
	sim_free(sim);
}

static void stop_before_the_start_counts(void **state)
{
	struct sim *sim = sim_new(1);

	sim_node_stop(sim_node_new(sim, "a", MEMORY, run_loop, NULL));
	assert_true(sim_run(sim, KILN_SECONDS(1)));
	sim_free(sim);
}

static void failing_node_ends_alone_and_says_why(void **state)
{
	char text[256] = "";
	struct sim *sim = sim_new(1);
	struct sim_node *bad = sim_node_new(sim, "bad", MEMORY, give_up, NULL);
	struct sim_node *good = sim_node_new(sim, "good", MEMORY, run_loop, NULL);
	int status = -1;

	sim_console(sim, keep_text, text);
	assert_false(sim_run(sim, KILN_SECONDS(1)));
	assert_true(sim_node_ended(bad, &status));
	assert_int_equal(status, 1);
	assert_false(sim_node_ended(good, NULL));
	assert_string_equal(text, "bad|[    0.000000] error test: cannot go on: 42\n");
	sim_free(sim);
}

/* A node may make nodes and links of its own: a test that builds a network step by step.
 */
static int make_another(struct kiln *k)
{
	struct sim **sim = sim_node_user(sim_node_of(k));
	struct sim_node *child = sim_node_new(*sim, "child", MEMORY, draw, NULL);
	static uint64_t value;

	sim_node_set_user(child, &value);
	wait_until(k, KILN_MS(1));
	return sim_node_ended(child, NULL) ? 0 : 1;
}

static void nodes_can_be_added_while_running(void **state)
{
	struct sim *sim = sim_new(1);
	struct sim_node *node = sim_node_new(sim, "parent", MEMORY, make_another, NULL);
	int status = -1;

	sim_node_set_user(node, &sim);
	assert_true(sim_run(sim, KILN_SECONDS(1)));
	assert_true(sim_node_ended(node, &status));
	assert_int_equal(status, 0);
	sim_free(sim);
}

/* ---- disks ---- */

static int use_disk(struct kiln *k)
{
	static uint8_t written[8 * BLOCK_SECTOR], read[8 * BLOCK_SECTOR];
	struct block *disk = block_open(k, &disk0);
	kiln_time before = target_now(k);

	assert_int_equal(disk->sectors, 100);
	assert_int_equal(block_read(disk, 92, read, 8), KILN_OK);
	assert_memory_equal(read, written, sizeof(read)); /* zeroed */
	memset(written, 0xa5, sizeof(written));
	assert_int_equal(block_write(disk, 92, written, 8), KILN_OK);
	assert_int_equal(block_flush(disk), KILN_OK);
	assert_int_equal(block_read(disk, 92, read, 8), KILN_OK);
	assert_memory_equal(read, written, sizeof(read));
	assert_int_equal(block_write(disk, 93, written, 8), KILN_ERR_INVALID);
	assert_int_equal(block_read(disk, UINT64_MAX, read, 1), KILN_ERR_INVALID);
	assert_true(target_now(k) > before); /* a disk takes its time */
	return 0;
}

static void disk_keeps_what_was_written(void **state)
{
	struct sim *sim = sim_new(1);
	struct sim_node *node = sim_node_new(sim, "n", MEMORY, use_disk, NULL);
	int status = -1;

	sim_node_disk(node, "disk0", 100);
	assert_true(sim_run(sim, KILN_SECONDS(1)));
	assert_true(sim_node_ended(node, &status));
	assert_int_equal(status, 0);
	sim_free(sim);
}

/* A task waits on its own stack, within which the node is switched away. */
static void read_in_task(void *arg)
{
	struct block *disk = arg;
	uint8_t sector[BLOCK_SECTOR] = {1};

	assert_int_equal(block_read(disk, 0, sector, 1), KILN_OK);
	assert_int_equal(sector[0], 0);
	kiln_stop(disk->kiln);
}

static int start_task(struct kiln *k)
{
	struct task_pool *tasks = task_pool_new(k, 2, 32768);

	assert_int_equal(task_start(tasks, read_in_task, block_open(k, &disk0)), KILN_OK);
	return kiln_run(k);
}

static void task_of_a_node_may_wait(void **state)
{
	struct sim *sim = sim_new(1);

	for (unsigned i = 0; i < 3; i++)
		sim_node_disk(sim_node_new(sim, "n", 1 << 20, start_task, NULL), "disk0",
		              1);
	assert_true(sim_run(sim, KILN_SECONDS(1)));
	sim_free(sim);
}

static int leave_request_behind(struct kiln *k)
{
	struct block_request *request = kiln_alloc(k, sizeof(*request), "a request");
	struct block *disk = block_open(k, &disk0);

	request->kind = BLOCK_READ;
	request->data = kiln_alloc(k, BLOCK_SECTOR, "a sector");
	request->sectors = 1;
	block_submit(disk, request);
	return 0;
}

static void disk_outlives_the_node_that_used_it(void **state)
{
	struct sim *sim = sim_new(1);
	struct sim_node *node =
	    sim_node_new(sim, "n", MEMORY, leave_request_behind, NULL);
	struct sim_node *other = sim_node_new(sim, "other", MEMORY, run_loop, NULL);

	sim_node_disk(node, "disk0", 100);
	assert_false(sim_run(sim, KILN_SECONDS(1)));
	assert_true(sim_node_ended(node, NULL));
	assert_false(sim_node_ended(other, NULL));
	sim_free(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(frames_arrive_in_order_and_at_once_on_a_perfect_link),
	    cmocka_unit_test(delay_is_exact),
	    cmocka_unit_test(rate_is_exact),
	    cmocka_unit_test(full_queue_drops_the_newest),
	    cmocka_unit_test(jitter_keeps_order_and_bounds),
	    cmocka_unit_test(loss_comes_at_its_rate),
	    cmocka_unit_test(a_link_that_is_cut_and_mended_loses_what_was_sent_between),
	    cmocka_unit_test(duplicates_come_at_their_rate),
	    cmocka_unit_test(corruption_comes_at_its_rate),
	    cmocka_unit_test(reordering_comes_at_its_rate),
	    cmocka_unit_test(same_seed_is_the_same_run_to_the_bit),
	    cmocka_unit_test(random_numbers_of_a_node_follow_the_seed),
	    cmocka_unit_test(device_refuses_what_it_did_not_offer),
	    cmocka_unit_test(offload_passes_large_frames_through),
	    cmocka_unit_test(corruption_of_an_offloaded_frame_can_be_found_out),
	    cmocka_unit_test(thousand_nodes_run_side_by_side),
	    cmocka_unit_test(node_stops_when_asked_and_others_go_on),
	    cmocka_unit_test(stop_before_the_start_counts),
	    cmocka_unit_test(failing_node_ends_alone_and_says_why),
	    cmocka_unit_test(nodes_can_be_added_while_running),
	    cmocka_unit_test(disk_keeps_what_was_written),
	    cmocka_unit_test(task_of_a_node_may_wait),
	    cmocka_unit_test(disk_outlives_the_node_that_used_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
