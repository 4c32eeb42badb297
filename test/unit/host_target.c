/*
 * The host target over the real loopback interface: that its TCP, UDP, disks and signals
 * keep to the public headers, and that a run leaves no descriptor open.
 *
 * Each test is an appliance of its own: it sets up both ends and runs the loop until the
 * test stops it. A run that takes ten seconds has failed.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <cmocka.h>
#include <kiln/tcp.h>
#include <kiln/udp.h>
#include "target/host/host.h"

KILN_NET(net0, "loopback");
KILN_BLOCK(disk0, "a file");

enum { MEMORY = 1 << 20 };

static int (*test_entry)(struct kiln *k);

static void too_long(struct timer *timer)
{
	fail_msg("the run did not come to its end");
}

static int entry_with_deadline(struct kiln *k)
{
	struct timer deadline;
	int status;

	loop_add(&k->loop, &host_of(k)->source);
	timer_init(&deadline, too_long);
	timer_set(&k->loop, &deadline, kiln_now(k) + KILN_SECONDS(10));
	status = test_entry(k);
	timer_cancel(&k->loop, &deadline);
	return status;
}

static unsigned open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* Runs entry(k) as an appliance, with an option, "key=value", and a disk if they are not
 * NULL; returns its status. */
static int run_with(int (*entry)(struct kiln *k), const char *option, const char *disk)
{
	struct host *host = calloc(1, sizeof(*host));
	void *memory = calloc(1, MEMORY);
	unsigned before = open_descriptors();
	int status;

	host->boot = (struct kiln_boot){
	    .magic = KILN_BOOT_MAGIC,
	    .abi = KILN_ABI_VERSION,
	    .size = sizeof(host->boot),
	    .memory = (uint64_t)(uintptr_t)memory,
	    .memory_size = MEMORY,
	    .clock_gettime = 1,
	    .options = (uint64_t)(uintptr_t)option,
	    .options_size = option ? strlen(option) + 1 : 0,
	};
	assert_true(host_init(host));
	if (disk)
		assert_true(host_disk_add(host, "disk0", 5, disk));
	test_entry = entry;
	status = kiln_start_with(&host->kiln, entry_with_deadline);
	host_end(host);
	assert_int_equal(open_descriptors(), before);
	free(memory);
	free(host);
	return status;
}

static int run(int (*entry)(struct kiln *k), const char *disk)
{
	return run_with(entry, NULL, disk);
}

/* ---- two ends of a connection ---- */

static const uint8_t content[4 << 20]; /* zeroes, but marked at both ends of a test */

/* What the two ends of a test do and saw. */
struct ends {
	struct kiln *k;
	struct tcp *tcp;
	struct tcp_listener *listener;
	struct tcp_conn *client, *server;
	const struct tcp_events *server_events;
	bool refuse;
	size_t client_got, server_got, to_send, sent;
	uint64_t sum; /* of what the client got */
	bool client_ended, server_ended;
	enum kiln_error client_closed, server_closed;
};

static bool accepted(struct tcp_conn *conn, void *context)
{
	struct ends *ends = context;

	if (ends->refuse)
		return false;
	ends->server = conn;
	tcp_own(conn, ends->server_events, ends);
	return true;
}

/* A listener on a free port and a connection to it. */
static void connect_ends(struct ends *ends, struct kiln *k,
                         const struct tcp_events *client_events,
                         const struct tcp_events *server_events)
{
	struct endpoint to = {ip_from4(ip4_of(0x7f000001)), 0};

	*ends =
	    (struct ends){.k = k, .server_events = server_events, .refuse = ends->refuse};
	ends->tcp = tcp_new(net_up(k, &net0));
	assert_int_equal(tcp_listen(ends->tcp, 0, accepted, ends, &ends->listener),
	                 KILN_OK);
	to.port = tcp_listener_port(ends->listener);
	assert_int_not_equal(to.port, 0);
	assert_int_equal(tcp_connect(ends->tcp, &to, client_events, ends, &ends->client),
	                 KILN_OK);
	assert_false(tcp_can_send(ends->client));
}

static void client_closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	struct ends *ends = user;

	assert_ptr_equal(conn, ends->client);
	ends->client_closed = why;
	kiln_stop(ends->k);
}

static void server_closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	struct ends *ends = user;

	assert_ptr_equal(conn, ends->server);
	ends->server_closed = why;
	kiln_stop(ends->k);
}

