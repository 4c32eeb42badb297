/*
 * TCP: the constructor, the table of flows, the life of a connection's struct, and the
 * work that is deferred to the end of the loop's iteration.
 *
 * All memory is carved here, at start: 11 of 16 parts that the image has left, or less if the
 * configuration says so, for chunks, a little for half-open connections, those in TIME-WAIT,
 * and records. Chunks hold bytes (queued and received) and connections, in slabs, with what
 * their owners keep of them. Connections may have a fifth of the chunks at any time, and more
 * while an eighth is free, so that memory follows the use, and neither takes all of it from the
 * other.
 *
 * See tcp_private.h for how the files divide the rest.
 */
#include "tcp_private.h"

KILN_LIBRARY(tcp, "0.1");

enum {
	CHUNKS_MIN = 20,
	CHUNKS_MAX = 1 << 20,
	CONNS_SHARE = 5, /* that part of the chunks is for connections, if they want it */
	BYTES_SHARE = 8, /* and that one for bytes */
	LIMIT_MIN = 16 << 10, /* of one connection's bytes, each way, to begin with */
	LIMIT_MAX = 64 << 10,
};

/* ---- the table ---- */

static struct tcp_flow **bucket(const struct tcp *tcp, const struct tcp_tuple *tuple)
{
	return &tcp->table[siphash(tcp->key, tuple, sizeof(*tuple)) & tcp->table_mask];
}

struct tcp_flow *tcp_flow_find(const struct tcp *tcp, const struct tcp_tuple *tuple)
{
	struct tcp_flow *flow = *bucket(tcp, tuple);

	while (flow && memcmp(&flow->tuple, tuple, sizeof(*tuple)) != 0)
		flow = flow->next;
	return flow;
}

void tcp_flow_insert(struct tcp *tcp, struct tcp_flow *flow)
{
	struct tcp_flow **head = bucket(tcp, &flow->tuple);

	flow->next = *head;
	*head = flow;
}

void tcp_flow_remove(struct tcp *tcp, struct tcp_flow *flow)
{
	struct tcp_flow **link = bucket(tcp, &flow->tuple);

	while (*link != flow)
		link = &(*link)->next;
	*link = flow->next;
}

/* ---- a connection's life ---- */

uint32_t tcp_path_mss(const struct tcp *tcp, const struct ip_addr *remote)
{
	uint32_t mtu = net_path_mtu(tcp->net, remote);

	return mtu > TCP_PATH_MSS_MIN + TCP_HEADER_SIZE ? mtu - TCP_HEADER_SIZE
	                                                : TCP_PATH_MSS_MIN;
}

uint16_t tcp_default_mss(const struct ip_addr *remote)
{
	return ip_is4(remote) ? TCP_MSS_DEFAULT : TCP_MSS_DEFAULT_IP6;
}

void tcp_set_mss(struct tcp_conn *conn, uint32_t path_mss)
{
	uint32_t peer = KILN_MAX(conn->mss_peer, TCP_MSS_MIN);

	path_mss = KILN_MIN(path_mss, conn->mtu.limit);
	conn->mss = (uint16_t)KILN_MIN(KILN_MIN(peer, path_mss), conn->mss_most);
	conn->smss =
	    (uint16_t)(conn->mss - (conn->has_timestamps ? TCP_TIMESTAMPS_SIZE : 0));
}

struct tcp_conn *tcp_conn_new(struct tcp *tcp, const struct tcp_tuple *tuple)
{
	struct tcp_conn *conn = slab_get(&tcp->conns);

