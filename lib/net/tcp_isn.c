/*
 * Initial sequence numbers (RFC 6528) and timestamp offsets (RFC 7323, 5.4 and 7.1).
 *
 * Both are a clock plus a keyed hash: nobody who does not share the connection can guess
 * them, while for one peer they grow with time, so that old segments are told from new.
 */
#include "tcp_private.h"

/* Keeps the uses of the one key apart; hashed as bytes, so without padding. */
struct isn_input {
	struct tcp_tuple tuple;
	uint32_t use;
};
_Static_assert(sizeof(struct isn_input) == 40, "hashed as bytes");

enum { USE_ISN = 1, USE_TIMESTAMP = 2 };

struct tcp_seq tcp_isn(const struct tcp *tcp, const struct tcp_tuple *tuple)
{
	struct isn_input input = {*tuple, USE_ISN};
	uint64_t clock = tcp_now(tcp) / KILN_US(4);

	return tcp_seq_of((uint32_t)(clock + siphash(tcp->key, &input, sizeof(input))));
}

/* The same for all connections of a pair of hosts, so that a new one's timestamps are
 * beyond those of an old one in TIME-WAIT (RFC 6191). */
uint32_t tcp_timestamp_offset(const struct tcp *tcp, const struct tcp_tuple *tuple)
{
	struct isn_input input = {*tuple, USE_TIMESTAMP};

	input.tuple.remote_port = input.tuple.local_port = 0;
	return (uint32_t)siphash(tcp->key, &input, sizeof(input));
}

/* A tick is 1 ms. */
uint32_t tcp_timestamp_now(const struct tcp *tcp, uint32_t offset)
{
	return (uint32_t)(tcp_now(tcp) / KILN_MS(1)) + offset;
}

bool tcp_echo_is_older(const struct tcp_conn *conn, const struct tcp_news *news,
                       kiln_time at)
{
	uint32_t sent = (uint32_t)(at / KILN_MS(1)) + conn->ts_offset;

	return news->has_echo && tcp_timestamp_before(news->ts_echo, sent);
}