/* Takes everything in pieces of at most 1000 bytes, as a picky reader would. */
static void client_takes(struct tcp_conn *conn, void *user)
{
	struct ends *ends = user;
	struct slice bytes;

	while ((bytes = tcp_peek(conn)).len) {
		bytes = slice_take(bytes, 1000);
		for (size_t i = 0; i < bytes.len; i++)
			ends->sum += (ends->client_got + i) % 251 * bytes.data[i];
		ends->client_got += bytes.len;
		tcp_consume(conn, bytes.len);
	}
	if (tcp_at_end(conn) && !ends->client_ended) {
		ends->client_ended = true;
		tcp_close(conn);
		kiln_stop(ends->k);
	}
}

static void nothing(struct tcp_conn *conn, void *user)
{
}

static const struct tcp_events client_quiet = {nothing, client_closed};
static const struct tcp_events server_quiet = {nothing, server_closed};
static const struct tcp_events client_taker = {client_takes, client_closed};

/* ---- TCP ---- */

static int connect_to_nobody(struct kiln *k)
{
	struct ends ends = {.refuse = false};
	struct endpoint to = {ip_from4(ip4_of(0x7f000001)), 0};

	connect_ends(&ends, k, &client_quiet, &server_quiet);
	tcp_abort(ends.client);
	to.port = tcp_listener_port(ends.listener);
	tcp_unlisten(ends.listener);
	assert_int_equal(tcp_connect(ends.tcp, &to, &client_quiet, &ends, &ends.client),
	                 KILN_OK);
	kiln_run(k);
	assert_int_equal(ends.client_closed, KILN_ERR_REFUSED);
	return 0;
}

static void refused_connection_is_told(void **state)
{
	assert_int_equal(run(connect_to_nobody, NULL), 0);
}

static int refuse_client(struct kiln *k)
{
	struct ends ends = {.refuse = true};
	struct tcp_counters counters;

	connect_ends(&ends, k, &client_quiet, &server_quiet);
	kiln_run(k);
	assert_int_equal(ends.client_closed, KILN_ERR_RESET);
	tcp_counters(ends.tcp, &counters);
	assert_int_equal(counters.refused, 1);
	assert_int_equal(counters.conns, 0);
	return 0;
}

static void unwanted_connection_is_reset(void **state)
{
	assert_int_equal(run(refuse_client, NULL), 0);
}

static void send_two_references(struct tcp_conn *conn, void *user)
{
	struct ends *ends = user;

	assert_true(tcp_can_send(conn));
	assert_int_equal(tcp_send(conn, SLICE("begin ")), 6);
	for (int i = 0; i < 2; i++)
		assert_true(tcp_send_static(conn, slice_of(content, sizeof(content))));
	assert_int_equal(tcp_send(conn, SLICE(" end")), 4);
	ends->sent = 2 * sizeof(content) + 10;
	tcp_close(conn); /* what is queued is still delivered */
}

static uint64_t weighted(const char *text, size_t at)
{
	uint64_t sum = 0;

	for (size_t i = 0; text[i]; i++)
		sum += (at + i) % 251 * (uint8_t)text[i];
	return sum;
}

static bool accepted_and_sent(struct tcp_conn *conn, void *context)
{
	send_two_references(conn, context);
	return true;
}

static int receive_references(struct kiln *k)
{
	struct ends ends = {.k = k};
	struct endpoint to = {ip_from4(ip4_of(0x7f000001)), 0};

	ends.tcp = tcp_new(net_up(k, &net0));
	assert_int_equal(
	    tcp_listen(ends.tcp, 0, accepted_and_sent, &ends, &ends.listener), KILN_OK);
	to.port = tcp_listener_port(ends.listener);
	assert_int_equal(tcp_connect(ends.tcp, &to, &client_taker, &ends, &ends.client),
	                 KILN_OK);
	kiln_run(k);
	assert_true(ends.client_ended);
	assert_int_equal(ends.client_got, ends.sent);
	assert_int_equal(ends.sum,
	                 weighted("begin ", 0) + weighted(" end", ends.sent - 4));
	return 0;
}

static void what_is_queued_is_delivered_after_close(void **state)
{
	assert_int_equal(run(receive_references, NULL), 0);
}

