/*
 * Joining the fragments of a datagram, of either family (RFC 791, 3.2; RFC 815; RFC 1122,
 * 3.3.2; RFC 8200, 4.5).
 *
 * Fragments are copied into pages of 2 KB that are taken as bytes arrive, so that what an
 * unfinished datagram holds is in proportion to what was sent. A bitmap of 8-byte units
 * tells what has come. Bounds: pages in all, datagrams in all, and one source's share of
 * both; what does not fit is refused, and the datagram it belonged to given up, since it
 * could not be finished any more.
 *
 * Overlapping fragments have no honest use: they drop the datagram, with what is still to
 * come of it (RFC 5722, for both families); an exact duplicate drops only itself. What a
 * family wants of a fragment besides, it has checked before (RFC 1858, 7112).
 */
#include "net_private.h"

enum { PAGES_MIN = FRAGMENT_PAGES + 4, PAGES_MAX = 2048 };
enum { DATAGRAMS_MIN = 8, DATAGRAMS_MAX = 64 };
#define ECN_BIT(ecn) (1u << (ecn))

void fragment_init(struct net *net)
{
	struct fragments *f = &net->fragments;
	struct kiln *k = net->kiln;
	size_t memory = net_memory(net);
	/* A sixty-fourth of the memory, and at least the largest datagram. */
	size_t pages = KILN_MIN(memory / 64 / FRAGMENT_PAGE, PAGES_MAX);
	size_t datagrams = KILN_MIN(memory / (512u << 10), DATAGRAMS_MAX);

	pages = KILN_MAX(pages, PAGES_MIN);
	datagrams = KILN_MAX(datagrams, DATAGRAMS_MIN);
	pool_init(&f->pages, k, FRAGMENT_PAGE, (unsigned)pages, "reassembly");
	pool_init(&f->datagrams, k, sizeof(struct fragment_datagram), (unsigned)datagrams,
	          "reassembly");
	f->joined = kiln_alloc(k, NET_PACKET_MAX + 1, "reassembly");
	f->source_pages = (uint32_t)KILN_MAX(pages / 2, FRAGMENT_PAGES);
	f->source_datagrams = (uint32_t)datagrams / 2;
	list_init(&f->list);
}

/* ---- units: which bytes have come ---- */

static bool unit_has(const struct fragment_datagram *d, size_t unit)
{
	return d->units[unit / 64] >> unit % 64 & 1;
}

enum units { UNITS_NONE, UNITS_SOME, UNITS_ALL };

static enum units units_present(const struct fragment_datagram *d, size_t first,
                                size_t end)
{
	size_t present = 0;

	for (size_t unit = first; unit < end; unit++)
		present += unit_has(d, unit);
	return present == 0             ? UNITS_NONE
	       : present == end - first ? UNITS_ALL
	                                : UNITS_SOME;
}

static void units_set(struct fragment_datagram *d, size_t first, size_t end)
{
	for (size_t unit = first; unit < end; unit++)
		d->units[unit / 64] |= 1ull << unit % 64;
}

/* ---- the datagrams ---- */

static void pages_free(struct fragment_datagram *d)
{
	for (unsigned i = 0; i < FRAGMENT_PAGES; i++) {
		if (d->pages[i])
			pool_put(&d->net->fragments.pages, d->pages[i]);
		d->pages[i] = NULL;
	}
	d->page_count = 0;
}

static void datagram_free(struct fragment_datagram *d)
{
	pages_free(d);
	timer_cancel(&d->net->kiln->loop, &d->timer);
	list_remove(&d->node);
	pool_put(&d->net->fragments.datagrams, d);
}

/* Gives the datagram up: what it holds is dropped. */
static void datagram_drop(struct fragment_datagram *d)
{
	d->net->counters.drop_fragment += d->fragments;
	datagram_free(d);
}

/* From now on until its time is up, its fragments are dropped as they come. */
static void datagram_poison(struct fragment_datagram *d)
{
	d->net->counters.drop_fragment += d->fragments;
	d->fragments = 0;
	d->poisoned = true;
	pages_free(d);
}

/* RFC 1122, 3.3.2; RFC 8200, 4.5: the sender is told, if the first fragment is there to quote. */
static void datagram_expired(struct timer *timer)
{
	struct fragment_datagram *d =
	    kiln_container(timer, struct fragment_datagram, timer);

	if (d->header_size && !d->poisoned) {
		struct net_packet packet = {
		    .src = d->src,
		    .dst = d->dst,
		    .header = slice_of(d->header, d->header_size),
		    .payload = slice_of(d->pages[0], FRAGMENT_UNIT),
		    .broadcast = d->broadcast,
		};
		d->family->refuse(d->net, &packet, NET_REFUSE_REASSEMBLY);
	}
	datagram_drop(d);
}

