/*
 * See client.h. A request that fails is counted, and the next comes when its time has
 * come: a server that was cut off is asked again.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <kiln/bytes.h>
#include "client.h"

/* Not KILN_NET: clients have no manifest. */
static const struct kiln_device net0 = {KILN_DEVICE_NET, "net0"};

#define AFTER_FAILURE KILN_MS(100)

/* ---- what goes out, what comes back ---- */

/* Bytes to be echoed: each tells where it stands. */
static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at * 131 >> 3);
}

static uint64_t request_size(const struct client *client)
{
	switch (client->plan->task) {
	case SCENARIO_GET:
		return client->request.len;
	case SCENARIO_ECHO:
		return client->plan->size;
	default:
		return 0;
	}
}

static void send_more(struct client *client)
{
	uint64_t size = request_size(client);
	uint8_t bytes[1024];
	size_t taken = 1;

	while (client->sent < size && taken) {
		struct slice more = slice_skip(client->request, client->sent);

		if (client->plan->task == SCENARIO_ECHO) {
			more =
			    slice_of(bytes, KILN_MIN(sizeof(bytes), size - client->sent));
			for (size_t i = 0; i < more.len; i++)
				bytes[i] = pattern(client->sent + i);
		}
		taken = tcp_send(client->conn, more);
		client->sent += taken;
		if (client->sent == size && client->plan->task == SCENARIO_ECHO)
			tcp_shutdown(client->conn);
	}
}

/* The status and the length, of a head that is whole and ends with a NUL. */
static void read_head(struct client *client)
{
	static const char field[] = "\ncontent-length:";
	const char *at = client->head;

	client->head_read = true;
	client->length = UINT64_MAX;
	if (strncmp(at, "HTTP/1.", 7) == 0 && strlen(at) > 12)
		client->status = (unsigned)strtoul(at + 9, NULL, 10);
	while ((at = strchr(at, '\n'))) {
		if (strncasecmp(at, field, sizeof(field) - 1) == 0)
			client->length = strtoull(at + sizeof(field) - 1, NULL, 10);
		at++;
	}
}

/* What of the bytes belongs to the head; the rest is the body's. */
static size_t take_head(struct client *client, struct slice bytes)
{
	size_t before = client->head_size;
	size_t room = sizeof(client->head) - 1 - before;
	size_t more = KILN_MIN(bytes.len, room);
	const char *end;

	memcpy(client->head + before, bytes.data, more);
	client->head_size += more;
	client->head[client->head_size] = '\0';
	end = strstr(client->head, "\r\n\r\n");
	if (!end && more == room)
		client->head_read = true; /* too long: a wrong answer */
	if (!end)
		return bytes.len;
	read_head(client);
	return (size_t)(end + 4 - client->head) - before;
}

static void take(struct client *client, struct slice bytes)
{
	if (client->plan->task == SCENARIO_GET && !client->head_read)
		bytes = slice_skip(bytes, take_head(client, bytes));
	if (client->plan->task == SCENARIO_ECHO)
		for (size_t i = 0; i < bytes.len; i++)
			client->differs |= bytes.data[i] != pattern(client->received + i);
	client->received += bytes.len;
}

static bool is_right(const struct client *client)
{
	switch (client->plan->task) {
	case SCENARIO_GET:
		return client->status >= 200 && client->status < 400 &&
		       (client->length == UINT64_MAX ||
		        client->length == client->received);
	case SCENARIO_ECHO:
		return !client->differs && client->received == client->plan->size;
	default:
		return true;
	}
}

/* ---- one request after the other ---- */

static void finished(struct client *client, kiln_time pause)
{
	const struct scenario_clients *plan = client->plan;
	kiln_time now = kiln_now(client->kiln);
	kiln_time next =
	    plan->every ? client->first + client->made * plan->every : now + pause;

	client->conn = NULL;
	if (plan->times && client->made == plan->times) {
		client->tally->finished++;
		kiln_stop(client->kiln);
		return;
	}
	timer_set(&client->kiln->loop, &client->next, KILN_MAX(next, now));
}

static void failed(struct client *client, enum kiln_error why)
{
	tally_failed(client->tally, why);
	finished(client, AFTER_FAILURE);
}

static void ready(struct tcp_conn *conn, void *user)
{
	struct client *client = user;
	struct slice bytes;

	if (tcp_can_send(conn))
		send_more(client);
	while ((bytes = tcp_peek(conn)).len) {
		take(client, bytes);
		tcp_consume(conn, bytes.len);
	}
	if (!tcp_at_end(conn))
		return;
	tcp_close(conn);
	if (is_right(client))
		tally_good(client->tally, kiln_now(client->kiln) - client->began_at,
		           client->received);
	else
		tally_wrong(client->tally);
	finished(client, 0);
}

static void closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	failed(user, why);
}

static void begin(struct timer *timer)
{
	static const struct tcp_events events = {ready, closed};
	struct client *client = kiln_container(timer, struct client, next);
	enum kiln_error error;

	client->made++;
	client->began_at = kiln_now(client->kiln);
	client->sent = client->received = client->head_size = client->status = 0;
	client->head_read = client->differs = false;
	error =
	    tcp_connect(client->tcp, &client->plan->to, &events, client, &client->conn);
	if (error)
		failed(client, error);
}

int client_entry(struct kiln *k)
{
	struct client *client = sim_node_user(sim_node_of(k));
	bool four = ip_is4(&client->plan->to.addr);

	/* One family: what a thousand of them say to groups goes to a thousand. */
	client->kiln = k;
	client->tcp = tcp_new(four ? net_up_ip4(k, &net0) : net_up_ip6(k, &net0));
	timer_init(&client->next, begin);
	timer_set(&k->loop, &client->next, client->first);
	return kiln_run(k);
}
