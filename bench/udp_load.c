/*
 * The client of kiln bench net for UDP: keeps so many datagrams of 64 bytes on their way to
 * an echo service, for some time.
 *
 *	udp_load ADDRESS PORT SECONDS
 *
 * A datagram says which of the OUTSTANDING it is, and when it was sent. Its echo is counted,
 * and it is sent again; when there is none for LATE, too, which is counted as a loss. First
 * it waits for the service to answer; for 0 seconds it does nothing else.
 *
 * Prints one JSON object.
 */
#include "load.h"

enum { OUTSTANDING = 256, SIZE = 64, BUCKETS = 100000 };
#define LATE (SECOND / 10)

struct datagram {
	uint64_t sent; /* monotonic ns */
	uint32_t which, turn;
	uint8_t filling[SIZE - 16];
};
_Static_assert(sizeof(struct datagram) == SIZE, "what an echo looks like");

struct load {
	int socket;
	struct datagram out[OUTSTANDING]; /* as each was last sent */
	unsigned due[OUTSTANDING];        /* those to be sent */
	unsigned due_count;
	uint64_t echoes, lost, checked;
	uint64_t latency[BUCKETS]; /* by us; the last: that, and more */
};

static void send_due(struct load *load)
{
	struct mmsghdr messages[OUTSTANDING];
	struct iovec parts[OUTSTANDING];
	uint64_t now = now_ns();
	int sent;

	if (!load->due_count)
		return;
	memset(messages, 0, sizeof(messages[0]) * load->due_count);
	for (unsigned i = 0; i < load->due_count; i++) {
		struct datagram *d = &load->out[load->due[i]];

		d->sent = now;
		d->turn++;
		parts[i] = (struct iovec){d, SIZE};
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	sent = sendmmsg(load->socket, messages, load->due_count, 0);
	/* What did not leave is late, and sent once more then. */
	if (sent < 0 && errno != ENOBUFS)
		fail("sendmmsg");
	load->due_count = 0;
}

static void take(struct load *load, const struct datagram *echo, uint64_t now)
{
	uint64_t us;

	if (echo->which >= OUTSTANDING || echo->turn != load->out[echo->which].turn)
		return; /* of one that was given up */
	us = (now - echo->sent) / 1000;
	load->latency[us < BUCKETS ? us : BUCKETS - 1]++;
	load->echoes++;
	/* It has had its echo: another of the same is one too many. */
	load->out[echo->which].turn++;
	load->due[load->due_count++] = echo->which;
}

static void receive(struct load *load)
{
	static struct datagram echoes[OUTSTANDING];
	struct mmsghdr messages[OUTSTANDING];
	struct iovec parts[OUTSTANDING];
	uint64_t now;
	int count;

	memset(messages, 0, sizeof(messages));
	for (unsigned i = 0; i < OUTSTANDING; i++) {
		parts[i] = (struct iovec){&echoes[i], SIZE};
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	count = recvmmsg(load->socket, messages, OUTSTANDING, MSG_WAITFORONE, NULL);
	if (count < 0 && errno != EAGAIN && errno != EINTR)
		fail("recvmmsg");
	now = now_ns();
	for (int i = 0; i < count; i++) {
		if (messages[i].msg_len == SIZE)
			take(load, &echoes[i], now);
	}
}

/* Now and then: what has been on its way for too long. Called when nothing is due. */
static void give_up_late(struct load *load)
{
	uint64_t now = now_ns();

	if (now - load->checked < LATE / 2)
		return;
	load->checked = now;
	for (unsigned i = 0; i < OUTSTANDING; i++) {
		if (now - load->out[i].sent >= LATE) {
			load->lost++;
			load->due[load->due_count++] = i;
		}
	}
}

static unsigned percentile(const struct load *load, double percent)
{
	uint64_t rank = (uint64_t)((double)load->echoes * percent / 100), seen = 0;
	unsigned us = 0;

	while (us < BUCKETS - 1 && (seen += load->latency[us]) <= rank)
		us++;
	return us;
}

static void run(struct load *load, double seconds)
{
	uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), began = now_ns(), took;
	uint64_t end = began + (uint64_t)(seconds * (double)SECOND);

	load->checked = began;
	for (unsigned i = 0; i < OUTSTANDING; i++) {
		load->out[i].which = i;
		load->due[load->due_count++] = i;
	}
	while (now_ns() < end) {
		send_due(load);
		give_up_late(load);
		send_due(load);
		receive(load);
	}
	took = now_ns() - began;
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("{\"seconds\": %.6f, \"ops\": %llu, \"lost\": %llu, \"p50_us\": %u, "
	       "\"p99_us\": %u, \"p999_us\": %u, \"client_busy\": %.4f}\n",
	       (double)took / (double)SECOND, (unsigned long long)load->echoes,
	       (unsigned long long)load->lost, percentile(load, 50), percentile(load, 99),
	       percentile(load, 99.9), (double)cpu / (double)took);
}

/* Until a datagram comes back as it was sent. */
static void await_echo(int s)
{
	uint64_t deadline = now_ns() + PATIENCE * SECOND;
	struct datagram probe = {.which = OUTSTANDING}, echo;

	for (size_t i = 0; i < sizeof(probe.filling); i++)
		probe.filling[i] = (uint8_t)(i + 1);
	for (;;) {
		(void)!send(s, &probe, SIZE, 0);
		if (recv(s, &echo, SIZE, 0) == SIZE && memcmp(&echo, &probe, SIZE) == 0)
			return;
		if (now_ns() > deadline) {
			errno = ETIMEDOUT;
			fail("no echo");
		}
	}
}

int main(int argc, char **argv)
{
	static struct load load;
	const struct timeval patience = {.tv_usec = 20000};
	struct sockaddr_in to;

	if (argc != 4) {
		fprintf(stderr, "usage: %s ADDRESS PORT SECONDS\n", argv[0]);
		return 2;
	}
	to = address_of(argv[1], argv[2]);
	load.socket = connect_patiently(SOCK_DGRAM, &to);
	enlarge_buffers(load.socket);
	if (setsockopt(load.socket, SOL_SOCKET, SO_RCVTIMEO, &patience,
	               sizeof(patience)) < 0)
		fail("SO_RCVTIMEO");
	await_echo(load.socket);
	if (atof(argv[3]) > 0)
		run(&load, atof(argv[3]));
	return 0;
}
