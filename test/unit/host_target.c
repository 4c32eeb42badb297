/*
 * The host target: its datagrams, its two families, disks and signals, and what it reads of
 * this machine's configuration.
 */
#include "host_play.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <kiln/dns.h>
#include <kiln/udp.h>

KILN_BLOCK(disk0, "a file");

/* ---- UDP ---- */

static const uint8_t too_large[65507 + 1]; /* by one byte, over IPv4 */

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
	assert_int_equal(udp_send(a, &to, slice_of(too_large, 65507)), KILN_OK);
	assert_int_equal(udp_send(a, &to, slice_of(too_large, sizeof(too_large))),
	                 KILN_ERR_TOO_LARGE);
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

static void echo_datagram(struct udp_socket *socket, const struct udp_datagram *datagram,
                          void *context)
{
	assert_int_equal(udp_answer(socket, datagram, datagram->payload), KILN_OK);
}

static void note_datagram(struct udp_socket *socket, const struct udp_datagram *datagram,
                          void *context)
{
	struct datagrams *seen = context;

	seen->from = datagram->from;
	kiln_stop(seen->k);
}

static int ask_another_address(struct kiln *k)
{
	struct datagrams seen = {.k = k};
	struct udp *udp = udp_new(net_up(k, &net0));
	struct udp_socket *server, *client;
	struct endpoint to = {ip_from4(ip4_of(0x7f000102)), 0};

	assert_int_equal(udp_bind(udp, 0, echo_datagram, NULL, &server), KILN_OK);
	assert_int_equal(udp_bind(udp, 0, note_datagram, &seen, &client), KILN_OK);
	to.port = udp_port(server);
	assert_int_equal(udp_send(client, &to, SLICE("?")), KILN_OK);
	kiln_run(k);
	assert_true(ip_equal(&seen.from.addr, &to.addr));
	return 0;
}

static void an_answer_comes_from_where_its_question_went(void **state)
{
	assert_int_equal(run(ask_another_address, NULL), 0); /* by IPv6's socket */
	assert_int_equal(run_with(ask_another_address, "bind=0.0.0.0", NULL), 0);
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

static void nothing(struct tcp_conn *conn, void *user)
{
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

/* ---- the resolver's configuration ---- */

/* In a child, whose /etc has nothing but a resolv.conf of that text. */
static void with_resolv_conf(const char *text, void (*look)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		int spaces = CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0);
		if (unshare(spaces) ||
		    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("none", "/etc", "tmpfs", 0, NULL))
			_exit(2);
		FILE *file = fopen("/etc/resolv.conf", "w");
		if (!text)
			unlink("/etc/resolv.conf");
		else if (!file || fputs(text, file) < 0)
			_exit(3);
		if (file)
			fclose(file);
		look();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* Assertions of a child's: a failed one of cmocka's would go on in the parent's code. */
static void must(bool good, int line)
{
	if (good)
		return;
	fprintf(stderr, "host_target.c:%d does not hold\n", line);
	_exit(1);
}
#define MUST(good) must(good, __LINE__)

static void look_at_all(void)
{
	struct ip_addr servers[4], v6;
	struct dns_name domains[4], expected;

	MUST(net_dns_servers(NULL, servers, 4) == 3);
	MUST(ip4_value(ip_to4(&servers[0])) == 0xc0000201);
	MUST(ip6_parse(SLICE("2001:db8::53"), &v6) && ip_equal(&servers[1], &v6));
	MUST(ip4_value(ip_to4(&servers[2])) == 0x0a000001);
	MUST(net_dns_servers(NULL, servers, 1) == 1);
	MUST(net_search_domains(NULL, domains, 4) == 2);
	MUST(dns_name_parse(SLICE("a.test"), &expected));
	MUST(dns_name_equal(&domains[0], &expected));
	MUST(dns_name_parse(SLICE("b.example"), &expected));
	MUST(dns_name_equal(&domains[1], &expected));
	MUST(net_search_domains(NULL, domains, 1) == 1);
}

static void look_at_none(void)
{
	struct ip_addr servers[4];
	struct dns_name domains[4];

	MUST(net_dns_servers(NULL, servers, 4) == 0);
	MUST(net_search_domains(NULL, domains, 4) == 0);
	MUST(net_ntp_servers(NULL, servers, 4) == 0);
}

static void the_hosts_servers_and_domains_are_those_of_resolv_conf(void **state)
{
	with_resolv_conf("# comment\n; another\nnameserver 192.0.2.1\n"
	                 "nameserver\t2001:db8::53\nnameserver fe80::1%eth0\n"
	                 "nameserver not-an-address\nnameserver 10.0.0.1 10.0.0.9\n"
	                 "nameservers 10.0.0.2\noptions edns0\n"
	                 "search a.test  b..bad b.example\n",
	                 look_at_all);
	with_resolv_conf("", look_at_none);
	with_resolv_conf("nameserver\nsearch\n\n nameserver", look_at_none);
	with_resolv_conf(NULL, look_at_none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(datagrams_arrive_whole),
	    cmocka_unit_test(an_answer_comes_from_where_its_question_went),
	    cmocka_unit_test(a_port_is_open_to_both_families),
	    cmocka_unit_test(bind_chooses_the_address_and_its_family),
	    cmocka_unit_test(a_host_without_ipv6_serves_ipv4),
	    cmocka_unit_test(datagrams_of_both_families_tell_where_they_were_sent),
	    cmocka_unit_test(disk_is_a_file),
	    cmocka_unit_test(signal_stops_the_loop),
	    cmocka_unit_test(the_hosts_servers_and_domains_are_those_of_resolv_conf),
	};

	return cmocka_run_group_tests_name("the host target", tests, NULL, NULL);
}
