/*
 * The name server's counters as a page of text: Prometheus' exposition format, version 0.0.4,
 * over the least of HTTP/1.1 that is honest about what it is (RFC 9112): a GET or HEAD of
 * /metrics, answered up to the connection's end. A server of pages is lib/http.
 */
#include <kiln/dns_types.h>
#include <kiln/stream.h>
#include "server_private.h"

enum {
	TASKS = 4, /* requests at once */
	STACK = 8 * 1024,
	HEAD = 2048,  /* bytes of a request's, at most */
	SAMPLED = 64, /* of so many answers one is timed */
};
#define PATIENCE KILN_SECONDS(5)

static const uint32_t bounds[] = {5,   10,  20,   50,   100,
                                  200, 500, 1000, 5000, 20000}; /* us */
enum { BUCKETS = KILN_COUNT_OF(bounds) };

struct server_metrics {
	struct dns_server *server;
	struct task_pool *tasks;
	unsigned until_sample;
	uint64_t buckets[BUCKETS + 1], sampled;
	kiln_time sum;
};

/* From when the loop found the datagram, to when the answer was handed on. */
static void measure(struct dns_server *s)
{
	struct server_metrics *m = s->metrics;
	unsigned bucket = 0;

	if (m->until_sample--)
		return;
	m->until_sample = SAMPLED - 1;
	kiln_time took = kiln_now(s->kiln) - s->kiln->loop.now;
	while (bucket < BUCKETS && took > KILN_US(bounds[bucket]))
		bucket++;
	m->buckets[bucket]++;
	m->sampled++;
	m->sum += took;
}

/* ---- the page ---- */

struct page {
	struct stream *stream;
	bool broken;
};

static void put(struct page *page, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void put(struct page *page, const char *format, ...)
{
	char line[256];
	struct writer w = writer_of(line, sizeof(line));
	__builtin_va_list args;

	__builtin_va_start(args, format);
	writer_vformat(&w, format, args);
	__builtin_va_end(args);
	if (!page->broken)
		page->broken = stream_write(page->stream, writer_done(&w)) != KILN_OK;
}

static void put_head(struct page *page, const char *name, const char *type,
                     const char *help)
{
	put(page, "# HELP kiln_dns_%s %s\n# TYPE kiln_dns_%s %s\n", name, help, name,
	    type);
}

static void put_counter(struct page *page, const char *name, const char *help,
                        uint64_t value)
{
	put_head(page, name, "counter", help);
	put(page, "kiln_dns_%s %llu\n", name, (unsigned long long)value);
}

static void put_labelled(struct page *page, const char *name, const char *label,
                         const char *value, uint64_t count)
{
	put(page, "kiln_dns_%s{%s=\"%s\"} %llu\n", name, label, value,
	    (unsigned long long)count);
}

static const char *code_text(unsigned code, char *room, size_t size)
{
	static const char texts[][9] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
	                                "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
	                                "NXRRSET", "NOTAUTH", "NOTZONE"};
	struct writer w = writer_of(room, size);

	if (code < KILN_COUNT_OF(texts))
		return texts[code];
	writer_format(&w, "%u", code);
	writer_u8(&w, 0);
	return room;
}

static void put_types(struct page *page, const struct dns_server_counters *c)
{
	char text[16];

	put_head(page, "queries_by_type_total", "counter", "Queries, by type.");
	for (unsigned type = 0; type < KILN_COUNT_OF(c->types); type++) {
		struct writer w = writer_of(text, sizeof(text));

		if (c->types[type] == 0)
			continue;
		if (type)
			dns_type_format(&w, (uint16_t)type);
		else
			writer_text(&w, "other");
		writer_u8(&w, 0);
		put_labelled(page, "queries_by_type_total", "type", text, c->types[type]);
	}
}

static void put_codes(struct page *page, const struct dns_server_counters *c)
{
	char text[8];

	put_head(page, "answers_by_code_total", "counter", "Answers, by response code.");
	for (unsigned code = 0; code < KILN_COUNT_OF(c->codes); code++) {
		if (c->codes[code])
			put_labelled(page, "answers_by_code_total", "code",
			             code_text(code, text, sizeof(text)), c->codes[code]);
	}
}

static void put_latency(struct page *page, const struct server_metrics *m)
{
	uint64_t count = 0;

	put_head(page, "latency_seconds", "histogram",
	         "From a datagram's arrival to its answer, of one in 64.");
	for (unsigned i = 0; i < BUCKETS; i++) {
		count += m->buckets[i];
		put(page, "kiln_dns_latency_seconds_bucket{le=\"0.%06u\"} %llu\n",
		    bounds[i], (unsigned long long)count);
	}
	put(page, "kiln_dns_latency_seconds_bucket{le=\"+Inf\"} %llu\n",
	    (unsigned long long)m->sampled);
	put(page, "kiln_dns_latency_seconds_sum %llu.%09u\n",
	    (unsigned long long)(m->sum / KILN_SECONDS(1)),
	    (unsigned)(m->sum % KILN_SECONDS(1)));
	put(page, "kiln_dns_latency_seconds_count %llu\n",
	    (unsigned long long)m->sampled);
}

