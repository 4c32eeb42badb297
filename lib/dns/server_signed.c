/*
 * Queries with a signature (RFC 8945, 5): the query is verified, answered as if it had come
 * without, and the answer is signed.
 */
#include "server_private.h"

/* The query as it was before it was signed, in the room for it. */
static struct slice strip(struct slice query, size_t at, uint8_t *room)
{
	struct writer w;
	struct cursor c = cursor_of(query);

	memcpy(room, query.data, at);
	cursor_skip(&c, DNS_HEADER_SIZE - 2);
	w = writer_of(room + DNS_HEADER_SIZE - 2, 2);
	writer_u16(&w, (uint16_t)(cursor_u16(&c) - 1));
	return slice_of(room, at);
}

/* What the peer takes by UDP, and this server sends. */
static size_t most_by_udp(const struct dns_server *s, struct slice query)
{
	struct dns_record record;
	struct dns_reader r;
	struct dns_opt opt;

	if (!dns_read(&r, query))
		return DNS_UDP_SIZE;
	while (dns_read_record(&r, &record)) {
		if (record.type == DNS_OPT && dns_data_opt(&record, &opt))
			return KILN_MIN(opt.udp_size, server_udp_size(s));
	}
	return DNS_UDP_SIZE;
}

static size_t answer_verified(struct dns_server *s, const struct server_query *q,
                              size_t room, uint8_t *buffer, size_t size,
                              struct dns_answered *what)
{
	size_t most = q->conn ? size : most_by_udp(s, q->bytes);
	struct dns_peer peer = server_peer(q);
	size_t len = server_answer(s, q, buffer, size - room, what);

	if (len <= most && most - len >= room)
		return len;
	what->truncated = true;
	return len ? dns_answer_truncated(&s->answerer, &peer, q->bytes, buffer, size)
	           : 0;
}

static size_t take_signed(struct dns_server *s, const struct server_query *given,
                          uint8_t *buffer, size_t size, struct dns_answered *what)
{
	struct server_query q = *given;
	struct dns_tsig_exchange x;
	struct dns_tsig tsig;
	uint8_t room[SERVER_QUERY];
	size_t len;

	if (q.bytes.len > sizeof(room) || !dns_tsig_read(q.bytes, &tsig) ||
	    tsig.at == q.bytes.len)
		return server_error(s, &q, DNS_RCODE_FORMAT, buffer, size, what);
	enum dns_tsig_error error =
	    dns_tsig_check_request(&x, s->keys, s->key_count, q.bytes, &tsig, q.now);
	s->counters.signed_good += error == DNS_TSIG_OK;
	s->counters.signed_bad += error != DNS_TSIG_OK;
	q.bytes = strip(q.bytes, tsig.at, room);
	if (error == DNS_TSIG_MALFORMED)
		return server_error(s, &q, DNS_RCODE_FORMAT, buffer, size, what);
	if (error) {
		len = server_error(s, &q, DNS_RCODE_NOT_AUTHORIZED, buffer, size, what);
	} else {
		q.tsig = &x;
		len = answer_verified(s, &q, dns_tsig_room(&x), buffer, size, what);
		/* It is a part of the room, which ends here. */
		if (what->name.len)
			what->name.data = given->bytes.data + (what->name.data - room);
	}
	return len ? dns_tsig_sign(&x, buffer, len, size, q.now).len : 0;
}

/* What may be shown of a key: what stands before its secret. */
static struct slice without_secret(struct slice text)
{
	struct slice rest = text;

	while (slice_find(rest, ':') < rest.len)
		rest = slice_skip(rest, slice_find(rest, ':') + 1);
	return slice_take(text, text.len - rest.len);
}

bool dns_server_keys(struct dns_server *server, struct slice keys,
                     struct dns_mistake *mistake)
{
	unsigned count = dns_server_list_count(keys);

	server->keys = kiln_alloc(server->kiln, count * sizeof(*server->keys), "keys");
	while (keys.len) {
		struct dns_tsig_key *key = &server->keys[server->key_count];
		struct slice text = server_list_next(&keys);

		if (!dns_tsig_key_parse(text, key))
			return server_mistake(
			    mistake, without_secret(text),
			    "is not hmac-sha1, -sha256, -sha384 or -sha512, a name, and "
			    "a secret in base64, with colons between them");
		for (unsigned i = 0; i < server->key_count; i++) {
			if (dns_name_equal(&server->keys[i].name, &key->name))
				return server_mistake(mistake, without_secret(text),
				                      "has the name of another key");
		}
		server->key_count++;
	}
	server->take_signed = take_signed;
	server->answerer.takes_signed = true;
	return true;
}
