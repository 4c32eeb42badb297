/*
 * kiln bench sim: how fast the simulator is, and how much a stack takes. One case a run:
 *
 *	transfer SECONDS    of virtual time of one TCP transfer over a link of 10 Mbit/s
 *	stacks COUNT        stacks side by side, each of which has something echoed once
 *	conns COUNT         connections to one stack, and what a request on one of them takes
 *
 * Prints figures as "name value" lines. Run by bench/sim.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <kiln/bytes.h>
#include <kiln/net.h>
#include <kiln/sim.h>
#include <kiln/tcp.h>

static const struct kiln_device net0 = {KILN_DEVICE_NET, "net0"};

enum { PORT = 7, STATION_MEMORY = 1 << 20, PER_LINK = 100 };

struct station {
	struct endpoint to; /* port 0: serves */
	struct kiln *kiln;
	struct tcp *tcp;
	struct tcp_conn *conn;
	struct timer start;
	kiln_time start_at;
	uint64_t received;
};

static double clock_seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Pages that are in memory, in bytes. */
static uint64_t resident(void)
{
	unsigned long long all = 0, in_memory = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (!file || fscanf(file, "%llu %llu", &all, &in_memory) != 2)
		in_memory = 0;
	if (file)
		fclose(file);
	return in_memory * (uint64_t)sysconf(_SC_PAGESIZE);
}

static struct ip_addr address(unsigned link, unsigned host)
{
	return ip_from4(ip4_of(10u << 24 | link << 8 | host));
}

static void closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	fprintf(stderr, "a connection was lost: %s\n", kiln_error_text(why));
	exit(1);
}

static struct sim_node *add_station(struct sim *sim, struct sim_link *link,
                                    struct station *station, size_t memory,
                                    unsigned number, unsigned host,
                                    int (*entry)(struct kiln *))
{
	char ip[64], gateway[64];
	const char *options[] = {ip, gateway, "log=error", NULL};
	struct sim_node *node;

	snprintf(ip, sizeof(ip), "ip=10.0.%u.%u/24", number, host);
	snprintf(gateway, sizeof(gateway), "gateway=10.0.%u.254", number);
	node = sim_node_new(sim, "station", memory, entry, options);
	sim_node_net(node, "net0", link);
	sim_node_set_user(node, station);
	return node;
}

/* ---- transfer ---- */

static uint8_t content[1 << 20];

static void send_on(struct tcp_conn *conn, void *user)
{
	while (tcp_can_send(conn) &&
	       tcp_send_static(conn, slice_of(content, sizeof(content))))
		;
}

static void receive_on(struct tcp_conn *conn, void *user)
{
	struct station *station = user;
	size_t unread = tcp_unread(conn);

	station->received += unread;
	tcp_consume(conn, unread);
}

static bool accept_receiver(struct tcp_conn *conn, void *user)
{
	static const struct tcp_events events = {receive_on, closed};

	tcp_own(conn, &events, user);
	return true;
}

static int transfer_entry(struct kiln *k)
{
	static const struct tcp_events events = {send_on, closed};
	struct station *station = sim_node_user(sim_node_of(k));
	struct tcp *tcp = tcp_new(net_up(k, &net0));
	struct tcp_listener *listener;
	enum kiln_error error;

	if (station->to.port)
		error = tcp_connect(tcp, &station->to, &events, station, &station->conn);
	else
		error = tcp_listen(tcp, PORT, accept_receiver, station, &listener);
	if (error)
		return 1;
	return kiln_run(k);
}

static int transfer(unsigned seconds)
{
	const struct sim_impairment slow = {
	    .rate = 10000000, .delay = KILN_MS(10), .queue = 50};
	struct sim *sim = sim_new(1);
	struct sim_link *link = sim_link_new(sim, &slow, 1500);
	struct station receiver = {0}, sender = {.to = {address(0, 1), PORT}};
	double real = clock_seconds(CLOCK_MONOTONIC);
	double cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
	struct sim_counters counters;

	add_station(sim, link, &receiver, 8 << 20, 0, 1, transfer_entry);
	add_station(sim, link, &sender, 8 << 20, 0, 2, transfer_entry);
	sim_run(sim, KILN_SECONDS(seconds));
	real = clock_seconds(CLOCK_MONOTONIC) - real;
	cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	sim_counters(sim, &counters);
	printf("virtual_s %u\nreal_s %.3f\ncpu_s %.3f\nmegabits_per_s %.2f\nframes %llu\n"
	       "events %llu\n",
	       seconds, real, cpu, (double)receiver.received * 8 / 1e6 / seconds,
	       (unsigned long long)counters.frames, (unsigned long long)counters.events);
	sim_free(sim);
	return receiver.received ? 0 : 1;
}

/* ---- stacks ---- */

static unsigned echoed;