/* RFC 791, 3.2 counts the protocol in; RFC 8200, 4.5 does not, and says that the first
 * fragment's counts. */
static bool same_datagram(const struct fragment_datagram *d,
                          const struct fragment *fragment)
{
	return d->id == fragment->id && ip_equal(&d->src, &fragment->src) &&
	       ip_equal(&d->dst, &fragment->dst) &&
	       (d->protocol == fragment->protocol || d->family->index == NET_IP6);
}

static struct fragment_datagram *datagram_find(struct fragments *f,
                                               const struct fragment *fragment)
{
	list_each (node, &f->list) {
		struct fragment_datagram *d =
		    kiln_container(node, struct fragment_datagram, node);
		if (same_datagram(d, fragment))
			return d;
	}
	return NULL;
}

/* What a source holds already. */
static void source_share(const struct fragments *f, const struct ip_addr *src,
                         uint32_t *pages, uint32_t *datagrams)
{
	*pages = *datagrams = 0;
	list_each (node, &f->list) {
		const struct fragment_datagram *d =
		    kiln_container(node, struct fragment_datagram, node);
		if (ip_equal(&d->src, src)) {
			*pages += d->page_count;
			(*datagrams)++;
		}
	}
}

/* Poisoned ones hold a place only to be remembered: the oldest makes way. */
static struct fragment_datagram *datagram_place(struct fragments *f)
{
	if (f->datagrams.used == f->datagrams.count) {
		list_each_safe (node, &f->list) {
			struct fragment_datagram *d =
			    kiln_container(node, struct fragment_datagram, node);
			if (d->poisoned) {
				datagram_free(d);
				break;
			}
		}
	}
	return pool_get(&f->datagrams);
}

static struct fragment_datagram *datagram_new(struct net *net,
                                              const struct fragment *fragment)
{
	struct fragments *f = &net->fragments;
	uint32_t pages, datagrams;

	source_share(f, &fragment->src, &pages, &datagrams);
	if (datagrams >= f->source_datagrams)
		return NULL;
	struct fragment_datagram *d = datagram_place(f);
	if (!d)
		return NULL;
	memset(d, 0, sizeof(*d));
	d->net = net;
	d->family = fragment->family;
	d->src = fragment->src;
	d->dst = fragment->dst;
	d->id = fragment->id;
	d->protocol = fragment->protocol;
	list_init(&d->node);
	list_append(&f->list, &d->node);
	timer_init(&d->timer, datagram_expired);
	timer_set(&net->kiln->loop, &d->timer,
	          net_now(net) + d->family->fragment_lifetime);
	return d;
}

/* ---- bytes in and out ---- */

/* How many of the next `size` bytes at `offset` lie in the same page. */
static size_t page_part(size_t offset, size_t size)
{
	return KILN_MIN(size, FRAGMENT_PAGE - offset % FRAGMENT_PAGE);
}

/* Whether the bytes are those that came before. */
static bool same_bytes(const struct fragment_datagram *d, size_t offset,
                       struct slice bytes)
{
	while (bytes.len) {
		size_t n = page_part(offset, bytes.len);
		if (memcmp(d->pages[offset / FRAGMENT_PAGE] + offset % FRAGMENT_PAGE,
		           bytes.data, n) != 0)
			return false;
		offset += n;
		bytes = slice_skip(bytes, n);
	}
	return true;
}

/* False: over the budget. */
static bool store_bytes(struct fragment_datagram *d, size_t offset, struct slice bytes)
{
	struct fragments *f = &d->net->fragments;
	uint32_t pages, datagrams;

	source_share(f, &d->src, &pages, &datagrams);
	while (bytes.len) {
		size_t n = page_part(offset, bytes.len);
		uint8_t **page = &d->pages[offset / FRAGMENT_PAGE];
		if (!*page) {
			*page = pages < f->source_pages ? pool_get(&f->pages) : NULL;
			if (!*page)
				return false;
			d->page_count++;
			pages++;
		}
		memcpy(*page + offset % FRAGMENT_PAGE, bytes.data, n);
		offset += n;
		bytes = slice_skip(bytes, n);
	}
	return true;
}

/* RFC 3168, 5.3: congestion on one fragment's way is the datagram's; a mixture of marked
 * and not capable ones is broken. */