/* Sends to_send bytes as room allows, then a FIN, and goes on reading. */
static void server_pushes(struct tcp_conn *conn, void *user)
{
	struct ends *ends = user;
	size_t taken;

	while (ends->sent < ends->to_send) {
		taken =
		    tcp_send(conn, slice_of(content, KILN_MIN(ends->to_send - ends->sent,
		                                              (size_t)30000)));
		if (taken == 0) {
			assert_int_equal(tcp_send_room(conn), 0);
			return;
		}
		ends->sent += taken;
	}
	if (tcp_can_send(conn))
		tcp_shutdown(conn);
	tcp_consume(conn, tcp_unread(conn));
}

static const struct tcp_events server_pusher = {server_pushes, server_closed};

static int push_many_bytes(struct kiln *k)
{
	struct ends ends = {.refuse = false};

	connect_ends(&ends, k, &client_taker, &server_pusher);
	ends.to_send = 20000000;
	while (!ends.server)
		loop_step(&k->loop, KILN_NEVER);
	tcp_set_receive_limit(ends.client, 5000);
	tcp_wake(ends.server);
	kiln_run(k);
	assert_int_equal(ends.client_got, 20000000);
	return 0;
}

static void sender_is_told_when_there_is_room(void **state)
{
	assert_int_equal(run(push_many_bytes, NULL), 0);
}

/* The client ends its side first; the server notices, and answers then. */
static void answer_at_end(struct tcp_conn *conn, void *user)
{
	struct ends *ends = user;

	ends->server_got += tcp_unread(conn);
	tcp_consume(conn, tcp_unread(conn));
	if (!tcp_at_end(conn) || ends->server_ended)
		return;
	ends->server_ended = true;
	assert_string_equal(tcp_state_text(conn), "CLOSE-WAIT");
	assert_int_equal(tcp_send(conn, SLICE("all of it")), 9);
	tcp_close(conn);
}

static void ask_once(struct tcp_conn *conn, void *user)
{
	struct ends *ends = user;

	if (!ends->sent && tcp_can_send(conn)) {
		ends->sent = tcp_send(conn, SLICE("question"));
		tcp_shutdown(conn);
		assert_false(tcp_can_send(conn));
		assert_int_equal(tcp_send(conn, SLICE("more")), 0);
	}
	client_takes(conn, user);
}

static int half_close(struct kiln *k)
{
	static const struct tcp_events client = {ask_once, client_closed};
	static const struct tcp_events server = {answer_at_end, server_closed};
	struct ends ends = {.refuse = false};

	connect_ends(&ends, k, &client, &server);
	kiln_run(k);
	assert_int_equal(ends.server_got, 8);
	assert_int_equal(ends.client_got, 9);
	assert_true(ends.client_ended);
	return 0;
}

static void each_side_closes_by_itself(void **state)
{
	assert_int_equal(run(half_close, NULL), 0);
}

static int abort_connection(struct kiln *k)
{
	struct ends ends = {.refuse = false};

	connect_ends(&ends, k, &client_quiet, &server_quiet);
	while (!ends.server)
		loop_step(&k->loop, KILN_NEVER);
	tcp_abort(ends.client);
	kiln_run(k);
	assert_int_equal(ends.server_closed, KILN_ERR_RESET);
	return 0;
}

static void abort_resets_the_peer(void **state)
{
	assert_int_equal(run(abort_connection, NULL), 0);
}

static void close_without_reading(struct tcp_conn *conn, void *user)
{
	if (tcp_unread(conn))
		tcp_close(conn);
}

static int close_on_unread(struct kiln *k)
{
	static const struct tcp_events server = {close_without_reading, server_closed};
	struct ends ends = {.refuse = false};

	connect_ends(&ends, k, &client_quiet, &server);
	while (!tcp_can_send(ends.client))
		loop_step(&k->loop, KILN_NEVER);
	assert_int_equal(tcp_send(ends.client, SLICE("not wanted")), 10);
	kiln_run(k);
	assert_int_equal(ends.client_closed, KILN_ERR_RESET);
	return 0;
}

static void close_with_unread_bytes_resets(void **state)
{
	assert_int_equal(run(close_on_unread, NULL), 0);
}

/* Consumes nothing before the fifth byte is there. */
static void wait_for_five(struct tcp_conn *conn, void *user)
{
	struct ends *ends = user;

	if (tcp_unread(conn) < 5)
		return;
	assert_int_equal(tcp_peek(conn).len, 5);
	assert_memory_equal(tcp_peek(conn).data, "12345", 5);
	ends->server_got = 5;
	tcp_consume(conn, 5);
	kiln_stop(ends->k);
}