static void echo_on(struct tcp_conn *conn, void *user)
{
	struct slice bytes;

	while ((bytes = tcp_peek(conn)).len) {
		size_t taken = tcp_send(conn, bytes);
		tcp_consume(conn, taken);
		if (!taken)
			return;
	}
	if (tcp_at_end(conn))
		tcp_close(conn);
}

static bool accept_echo(struct tcp_conn *conn, void *user)
{
	static const struct tcp_events events = {echo_on, closed};

	tcp_own(conn, &events, user);
	return true;
}

static void talk(struct tcp_conn *conn, void *user)
{
	struct station *station = user;
	size_t unread = tcp_unread(conn);

	if (tcp_can_send(conn)) {
		if (tcp_send(conn, slice_of(content, 1000)) != 1000)
			exit(1);
		tcp_shutdown(conn);
	}
	station->received += unread;
	tcp_consume(conn, unread);
	if (!tcp_at_end(conn))
		return;
	tcp_close(conn);
	echoed += station->received == 1000;
}

static void start(struct timer *timer)
{
	static const struct tcp_events events = {talk, closed};
	struct station *station = kiln_container(timer, struct station, start);

	if (tcp_connect(station->tcp, &station->to, &events, station, &station->conn))
		exit(1);
}

static int stack_entry(struct kiln *k)
{
	struct station *station = sim_node_user(sim_node_of(k));
	struct tcp_listener *listener;

	station->kiln = k;
	station->tcp = tcp_new(net_up(k, &net0));
	timer_init(&station->start, start);
	if (!station->to.port)
		return tcp_listen(station->tcp, PORT, accept_echo, NULL, &listener)
		           ? 1
		           : kiln_run(k);
	timer_set(&k->loop, &station->start, station->start_at);
	return kiln_run(k);
}

/* A hundred on each link, one of which serves the clients of the link before; a router
 * joins the links. */
static int stacks(unsigned count)
{
	const struct sim_impairment far = {.delay = KILN_MS(5)};
	unsigned links = (count + PER_LINK - 1) / PER_LINK;
	struct station *stations = calloc(count, sizeof(*stations));
	struct sim *sim = sim_new(1);
	struct sim_router *router = sim_router_new(sim);
	double real = clock_seconds(CLOCK_MONOTONIC);
	double cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
	uint64_t before = resident();
	struct sim_counters counters;
	struct sim_link *link = NULL;

	for (unsigned i = 0; i < count; i++) {
		unsigned number = i / PER_LINK, host = i % PER_LINK;
		struct ip_addr own = address(number, 254);

		if (host == 0) {
			link = sim_link_new(sim, &far, 1500);
			sim_router_join(router, link, &own, 24);
		} else {
			stations[i].to =
			    (struct endpoint){address((number + 1) % links, 1), PORT};
			stations[i].start_at = KILN_MS(i % 1000 + 1);
		}
		add_station(sim, link, &stations[i],
		            host ? STATION_MEMORY : 8 * STATION_MEMORY, number, host + 1,
		            stack_entry);
	}
	sim_run(sim, KILN_SECONDS(10));
	real = clock_seconds(CLOCK_MONOTONIC) - real;
	cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	sim_counters(sim, &counters);
	printf("stacks %u\nvirtual_s 10\nreal_s %.3f\ncpu_s %.3f\nbytes_per_stack %llu\n"
	       "served %u\nframes %llu\nevents %llu\n",
	       count, real, cpu, (unsigned long long)(resident() - before) / count,
	       echoed, (unsigned long long)counters.frames,
	       (unsigned long long)counters.events);
	return echoed == count - links ? 0 : 1;
}

/* ---- connections ---- */

enum {
	PER_CLIENT = 10000, /* of the 16,384 ports that it has */
	OPENING = 64,       /* of a client at once: fewer than the server has room for */
	FEW =
	    64, /* of a client's, with time between for each to have been acknowledged */
	REQUESTS = 200000, /* in each measurement, by all clients together */
	REQUEST_SIZE = 64,
	TRIES = 3, /* of which the quickest counts */
	CLIENT_MEMORY = 40 << 20,
	CONN_MEMORY = 2048, /* of the server's, for each: more than enough */
};

/* What all clients are to do, from the next second on. */
struct task_of_all {
	unsigned number;   /* changes with each */
	unsigned conns;    /* each opens so many in all, */
	unsigned among;    /* and makes its requests on the first so many, */
	unsigned requests; /* so many of them */
	unsigned done;     /* clients */
};

struct client {
	struct station station; /* first: stack_entry's */
	struct task_of_all *task;
	unsigned number; /* of the task it has begun */
	struct timer tick;
	struct tcp_conn **conns;
	unsigned begun, open, requests;
	uint32_t random;
};

static void client_ready(struct tcp_conn *conn, void *user);
static const struct tcp_events client_events = {client_ready, closed};

static void open_more(struct client *c)
{
	while (c->begun < c->task->conns && c->begun - c->open < OPENING) {
		if (tcp_connect(c->station.tcp, &c->station.to, &client_events, c,
		                &c->conns[c->begun]))
			exit(1);
		c->begun++;
	}
}