	if (!conn)
		return NULL;
	memset(conn, 0, sizeof(*conn));
	conn->flow = (struct tcp_flow){NULL, TCP_FLOW_CONN, *tuple};
	conn->tcp = tcp;
	list_init(&conn->pending);
	list_init(&conn->link);
	conn->congestion = tcp->config.congestion;
	conn->nodelay = true;
	conn->rto = TCP_RTO_INITIAL;
	conn->user_timeout = TCP_USER_TIMEOUT;
	conn->receive_limit = tcp->receive_limit;
	conn->ts_offset = tcp_timestamp_offset(tcp, tuple);
	conn->heard_at = conn->progress_at = tcp_now(tcp);
	conn->mss_peer = tcp_default_mss(&tuple->remote);
	conn->mss_most = UINT16_MAX;
	tcp_mtu_init(conn);
	tcp_set_mss(conn, tcp_path_mss(tcp, &tuple->remote));
	tcp_repair_init(conn);
	tcp_timer_init(conn);
	tcp_flow_insert(tcp, &conn->flow);
	conn->hashed = true;
	tcp->count.conns++;
	tcp->count.conns_most = KILN_MAX(tcp->count.conns_most, tcp->count.conns);
	return conn;
}

struct tcp_handshake tcp_handshake_of(const struct tcp *tcp, const struct ip_addr *remote,
                                      const struct tcp_segment *syn, struct tcp_seq iss)
{
	const struct tcp_options *o = &syn->options;

	return (struct tcp_handshake){
	    .irs = syn->seq,
	    .iss = iss,
	    .ts_recent = o->ts_value,
	    .mss_peer = o->has_mss ? o->mss : tcp_default_mss(remote),
	    .snd_wscale = o->window_scale,
	    .has_window_scale = o->has_window_scale && !tcp->config.no_window_scaling,
	    .has_timestamps = o->has_timestamps && !tcp->config.no_timestamps,
	    .has_sack = o->sack_permitted && !tcp->config.no_sack,
	    .has_ecn = tcp_ecn_agreed(tcp, syn),
	};
}

void tcp_conn_settle(struct tcp_conn *conn, const struct tcp_handshake *hand)
{
	conn->iss = hand->iss;
	conn->irs = hand->irs;
	conn->snd_una = hand->iss;
	conn->snd_nxt = conn->snd_max = tcp_seq_add(hand->iss, 1);
	conn->rcv_nxt = conn->last_ack_sent = tcp_seq_add(hand->irs, 1);
	conn->rcv_adv =
	    tcp_seq_add(conn->rcv_nxt, KILN_MIN(conn->receive_limit, UINT16_MAX));
	conn->has_timestamps = hand->has_timestamps;
	conn->ts_recent = hand->ts_recent;
	conn->ts_recent_at = tcp_now(conn->tcp);
	conn->has_sack = hand->has_sack;
	conn->has_ecn = hand->has_ecn;
	if (hand->has_window_scale) {
		conn->snd_wscale = hand->snd_wscale;
		conn->rcv_wscale = conn->tcp->window_scale;
	}
	conn->mss_peer = hand->mss_peer;
	tcp_set_mss(conn, tcp_path_mss(conn->tcp, &conn->flow.tuple.remote));
	tcp_recovery_init(conn);
}

void tcp_conn_release(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;

	if (conn->released)
		return;
	conn->released = true;
	if (conn->fast_open)
		tcp->config.fast_open->done(conn, false);
	conn->state = TCP_CLOSED;
	conn->has_owner = false;
	if (conn->hashed)
		tcp_flow_remove(tcp, &conn->flow);
	conn->hashed = false;
	timer_cancel(tcp->loop, &conn->timer);
	tcp_queue_free(conn);
	tcp_flight_free(conn);
	tcp_repair_end(conn);
	tcp_receive_free(conn);
	tcp_orphan_remove(conn);
	list_remove(&conn->link);
	list_remove(&conn->pending);
	list_append(&tcp->dead, &conn->pending);
	loop_defer(tcp->loop, &tcp->work);
	tcp->count.conns--;
}

void tcp_conn_end(struct tcp_conn *conn, enum kiln_error why)
{
	const struct tcp_events *events = conn->has_owner ? conn->events : NULL;
	void *user = conn->user;

	conn->has_owner = false;
	conn->state = TCP_CLOSED;
	if (events) /* who may read what is left */
		events->closed(conn, user, why);
	tcp_conn_release(conn);
}

/* ---- connections without an owner ---- */

void tcp_orphan_add(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;

	list_remove(&conn->link);
	list_append(&tcp->orphans, &conn->link);
	conn->orphan = true;
	if (++tcp->orphan_count > tcp->orphans_most) {
		struct tcp_conn *oldest =
		    kiln_container(tcp->orphans.next, struct tcp_conn, link);

		tcp_send_rst(oldest);
		tcp_conn_release(oldest);
	}
}