static int keep_unread_bytes(struct kiln *k)
{
	static const struct tcp_events server = {wait_for_five, server_closed};
	struct ends ends = {.refuse = false};

	connect_ends(&ends, k, &client_quiet, &server);
	while (!ends.server || !tcp_can_send(ends.client))
		loop_step(&k->loop, KILN_NEVER);
	for (const char *at = "1234"; *at; at++) {
		assert_int_equal(tcp_send(ends.client, slice_of(at, 1)), 1);
		while (tcp_unread(ends.server) < (size_t)(*at - '0'))
			loop_step(&k->loop, KILN_NEVER);
	}
	assert_int_equal(tcp_send(ends.client, SLICE("5")), 1);
	kiln_run(k);
	assert_int_equal(ends.server_got, 5);
	return 0;
}

static void bytes_not_consumed_are_kept(void **state)
{
	assert_int_equal(run(keep_unread_bytes, NULL), 0);
}

static int listen_twice(struct kiln *k)
{
	struct ends ends = {.refuse = false};
	struct tcp_listener *second;

	connect_ends(&ends, k, &client_quiet, &server_quiet);
	assert_int_equal(tcp_listen(ends.tcp, tcp_listener_port(ends.listener), accepted,
	                            &ends, &second),
	                 KILN_ERR_IN_USE);
	return 0;
}

static void port_in_use_is_an_error(void **state)
{
	assert_int_equal(run(listen_twice, NULL), 0);
}

/* ---- UDP ---- */

struct datagrams {
	struct kiln *k;
	unsigned count;
	size_t bytes;
	struct endpoint from;
};

static void count_datagram(struct udp_socket *socket, const struct udp_datagram *datagram,
                           void *context)
{
	struct datagrams *seen = context;

	assert_int_equal(ip4_value(ip_to4(&datagram->to.addr)), 0x7f000001);
	assert_int_equal(datagram->to.port, udp_port(socket));
	seen->count++;
	seen->bytes += datagram->payload.len;
	seen->from = datagram->from;
	if (seen->count == 3)
		kiln_stop(seen->k);
}

static int send_datagrams(struct kiln *k)
{
	struct datagrams in = {.k = k}, out = {.k = k};
	struct udp *udp = udp_new(net_up(k, &net0));
	struct udp_socket *a, *b;
	struct endpoint to = {ip_from4(ip4_of(0x7f000001)), 0};

	assert_int_equal(udp_bind(udp, 0, count_datagram, &out, &a), KILN_OK);
	assert_int_equal(udp_bind(udp, 0, count_datagram, &in, &b), KILN_OK);
	to.port = udp_port(b);
	assert_int_equal(udp_send(a, &to, SLICE("")), KILN_OK);
	assert_int_equal(udp_send(a, &to, SLICE("one")), KILN_OK);
	assert_int_equal(udp_send(a, &to, slice_of(content, 65507)), KILN_OK);
	assert_int_equal(udp_send(a, &to, slice_of(content, 65508)), KILN_ERR_TOO_LARGE);
	kiln_run(k);
	assert_int_equal(in.bytes, 65510);
	assert_int_equal(in.from.port, udp_port(a));
	assert_int_equal(out.count, 0);
	udp_close(a);
	return 0;
}

static void datagrams_arrive_whole(void **state)
{
	assert_int_equal(run(send_datagrams, NULL), 0);
}

/* ---- two families ---- */

#define LOOPBACK4 ip_from4(ip4_of(0x7f000001))
static const struct ip_addr loopback6 = {{[15] = 1}};

/* What became of a connection to an address: see try_address. */
struct attempt {
	struct kiln *k;
	struct endpoint client_local, client_remote, server_local, server_remote;
	unsigned ready; /* ends */
	enum kiln_error failed;
};

static void attempt_ready(struct tcp_conn *conn, void *user)
{
	struct attempt *attempt = user;

	attempt->client_local = tcp_local(conn);
	attempt->client_remote = tcp_remote(conn);
	if (++attempt->ready == 2)
		kiln_stop(attempt->k);
}

static void attempt_closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	struct attempt *attempt = user;

	attempt->failed = why;
	kiln_stop(attempt->k);
}