/* On any of them, by a generator that needs no more than to be without a pattern. */
static void ask(struct client *c)
{
	c->random = c->random * 1664525 + 1013904223;
	struct tcp_conn *conn = c->conns[(uint64_t)c->random * c->task->among >> 32];

	if (tcp_send(conn, slice_of(content, REQUEST_SIZE)) != REQUEST_SIZE)
		exit(1);
}

static void client_ready(struct tcp_conn *conn, void *user)
{
	struct client *c = user;
	size_t unread = tcp_unread(conn);

	if (!unread) { /* established */
		c->open++;
		open_more(c);
		c->task->done += c->open == c->task->conns;
		return;
	}
	tcp_consume(conn, unread);
	c->station.received += unread;
	if (c->station.received % REQUEST_SIZE)
		return;
	if (--c->requests > 0)
		ask(c);
	else
		c->task->done++;
}

static void tick(struct timer *timer)
{
	struct client *c = kiln_container(timer, struct client, tick);
	struct loop *loop = &c->station.kiln->loop;

	timer_set(loop, timer, loop->now + KILN_SECONDS(1));
	if (c->number == c->task->number)
		return;
	c->number = c->task->number;
	open_more(c);
	c->requests = c->task->requests;
	if (c->requests)
		ask(c);
}

static int client_entry(struct kiln *k)
{
	struct client *c = sim_node_user(sim_node_of(k));

	c->station.kiln = k;
	c->station.tcp = tcp_new(net_up(k, &net0));
	timer_init(&c->tick, tick);
	timer_set(&k->loop, &c->tick, KILN_SECONDS(1));
	return kiln_run(k);
}

/* Has the clients do it; the processor's seconds for that. */
static double perform(struct sim *sim, struct task_of_all *task, unsigned clients)
{
	double cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);

	task->number++;
	task->done = 0;
	while (task->done < clients)
		sim_run(sim, sim_now(sim) + KILN_SECONDS(1));
	return clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
}

/* us of the processor for a request and its answer, both ends, on some of a client's. */
static double request_us(struct sim *sim, struct task_of_all *task, unsigned clients,
                         unsigned among)
{
	double least = 1e9;

	task->among = among;
	task->requests = REQUESTS / clients;
	for (unsigned i = 0; i < TRIES; i++) {
		double cpu = perform(sim, task, clients);

		least = KILN_MIN(least, cpu * 1e6 / task->requests / clients);
	}
	task->requests = 0;
	return least;
}

static int conns(unsigned count)
{
	const struct sim_impairment near = {.delay = KILN_MS(1)};
	unsigned clients = (count + PER_CLIENT - 1) / PER_CLIENT;
	struct sim *sim = sim_new(1);
	struct sim_link *link = sim_link_new(sim, &near, 1500);
	struct station server = {0};
	struct client *all = calloc(clients, sizeof(*all));
	struct task_of_all task = {.conns = FEW};
	struct tcp_counters counters;
	double few, few_of_all, any, opening;

	add_station(sim, link, &server, (64u << 20) + (size_t)count * CONN_MEMORY, 0, 1,
	            stack_entry);
	for (unsigned i = 0; i < clients; i++) {
		all[i] = (struct client){
		    .station.to = {address(0, 1), PORT}, .task = &task, .random = i};
		all[i].conns = calloc(PER_CLIENT, sizeof(all[i].conns[0]));
		add_station(sim, link, &all[i].station, CLIENT_MEMORY, 0, i + 2,
		            client_entry);
	}
	perform(sim, &task, clients);
	few = request_us(sim, &task, clients, FEW);
	uint64_t before = resident();
	task.conns = count / clients;
	opening = perform(sim, &task, clients);
	uint64_t after = resident();
	few_of_all = request_us(sim, &task, clients, FEW);
	any = request_us(sim, &task, clients, task.conns);
	tcp_counters(server.tcp, &counters);
	printf("conns %u\nopening_cpu_s %.3f\nbytes_per_conn %llu\nconn_bytes %u\n"
	       "few %u\nrequest_us_few %.3f\nrequest_us_few_of_all %.3f\n"
	       "request_us_any %.3f\n",
	       counters.conns, opening,
	       (unsigned long long)(after - before) / 2 /
	           ((task.conns - FEW) * (uint64_t)clients),
	       counters.conn_bytes, FEW * clients, few, few_of_all, any);
	sim_free(sim);
	return counters.conns == task.conns * clients ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "transfer") == 0)
		return transfer((unsigned)atoi(argv[2]));
	if (argc == 3 && strcmp(argv[1], "stacks") == 0)
		return stacks((unsigned)atoi(argv[2]));
	if (argc == 3 && strcmp(argv[1], "conns") == 0)
		return conns((unsigned)atoi(argv[2]));
	fprintf(stderr, "usage: %s transfer SECONDS | stacks COUNT | conns COUNT\n",
	        argv[0]);
	return 2;
}