void tcp_orphan_remove(struct tcp_conn *conn)
{
	if (!conn->orphan)
		return;
	conn->orphan = false;
	list_remove(&conn->link);
	conn->tcp->orphan_count--;
}

/* ---- deferred work ---- */

void tcp_pend(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;

	if (conn->released)
		return;
	if (!list_linked(&conn->pending))
		list_append(&tcp->pending, &conn->pending);
	loop_defer(tcp->loop, &tcp->work);
}

bool tcp_call_ready(struct tcp_conn *conn)
{
	if (conn->in_ready) {
		conn->wake = true;
		tcp_pend(conn);
		return true;
	}
	conn->wake = false;
	if (conn->has_owner) {
		conn->in_ready = true;
		conn->events->ready(conn, conn->user);
		conn->in_ready = false;
	}
	return !conn->released;
}

/* Owners that were refused a chunk try again once there is some room for them. */
static void wake_starved(struct tcp *tcp)
{
	uint32_t kept = tcp->chunk_reserve + tcp->chunk_reserve / 4;

	if (list_empty(&tcp->starved) || tcp_chunks_taken(tcp) + kept > tcp->chunks.count)
		return;
	list_each_safe (node, &tcp->starved) {
		struct tcp_conn *conn = kiln_container(node, struct tcp_conn, link);

		if (tcp_queue_room(conn) < TCP_WORTH_A_CALL)
			continue;
		list_remove(node);
		conn->wake = true;
		tcp_pend(conn);
	}
}

/*
 * The work of an iteration comes in two rounds: owners that are to be called are, and what
 * they wake (tasks) runs; then all connections with something to send do so. What was
 * written in answer so leaves in the segment that acknowledges the question.
 */
static void call_owners(struct loop_work *work)
{
	struct tcp *tcp = kiln_container(work, struct tcp, work);
	struct list batch, *node;

	list_init(&batch);
	list_splice(&batch, &tcp->pending);
	while ((node = list_pop(&batch))) {
		struct tcp_conn *conn = kiln_container(node, struct tcp_conn, pending);

		if ((!conn->wake || tcp_call_ready(conn)) && !list_linked(&conn->pending))
			list_append(&tcp->pending, &conn->pending);
	}
	loop_defer(tcp->loop, &tcp->flush);
}

static void flush(struct loop_work *work)
{
	struct tcp *tcp = kiln_container(work, struct tcp, flush);
	struct list batch, *node;

	list_init(&batch);
	list_splice(&batch, &tcp->pending);
	while ((node = list_pop(&batch))) {
		struct tcp_conn *conn = kiln_container(node, struct tcp_conn, pending);

		if (!tcp_output(conn)) {
			if (!list_linked(&conn->pending))
				list_prepend(&tcp->pending, &conn->pending);
			list_splice(&tcp->pending, &batch);
			timer_set(tcp->loop, &tcp->retry,
			          tcp_now(tcp) + TCP_DEVICE_RETRY);
			break;
		}
		if (conn->wake)
			tcp_pend(conn);
	}
	while ((node = list_pop(&tcp->dead)))
		slab_put(&tcp->conns, kiln_container(node, struct tcp_conn, pending));
	wake_starved(tcp);
}

static void retry_device(struct timer *timer)
{
	struct tcp *tcp = kiln_container(timer, struct tcp, retry);

	loop_defer(tcp->loop, &tcp->work);
}

/* ---- the constructor ---- */

static uint32_t clamp(size_t n, uint32_t least, uint32_t most)
{
	return n < least ? least : n > most ? most : (uint32_t)n;
}

/* As many buckets as there can be flows: finding one takes no longer for their number. */
static void make_table(struct tcp *tcp, struct kiln *k, uint32_t flows)
{
	uint32_t buckets = 64;

	while (buckets < flows)
		buckets *= 2;
	tcp->table = kiln_alloc(k, buckets * sizeof(tcp->table[0]), "TCP's table");
	tcp->table_mask = buckets - 1;
}