static bool attempt_accepted(struct tcp_conn *conn, void *context)
{
	static const struct tcp_events quiet = {nothing, NULL};
	struct attempt *attempt = context;

	attempt->server_local = tcp_local(conn);
	attempt->server_remote = tcp_remote(conn);
	tcp_own(conn, &quiet, attempt);
	if (++attempt->ready == 2)
		kiln_stop(attempt->k);
	return true;
}

static struct attempt attempt;
static struct ip_addr attempt_address;

/* Listens, and connects to the port at attempt_address. */
static int try_address(struct kiln *k)
{
	static const struct tcp_events events = {attempt_ready, attempt_closed};
	struct tcp *tcp = tcp_new(net_up(k, &net0));
	struct endpoint to = {attempt_address, 0};
	struct tcp_listener *listener;
	struct tcp_conn *conn;

	attempt = (struct attempt){.k = k};
	assert_int_equal(tcp_listen(tcp, 0, attempt_accepted, &attempt, &listener),
	                 KILN_OK);
	to.port = tcp_listener_port(listener);
	assert_int_not_equal(to.port, 0);
	attempt.failed = tcp_connect(tcp, &to, &events, &attempt, &conn);
	if (attempt.failed == KILN_OK)
		kiln_run(k);
	return 0;
}

/* Whether the address is reached there, by the addresses that it should be. */
static bool reaches(struct ip_addr address, const char *option)
{
	attempt_address = address;
	assert_int_equal(run_with(try_address, option, NULL), 0);
	if (attempt.failed != KILN_OK)
		return false;
	assert_true(ip_equal(&attempt.client_remote.addr, &address));
	assert_true(ip_equal(&attempt.server_local.addr, &address));
	assert_true(ip_equal(&attempt.client_local.addr, &attempt.server_remote.addr));
	assert_int_equal(attempt.client_local.port, attempt.server_remote.port);
	assert_int_equal(attempt.client_remote.port, attempt.server_local.port);
	return true;
}

static bool host_has_ip6(void)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6,
	                          .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	bool has = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

static void a_port_is_open_to_both_families(void **state)
{
	if (!host_has_ip6())
		skip();
	assert_true(reaches(LOOPBACK4, NULL));
	assert_true(reaches(loopback6, NULL));
	assert_true(reaches(LOOPBACK4, "bind=::"));
	assert_true(reaches(loopback6, "bind=::"));
}

static void bind_chooses_the_address_and_its_family(void **state)
{
	if (!host_has_ip6())
		skip();
	assert_true(reaches(LOOPBACK4, "bind=0.0.0.0"));
	assert_false(reaches(loopback6, "bind=0.0.0.0"));
	assert_true(reaches(loopback6, "bind=::1"));
	assert_true(ip_equal(&attempt.client_local.addr, &loopback6));
	assert_false(reaches(LOOPBACK4, "bind=::1"));
	assert_true(reaches(ip_from4(ip4_of(0x7f000002)), "bind=127.0.0.2"));
	assert_int_equal(ip4_value(ip_to4(&attempt.client_local.addr)), 0x7f000002);
}