static void put_transports(struct page *page, const char *name, const char *help,
                           const uint64_t counts[2])
{
	put_head(page, name, "counter", help);
	put_labelled(page, name, "transport", "udp", counts[0]);
	put_labelled(page, name, "transport", "tcp", counts[1]);
}

static void put_gauge(struct page *page, const char *name, const char *help,
                      unsigned value)
{
	put_head(page, name, "gauge", help);
	put(page, "kiln_dns_%s %u\n", name, value);
}

static void put_rest(struct page *page, const struct dns_server_counters *c)
{
	const struct {
		const char *name, *help;
		uint64_t value;
	} counters[] = {
	    {"truncated_total", "Answers with TC set.", c->truncated},
	    {"silent_total", "Messages that nothing is said to.", c->silent},
	    {"not_sent_total", "Answers the network had no room for.", c->not_sent},
	    {"rate_dropped_total", "Answers dropped above the rate.", c->rate_dropped},
	    {"rate_slipped_total", "Answers truncated above the rate.", c->rate_slipped},
	    {"rate_exempt_total", "Answers exempt by a cookie.", c->rate_exempt},
	    {"cookies_good_total", "Queries with a good cookie.", c->cookies_good},
	    {"cookies_bad_total", "Queries with a bad server cookie.", c->cookies_bad},
	    {"tsig_good_total", "Queries with a good signature.", c->signed_good},
	    {"tsig_bad_total", "Queries with a bad signature.", c->signed_bad},
	    {"connections_total", "TCP connections accepted.", c->conns},
	    {"connections_refused_total", "Over a limit.", c->conns_refused},
	    {"connections_idle_total", "Closed for being idle.", c->conns_idle},
	    {"connections_broken_total", "Reset for what they sent.", c->conns_broken},
	    {"transfers_total", "Zones begun to be given.", c->transfers},
	    {"transfers_refused_total", "To who may not have it.", c->transfers_refused},
	    {"transfers_broken_total", "Broken off.", c->transfers_broken},
	    {"fetched_total", "Zones from primaries.", c->fetched},
	    {"fetched_changes_total", "Those by IXFR.", c->fetched_changes},
	    {"fetch_failures_total", "Transfers that failed.", c->fetch_failures},
	    {"notified_total", "NOTIFY from primaries.", c->notified},
	    {"notifies_sent_total", "NOTIFY to others.", c->notifies_sent},
	    {"notifies_lost_total", "Those never answered.", c->notifies_lost},
	};

	for (unsigned i = 0; i < KILN_COUNT_OF(counters); i++)
		put_counter(page, counters[i].name, counters[i].help, counters[i].value);
}

/* As all was when it was asked for: a reader may be slow, and counting goes on. */
static void put_page(struct stream *stream, const struct server_metrics *metrics)
{
	struct page page = {.stream = stream};
	const struct server_metrics m = *metrics;
	const struct dns_server_counters c = m.server->counters;
	unsigned zones = m.server->zones.count;

	put_transports(&page, "queries_total", "Queries that came.", c.queries);
	put_transports(&page, "answers_total", "Answers, before limits of the rate.",
	               c.answers);
	put_types(&page, &c);
	put_codes(&page, &c);
	put_latency(&page, &m);
	put_rest(&page, &c);
	put_gauge(&page, "connections", "TCP connections now.", c.conns_open);
	put_gauge(&page, "zones", "Zones served.", zones);
}

/* ---- HTTP ---- */

/* Reads until a blank line. False: there is none, or not within the room. */
static bool read_head(struct stream *s, uint8_t *head, size_t size, struct slice *line)
{
	size_t at = 0, got;

	while (at < size && stream_read(s, head + at, size - at, &got) == KILN_OK &&
	       got) {
		at += got;
		if (at >= 4 && memcmp(head + at - 4, "\r\n\r\n", 4) == 0) {
			*line = slice_take(slice_of(head, at),
			                   slice_find(slice_of(head, at), '\r'));
			return true;
		}
	}
	return false;
}

static void serve(struct stream *s, void *context)
{
	static const char ok[] =
	    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
	    "Connection: close\r\n\r\n";
	static const char other[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n"
	                            "Connection: close\r\n\r\n";
	const struct server_metrics *m = context;
	uint8_t head[HEAD];
	struct slice line;

	s->timeout = PATIENCE;
	if (!read_head(s, head, sizeof(head), &line))
		return;
	bool get = slice_starts_with(line, SLICE("GET /metrics "));
	bool found = get || slice_starts_with(line, SLICE("HEAD /metrics "));
	if (stream_write(s, slice_text(found ? ok : other)) == KILN_OK && get)
		put_page(s, m);
}

enum kiln_error dns_server_metrics(struct dns_server *server, struct tcp *tcp,
                                   uint16_t port)
{
	struct server_metrics *m = kiln_alloc(server->kiln, sizeof(*m), "metrics");

	m->server = server;
	m->tasks = task_pool_new(server->kiln, TASKS, STACK);
	server->metrics = m;
	server->measure = measure;
	return stream_serve(tcp, m->tasks, port, serve, m);
}