static void carve(struct tcp *tcp, struct kiln *k)
{
	size_t most = arena_left(&k->arena) / 16 * 11;
	size_t memory = tcp->config.memory ? KILN_MIN(tcp->config.memory, most) : most;
	uint32_t chunks = clamp(memory / CHUNK_TOTAL, CHUNKS_MIN, CHUNKS_MAX);
	uint32_t halves = clamp(chunks / 8, 16, 8192);
	uint32_t time_waits = clamp(chunks / 2, 64, 32768);

	pool_init(&tcp->chunks, k, sizeof(struct chunk), chunks,
	          "TCP's connections and bytes");
	tcp->conn_share = (struct slab_share){
	    .chunks = &tcp->chunks,
	    .least = chunks / CONNS_SHARE,
	    .leave = chunks / BYTES_SHARE,
	};
	slab_pool_init(&tcp->conns, &tcp->conn_share, sizeof(struct tcp_conn));
	tcp->repair_share = (struct slab_share){.chunks = &tcp->chunks};
	slab_pool_init(&tcp->repairs, &tcp->repair_share, sizeof(struct tcp_repair));
	pool_init(&tcp->pieces, k, sizeof(struct tcp_piece), chunks, "TCP's send queues");
	pool_init(&tcp->sents, k, sizeof(struct tcp_sent), chunks,
	          "what TCP has in flight");
	pool_init(&tcp->halves, k, sizeof(struct tcp_half), halves,
	          "half-open connections");
	pool_init(&tcp->time_waits, k, sizeof(struct tcp_time_wait), time_waits,
	          "TIME-WAIT");
	make_table(tcp, k, chunks * tcp->conns.each + halves + time_waits);
	tcp->chunk_reserve = clamp(chunks / (2 * BYTES_SHARE), 2, CHUNKS_MAX);
	tcp->orphans_most = (chunks - tcp->conn_share.leave) * tcp->conns.each / 2;
	tcp->receive_limit = clamp((size_t)chunks * CHUNK_SIZE / 8, LIMIT_MIN, LIMIT_MAX);
	tcp->send_limit = tcp->receive_limit / CHUNK_SIZE * CHUNK_SIZE;
	tcp->limit_most = (uint32_t)KILN_MIN((uint64_t)chunks * CHUNK_SIZE / TCP_SHARE,
	                                     (uint64_t)TCP_WINDOW_MAX / 2);
	/* Enough for a receive limit that an owner raises to all there is. */
	while (tcp->window_scale < TCP_WINDOW_SCALE_MAX &&
	       (uint64_t)UINT16_MAX << tcp->window_scale < (uint64_t)chunks * CHUNK_SIZE)
		tcp->window_scale++;
}

struct tcp *tcp_new(struct net *net)
{
	static const struct tcp_config defaults;

	return tcp_new_with(net, &defaults);
}

struct tcp *tcp_new_with(struct net *net, const struct tcp_config *config)
{
	struct kiln *k = net_kiln(net);
	struct tcp *tcp = kiln_alloc(k, sizeof(*tcp), "TCP");

	tcp->net = net;
	tcp->config = *config;
	if (!config->congestion)
		tcp->config.congestion = &tcp_cubic;
	tcp->kiln = k;
	tcp->loop = &k->loop;
	random_bytes(&k->random, tcp->key, sizeof(tcp->key));
	random_bytes(&k->random, tcp->fast_open_key, sizeof(tcp->fast_open_key));
	carve(tcp, k);
	list_init(&tcp->pending);
	list_init(&tcp->dead);
	list_init(&tcp->starved);
	list_init(&tcp->orphans);
	loop_work_init(&tcp->work, call_owners);
	loop_work_init(&tcp->flush, flush);
	timer_init(&tcp->retry, retry_device);
	tcp_half_init(tcp);
	tcp_time_wait_init(tcp);
	tcp->count.conn_bytes = tcp->conns.size;
	net_register(net, IP_PROTO_TCP,
	             &(struct net_transport){tcp_input, tcp_icmp_error, tcp});
	return tcp;
}
