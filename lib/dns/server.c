/*
 * The name server: what it holds, and what answers any query. See <kiln/dns_server.h>.
 */
#include "server_private.h"

enum {
	CONNS = 1000,
	CONNS_OF_CLIENT = 50,
	LOGGED = 20, /* zones */
	LENGTH = 2,  /* in front of a message in a stream (RFC 1035, 4.2.2) */
};
#define IDLE       KILN_SECONDS(10)
#define CLOCK_GOOD KILN_SECONDS(1) /* for so long after it was read */

static struct dns_server_config with_defaults(const struct dns_server_config *given)
{
	struct dns_server_config c = {0};

	if (given)
		c = *given;
	c.conns = c.conns ? c.conns : CONNS;
	c.conns_of_client = c.conns_of_client ? c.conns_of_client : CONNS_OF_CLIENT;
	c.idle = c.idle ? c.idle : IDLE;
	return c;
}

static int digit(uint8_t c)
{
	c = byte_lower(c);
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_secret(struct slice text, uint8_t *secret, size_t size)
{
	for (size_t i = 0; text.len == 2 * size && i < text.len; i++) {
		if (digit(text.data[i]) < 0)
			return false;
		secret[i / 2] = (uint8_t)(secret[i / 2] << 4 | digit(text.data[i]));
	}
	return text.len == 2 * size;
}

static void set_cookies(struct dns_server *s)
{
	struct dns_answerer *a = &s->answerer;
	struct slice text = s->config.cookie_secret;

	a->cookies = !s->config.no_cookies;
	if (text.len == 0)
		random_bytes(&s->kiln->random, a->cookie_secret,
		             sizeof(a->cookie_secret));
	else if (!parse_secret(text, a->cookie_secret, sizeof(a->cookie_secret)))
		kiln_fail(s->kiln, "dns",
		          "a secret of cookies has 32 hexadecimal digits");
}

struct dns_server *dns_server_new(struct kiln *k, const struct dns_server_config *config,
                                  unsigned zones)
{
	struct dns_server *s = kiln_alloc(k, sizeof(*s), "the name server");

	s->kiln = k;
	s->config = with_defaults(config);
	s->answerer.zones = &s->zones;
	s->answerer.udp_size = s->config.udp_size;
	s->answerer.version = s->config.version;
	s->answerer.host = s->config.host;
	s->answerer.nsid = s->config.nsid;
	s->buffer = kiln_alloc(k, LENGTH + DNS_STREAM_SIZE, "the name server's answers");
	list_init(&s->conns);
	list_init(&s->transfers);
	set_cookies(s);
	if (!dns_zones_init(&s->zones, &k->arena, zones))
		kiln_fail(k, "dns", "no memory for a table of %u zones: see -m", zones);
	return s;
}

void server_log_zone(const struct dns_server *s, enum log_level level,
                     const struct dns_name *name, const char *what, uint32_t serial)
{
	char text[4 * DNS_NAME_SIZE + 1];
	struct writer w = writer_of(text, sizeof(text));

	dns_name_format(&w, name);
	writer_u8(&w, 0);
	kiln_log(s->kiln, level, "dns", "%s: %s, serial %u", text, what, serial);
}

/* Which zones there are, an operator wants to see; not thousands of them. */
static void log_added(const struct dns_server *s, const struct dns_zone *zone,
                      bool replaces)
{
	enum log_level level = s->zones.count <= LOGGED ? LOG_INFO : LOG_DEBUG;
	struct cursor c = cursor_of(zone->apex);
	struct dns_name name;

	if (dns_name_read(zone->apex, &c, &name))
		server_log_zone(s, level, &name,
		                replaces ? "in the place of the one before" : "served",
		                zone->serial);
}

bool dns_server_add(struct dns_server *server, struct dns_zone *zone)
{
	struct dns_zone *before;

	server->zones_changed++;
	if (!dns_zones_put(&server->zones, zone, &before))
		return false;
	log_added(server, zone, before != NULL);
	if (server->notify_zone)
		server->notify_zone(server, zone);
	return true;
}

uint64_t server_seconds(struct dns_server *s)
{
	kiln_time now = s->kiln->loop.now;

	if (s->wall_at == 0 || now - s->wall_at >= CLOCK_GOOD) {
		s->wall = kiln_wall(s->kiln) / KILN_SECONDS(1);
		s->wall_at = now;
	}
	return s->wall;
}

struct dns_peer server_peer(const struct server_query *q)
{
	return (struct dns_peer){
	    .address = q->from.addr,
	    .stream = q->conn != NULL,
	    .now = (uint32_t)q->now,
	};
}

size_t server_error(struct dns_server *s, const struct server_query *q, unsigned rcode,
                    uint8_t *buffer, size_t size, struct dns_answered *what)
{
	struct dns_peer peer = server_peer(q);

	what->kind = DNS_KIND_ERROR;
	what->rcode = (uint16_t)rcode;
	return dns_answer_error(&s->answerer, &peer, q->bytes, rcode, -1, buffer, size);
}

size_t server_answer(struct dns_server *s, const struct server_query *q, uint8_t *buffer,
                     size_t size, struct dns_answered *what)
{
	struct dns_peer peer = server_peer(q);
	size_t len = dns_answer(&s->answerer, &peer, q->bytes, buffer, size, what);

	switch (what->kind) {
	case DNS_KIND_SIGNED:
		return s->take_signed(s, q, buffer, size, what);
	case DNS_KIND_TRANSFER:
		return s->take_transfer(s, q, buffer, size, what);
	case DNS_KIND_NOTIFY:
		return s->take_notify(s, q, buffer, size, what);
	case DNS_KIND_ERROR:
		if (what->rcode == DNS_RCODE_REFUSED && s->is_missing &&
		    s->is_missing(s, what))
			return server_error(s, q, DNS_RCODE_SERVER, buffer, size, what);
		return len;
	default:
		return len;
	}
}

void server_count(struct dns_server *s, const struct dns_answered *what, bool stream,
                  size_t len)
{
	struct dns_server_counters *c = &s->counters;
	unsigned codes = KILN_COUNT_OF(c->codes) - 1;

	c->queries[stream]++;
	c->kinds[what->kind]++;
	if (what->has_question)
		c->types[what->type < KILN_COUNT_OF(c->types) ? what->type : 0]++;
	c->cookies_good += what->cookie == DNS_COOKIE_GOOD;
	c->cookies_bad += what->cookie == DNS_COOKIE_BAD;
	if (len == 0) {
		c->silent += what->kind != DNS_KIND_TRANSFER;
		return;
	}
	c->answers[stream]++;
	c->codes[KILN_MIN(what->rcode, codes)]++;
	c->truncated += what->truncated;
}

void dns_server_counters(const struct dns_server *server,
                         struct dns_server_counters *counters)
{
	*counters = server->counters;
}
