/*
 * Limits on the rate of answers that look alike. See struct dns_rate of <kiln/dns_server.h>.
 *
 * A table of fixed size, four entries a row: an entry is a balance of answers, in thousandths,
 * that grows by the rate up to one second's worth, and sinks by each answer down to `window`
 * seconds' worth. Below zero there is no answer. Where a row is full the entry that was used
 * longest ago gives way: a flood of invented addresses makes the limit forget, not the server
 * stop. The key of the hash is random, so that nobody can aim at a row.
 */
#include "server_private.h"

enum {
	WAYS = 4,
	ENTRIES = 16384,
	ANSWERS_MOST = 100000,
	SLIP = 2,
	WINDOW = 15,
	WINDOW_MOST = 60,
	ANSWER = 1000, /* of a balance */
	NETWORK4 = 3,  /* bytes of an address that are a network */
	NETWORK6 = 7,
};

struct entry {
	uint32_t tag; /* of the hash, never 0; 0: free */
	uint32_t at;  /* ms: when the balance was what it says */
	int64_t balance : 56;
	uint64_t slipped : 8;
};

struct server_limiter {
	struct dns_rate rate;
	uint8_t key[16];
	unsigned mask; /* rows - 1 */
	struct entry (*rows)[WAYS];
};

/* What makes answers alike: network, kind, type, name. Error messages are, whatever about. */
static uint64_t hash_of(const struct server_limiter *l, const struct server_query *q,
                        const struct dns_answered *what)
{
	uint8_t bytes[16 + 4 + DNS_NAME_SIZE];
	struct writer w = writer_of(bytes, sizeof(bytes));
	const struct ip_addr *from = &q->from.addr;
	bool error = what->kind == DNS_KIND_ERROR, whole = what->kind == DNS_KIND_ANSWER;

	if (ip_is4(from))
		writer_bytes(&w, slice_of(from->bytes + 12, NETWORK4));
	else
		writer_bytes(&w, slice_of(from->bytes, NETWORK6));
	writer_u8(&w, (uint8_t)what->kind);
	/* Only what is there has types that its answers differ by. */
	writer_u16(&w, whole ? what->type : 0);
	for (size_t i = 0; !error && i < what->name.len; i++)
		writer_u8(&w, byte_lower(what->name.data[i]));
	struct slice key = writer_done(&w);
	return siphash(l->key, key.data, key.len);
}

/* The entry, its balance as of now. */
static struct entry *find(struct server_limiter *l, uint64_t hash, uint32_t now)
{
	struct entry *row = l->rows[hash & l->mask], *found = &row[0];
	uint32_t tag = (uint32_t)(hash >> 32) | 1;
	int64_t most = (int64_t)l->rate.answers * ANSWER;

	for (unsigned i = 0; i < WAYS; i++) {
		if (row[i].tag == tag) {
			int64_t earned = (int64_t)(now - row[i].at) * l->rate.answers;

			row[i].balance = KILN_MIN(row[i].balance + earned, most);
			row[i].at = now;
			return &row[i];
		}
		if (found->tag && (row[i].tag == 0 || now - row[i].at > now - found->at))
			found = &row[i];
	}
	*found = (struct entry){.tag = tag, .at = now, .balance = most};
	return found;
}

static enum server_verdict rate(struct dns_server *s, const struct server_query *q,
                                const struct dns_answered *what)
{
	struct server_limiter *l = s->limiter;
	uint32_t now = (uint32_t)(s->kiln->loop.now / KILN_MS(1));
	int64_t least = -(int64_t)l->rate.window * l->rate.answers * ANSWER;

	if (what->cookie == DNS_COOKIE_GOOD) {
		s->counters.rate_exempt++;
		return SERVER_SEND;
	}
	struct entry *e = find(l, hash_of(l, q, what), now);
	e->balance = KILN_MAX(e->balance - ANSWER, least);
	if (e->balance >= 0)
		return SERVER_SEND;
	e->slipped = (e->slipped + 1u) % l->rate.slip;
	return e->slipped ? SERVER_DROP : SERVER_TRUNCATE;
}

static uint32_t clamp(uint32_t given, uint32_t usual, uint32_t most)
{
	return given ? KILN_MIN(given, most) : usual;
}

void dns_server_limit(struct dns_server *server, const struct dns_rate *given)
{
	struct server_limiter *l = kiln_alloc(server->kiln, sizeof(*l), "rate limits");
	unsigned rows = 1;

	l->rate.answers = clamp(given->answers, 1, ANSWERS_MOST);
	l->rate.slip = clamp(given->slip, SLIP, UINT8_MAX);
	l->rate.window = clamp(given->window, WINDOW, WINDOW_MOST);
	l->rate.entries = clamp(given->entries, ENTRIES, 1u << 24);
	while (rows * WAYS < l->rate.entries)
		rows *= 2;
	l->mask = rows - 1;
	l->rows = kiln_alloc(server->kiln, rows * sizeof(*l->rows), "rate limits");
	random_bytes(&server->kiln->random, l->key, sizeof(l->key));
	server->limiter = l;
	server->rate = rate;
}