static bool ecn_join(uint8_t seen, uint8_t *ecn)
{
	*ecn = IP_ECN_NOT;
	if (seen & ECN_BIT(IP_ECN_CE)) {
		*ecn = IP_ECN_CE;
		return !(seen & ECN_BIT(IP_ECN_NOT));
	}
	if (seen & ECN_BIT(IP_ECN_NOT))
		return true;
	*ecn = seen & ECN_BIT(IP_ECN_ECT0) ? IP_ECN_ECT0 : IP_ECN_ECT1;
	return true;
}

static void datagram_deliver(struct fragment_datagram *d)
{
	struct net *net = d->net;
	struct fragments *f = &net->fragments;
	uint8_t header[FRAGMENT_HEADER_MAX], ecn;

	if (!ecn_join(d->ecn_seen, &ecn)) {
		datagram_drop(d);
		return;
	}
	for (size_t at = 0; at < d->size; at += FRAGMENT_PAGE)
		memcpy(f->joined + at, d->pages[at / FRAGMENT_PAGE],
		       page_part(at, d->size - at));
	memcpy(header, d->header, d->header_size);
	struct net_packet packet = {
	    .src = d->src,
	    .dst = d->dst,
	    .payload = slice_of(f->joined, d->size),
	    .header = slice_of(header, d->header_size),
	    .ecn = ecn,
	    .ttl = d->ttl,
	    .broadcast = d->broadcast,
	};
	const struct net_family *family = d->family;
	uint8_t protocol = d->protocol;
	datagram_free(d);
	net->counters.reassembled++;
	family->deliver(net, protocol, &packet);
}

/* ---- fragments in ---- */

/* Apart from all others: can it be part of any datagram? */
static bool fragment_plausible(const struct fragment *fragment)
{
	struct slice payload = fragment->payload;

	return payload.len != 0 && fragment->header.len <= FRAGMENT_HEADER_MAX &&
	       fragment->offset + payload.len <= NET_PACKET_MAX &&
	       !(fragment->more && payload.len % FRAGMENT_UNIT);
}

/* The size that the last fragment tells must agree with all others. */
static bool size_agrees(const struct fragment_datagram *d, size_t end, bool last)
{
	if (d->size)
		return last ? end == d->size : end < d->size;
	if (!last)
		return true;
	size_t units = (end + FRAGMENT_UNIT - 1) / FRAGMENT_UNIT;
	return units_present(d, units, FRAGMENT_UNITS) == UNITS_NONE;
}

static void fragment_note(struct fragment_datagram *d, const struct fragment *fragment)
{
	size_t size = fragment->payload.len, end = fragment->offset + size;

	if (fragment->offset == 0) {
		memcpy(d->header, fragment->header.data, fragment->header.len);
		d->header_size = (uint8_t)fragment->header.len;
		d->protocol = fragment->protocol;
		d->ttl = fragment->ttl;
	}
	if (!fragment->more)
		d->size = (uint32_t)end;
	units_set(d, fragment->offset / FRAGMENT_UNIT,
	          (end + FRAGMENT_UNIT - 1) / FRAGMENT_UNIT);
	d->received += (uint32_t)size;
	d->ecn_seen |= (uint8_t)ECN_BIT(fragment->ecn);
	d->broadcast |= fragment->broadcast;
	d->fragments++;
}

void fragment_input(struct net *net, const struct fragment *fragment)
{
	struct slice payload = fragment->payload;
	size_t end = fragment->offset + payload.len;
	size_t first_unit = fragment->offset / FRAGMENT_UNIT;
	size_t end_unit = (end + FRAGMENT_UNIT - 1) / FRAGMENT_UNIT;
	struct fragment_datagram *d = NULL;

	if (fragment_plausible(fragment)) {
		d = datagram_find(&net->fragments, fragment);
		if (!d)
			d = datagram_new(net, fragment);
	}
	if (!d || d->poisoned) {
		net->counters.drop_fragment++;
		return;
	}
	enum units present = units_present(d, first_unit, end_unit);
	if (present == UNITS_ALL && size_agrees(d, end, !fragment->more) &&
	    same_bytes(d, fragment->offset, payload)) {
		net->counters.drop_fragment++; /* a duplicate, harmless */
		return;
	}
	if (present != UNITS_NONE || !size_agrees(d, end, !fragment->more)) {
		net->counters.drop_fragment++;
		datagram_poison(d);
		return;
	}
	if (!store_bytes(d, fragment->offset, payload)) {
		net->counters.drop_fragment++;
		datagram_drop(d);
		return;
	}
	fragment_note(d, fragment);
	if (d->size && d->received == d->size)
		datagram_deliver(d);
}
