/*
 * See peer.h. The appliance may take a while until it listens: a refused connection is
 * tried again, an established one that breaks is not.
 */
#include <kiln/bytes.h>
#include <kiln/sim.h>
#include <kiln/tcp.h>
#include "peer.h"

/* Not KILN_NET: the manifest is the appliance's. */
static const struct kiln_device peer0 = {KILN_DEVICE_NET, "peer0"};

#define RETRY_AFTER KILN_MS(20)

static void finish(struct peer *peer, enum kiln_error error)
{
	peer->done = true;
	peer->error = error;
	kiln_stop(peer->kiln);
}

static void ready(struct tcp_conn *conn, void *user)
{
	struct peer *peer = user;
	struct slice bytes;

	if (tcp_can_send(conn)) {
		peer->sent += tcp_send(conn, slice_skip(peer->input, peer->sent));
		if (peer->sent == peer->input.len)
			tcp_shutdown(conn);
	}
	while ((bytes = tcp_peek(conn)).len) {
		peer->output(peer->context, bytes);
		tcp_consume(conn, bytes.len);
	}
	if (tcp_at_end(conn)) {
		tcp_close(conn);
		finish(peer, KILN_OK);
	}
}

static void closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	struct peer *peer = user;

	peer->error = why;
	if (peer->sent == 0 && why != KILN_ERR_RESET)
		timer_set(&peer->kiln->loop, &peer->retry,
		          peer->kiln->loop.now + RETRY_AFTER);
	else
		finish(peer, why);
}

static void connect_to_appliance(struct peer *peer)
{
	static const struct tcp_events events = {ready, closed};

	peer->error = tcp_connect(peer->tcp, &peer->to, &events, peer, &peer->conn);
	if (peer->error)
		timer_set(&peer->kiln->loop, &peer->retry,
		          peer->kiln->loop.now + RETRY_AFTER);
	else
		peer->error = KILN_ERR_TIMEOUT; /* unless something happens */
}

static void retry_fired(struct timer *timer)
{
	connect_to_appliance(kiln_container(timer, struct peer, retry));
}

int peer_entry(struct kiln *k)
{
	struct peer *peer = sim_node_user(sim_node_of(k));

	peer->kiln = k;
	peer->tcp = tcp_new(net_up(k, &peer0));
	timer_init(&peer->retry, retry_fired);
	if (peer->to.port)
		connect_to_appliance(peer);
	return kiln_run(k);
}
