/*
 * Who may have something of the name server: lists as an operator writes them.
 */
#include "server_private.h"

struct slice server_list_next(struct slice *list)
{
	size_t at = slice_find(*list, ',');
	struct slice part = slice_trim(slice_take(*list, at), ' ');

	*list = slice_skip(*list, at + 1);
	return part;
}

unsigned server_list_count(struct slice list)
{
	unsigned count = 0;

	while (list.len) {
		(void)server_list_next(&list);
		count++;
	}
	return count;
}

static bool parse_network(struct slice text, struct ip_prefix *prefix)
{
	if (ip_parse(text, &prefix->addr)) {
		prefix->bits = ip_is4(&prefix->addr) ? 32 : 128;
		return true;
	}
	return ip_prefix_parse(text, prefix);
}

static bool parse(struct slice text, struct server_access *access)
{
	struct server_allowed *entry = &access->entries[access->count];

	if (slice_equal(text, SLICE("any"))) {
		access->any = true;
		return true;
	}
	entry->by_key = slice_starts_with(text, SLICE("key:"));
	if (entry->by_key ? !dns_name_parse(slice_skip(text, 4), &entry->key)
	                  : !parse_network(text, &entry->prefix))
		return false;
	access->count++;
	return true;
}

struct server_access *server_access_new(struct kiln *k, struct slice list,
                                        struct slice *bad)
{
	size_t size = server_list_count(list) * sizeof(struct server_allowed);
	struct server_access *access =
	    kiln_alloc(k, sizeof(*access) + size, "the name server's lists");

	while (list.len) {
		*bad = server_list_next(&list);
		if (!parse(*bad, access))
			return NULL;
	}
	return access;
}

bool server_access_allows(const struct server_access *access,
                          const struct server_query *q)
{
	for (unsigned i = 0; i < access->count; i++) {
		const struct server_allowed *entry = &access->entries[i];

		if (!entry->by_key && ip_prefix_has(&entry->prefix, &q->from.addr))
			return true;
		if (entry->by_key && q->tsig &&
		    dns_name_equal(&entry->key, &q->tsig->key->name))
			return true;
	}
	return access->any;
}

static const struct dns_tsig_key *find_key(const struct dns_server *s, struct slice text)
{
	struct dns_name name;

	for (unsigned i = 0; dns_name_parse(text, &name) && i < s->key_count; i++) {
		if (dns_name_equal(&s->keys[i].name, &name))
			return &s->keys[i];
	}
	return NULL;
}

bool server_peer_parse(const struct dns_server *s, struct slice text,
                       struct endpoint *peer, const struct dns_tsig_key **key)
{
	size_t at = slice_find(text, '/');
	struct slice address = slice_take(text, at);

	*key = at < text.len ? find_key(s, slice_skip(text, at + 1)) : NULL;
	if (at < text.len && !*key)
		return false;
	peer->port = DNS_PORT;
	return ip_parse(address, &peer->addr) || endpoint_parse(address, peer);
}