/* From now on this process has a kernel without IPv6, as far as socket() tells. */
static void lose_ip6(void)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {KILN_COUNT_OF(code), code};

	assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void a_host_without_ipv6_serves_ipv4(void **state)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		lose_ip6();
		_exit(reaches(LOOPBACK4, NULL) && !reaches(loopback6, NULL) ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

struct family_datagrams {
	struct kiln *k;
	struct ip_addr address;
	uint16_t client_port;
	unsigned asked, answered;
};

static void answer_datagram(struct udp_socket *socket,
                            const struct udp_datagram *datagram, void *context)
{
	struct family_datagrams *d = context;

	assert_true(ip_equal(&datagram->to.addr, &d->address));
	assert_true(ip_equal(&datagram->from.addr, &d->address));
	assert_int_equal(datagram->from.port, d->client_port);
	d->asked++;
	assert_int_equal(udp_send(socket, &datagram->from, datagram->payload), KILN_OK);
}

static void take_answer(struct udp_socket *socket, const struct udp_datagram *datagram,
                        void *context)
{
	struct family_datagrams *d = context;

	assert_true(ip_equal(&datagram->from.addr, &d->address));
	assert_true(slice_equal(datagram->payload, SLICE("ping")));
	d->answered++;
	kiln_stop(d->k);
}

static int ask_by_datagram(struct kiln *k)
{
	struct family_datagrams d = {.k = k, .address = attempt_address};
	struct udp *udp = udp_new(net_up(k, &net0));
	struct udp_socket *server, *client;

	assert_int_equal(udp_bind(udp, 0, answer_datagram, &d, &server), KILN_OK);
	assert_int_equal(udp_bind(udp, 0, take_answer, &d, &client), KILN_OK);
	d.client_port = udp_port(client);
	struct endpoint to = {d.address, udp_port(server)};
	assert_int_equal(udp_send(client, &to, SLICE("ping")), KILN_OK);
	kiln_run(k);
	assert_int_equal(d.asked, 1);
	assert_int_equal(d.answered, 1);
	return 0;
}

/* A socket of IPv4 alone cannot. */
static int send_to_the_other_family(struct kiln *k)
{
	struct udp *udp = udp_new(net_up(k, &net0));
	struct endpoint to = {loopback6, 9};
	struct udp_socket *socket;

	assert_int_equal(udp_bind(udp, 0, take_answer, NULL, &socket), KILN_OK);
	assert_int_equal(udp_send(socket, &to, SLICE("")), KILN_ERR_UNREACHABLE);
	return 0;
}

static void datagrams_of_both_families_tell_where_they_were_sent(void **state)
{
	if (!host_has_ip6())
		skip();
	attempt_address = LOOPBACK4;
	assert_int_equal(run(ask_by_datagram, NULL), 0);
	assert_int_equal(run_with(ask_by_datagram, "bind=0.0.0.0", NULL), 0);
	attempt_address = loopback6;
	assert_int_equal(run(ask_by_datagram, NULL), 0);
	assert_int_equal(run_with(ask_by_datagram, "bind=::1", NULL), 0);
	assert_int_equal(run_with(send_to_the_other_family, "bind=0.0.0.0", NULL), 0);
}

/* ---- disks and signals ---- */

static int use_disk(struct kiln *k)
{
	uint8_t sector[BLOCK_SECTOR], read[2 * BLOCK_SECTOR];
	struct block *disk = block_open(k, &disk0);

	assert_int_equal(disk->sectors, 4);
	assert_false(disk->read_only);
	memset(sector, 7, sizeof(sector));
	assert_int_equal(block_write(disk, 3, sector, 1), KILN_OK);
	assert_int_equal(block_flush(disk), KILN_OK);
	assert_int_equal(block_read(disk, 2, read, 2), KILN_OK);
	assert_int_equal(read[0], 0);
	assert_memory_equal(read + BLOCK_SECTOR, sector, BLOCK_SECTOR);
	assert_int_equal(block_read(disk, 3, read, 2), KILN_ERR_INVALID);
	return 0;
}

static void disk_is_a_file(void **state)
{
	char path[] = "/tmp/kiln-host-XXXXXX";
	int fd = mkstemp(path);
	uint8_t last;

	assert_int_equal(ftruncate(fd, 4 * BLOCK_SECTOR), 0);
	assert_int_equal(run(use_disk, path), 0);
	assert_int_equal(pread(fd, &last, 1, 4 * BLOCK_SECTOR - 1), 1);
	assert_int_equal(last, 7);
	close(fd);
	unlink(path);
}

static int wait_for_signal(struct kiln *k)
{
	raise(SIGTERM);
	return kiln_run(k);
}

static void signal_stops_the_loop(void **state)
{
	assert_int_equal(run(wait_for_signal, NULL), 0);
	signal(SIGTERM, SIG_DFL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(refused_connection_is_told),
	    cmocka_unit_test(unwanted_connection_is_reset),
	    cmocka_unit_test(what_is_queued_is_delivered_after_close),
	    cmocka_unit_test(sender_is_told_when_there_is_room),
	    cmocka_unit_test(each_side_closes_by_itself),
	    cmocka_unit_test(abort_resets_the_peer),
	    cmocka_unit_test(close_with_unread_bytes_resets),
	    cmocka_unit_test(bytes_not_consumed_are_kept),
	    cmocka_unit_test(port_in_use_is_an_error),
	    cmocka_unit_test(datagrams_arrive_whole),
	    cmocka_unit_test(a_port_is_open_to_both_families),
	    cmocka_unit_test(bind_chooses_the_address_and_its_family),
	    cmocka_unit_test(a_host_without_ipv6_serves_ipv4),
	    cmocka_unit_test(datagrams_of_both_families_tell_where_they_were_sent),
	    cmocka_unit_test(disk_is_a_file),
	    cmocka_unit_test(signal_stops_the_loop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
