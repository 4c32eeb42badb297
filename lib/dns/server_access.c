/*
 * Who may have something of the name server: lists as an operator writes them.
 */
#include "server_private.h"

static const char unknown_key[] = "names a key that is not known";

struct slice server_list_next(struct slice *list)
{
	size_t at = slice_find(*list, ',');
	struct slice part = slice_trim(slice_take(*list, at), ' ');

	*list = slice_skip(*list, at + 1);
	return part;
}

unsigned dns_server_list_count(struct slice list)
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

bool server_mistake(struct dns_mistake *mistake, struct slice text, const char *why)
{
	*mistake = (struct dns_mistake){text, why};
	return false;
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

static const char *parse(const struct dns_server *s, struct slice text,
                         struct server_access *access)
{
	struct server_allowed *entry = &access->entries[access->count];

	if (slice_equal(text, SLICE("any"))) {
		access->any = true;
		return NULL;
	}
	access->count++;
	if (!slice_starts_with(text, SLICE("key:")))
		return parse_network(text, &entry->prefix)
		           ? NULL
		           : "is no network, address, key:NAME, nor any";
	entry->key = find_key(s, slice_skip(text, 4));
	return entry->key ? NULL : unknown_key;
}

struct server_access *server_access_new(const struct dns_server *s, struct slice list,
                                        struct dns_mistake *mistake)
{
	size_t size = dns_server_list_count(list) * sizeof(struct server_allowed);
	struct server_access *access =
	    kiln_alloc(s->kiln, sizeof(*access) + size, "the name server's lists");

	while (list.len) {
		mistake->text = server_list_next(&list);
		mistake->why = parse(s, mistake->text, access);
		if (mistake->why)
			return NULL;
	}
	return access;
}

bool server_access_allows(const struct server_access *access,
                          const struct server_query *q)
{
	for (unsigned i = 0; i < access->count; i++) {
		const struct server_allowed *entry = &access->entries[i];

		if (entry->key ? q->tsig && q->tsig->key == entry->key
		               : ip_prefix_has(&entry->prefix, &q->from.addr))
			return true;
	}
	return access->any;
}

const char *server_peer_parse(const struct dns_server *s, struct slice text,
                              struct endpoint *peer, const struct dns_tsig_key **key)
{
	size_t at = slice_find(text, '/');
	struct slice address = slice_take(text, at);

	peer->port = DNS_PORT;
	if (!ip_parse(address, &peer->addr) && !endpoint_parse(address, peer))
		return "has no address, such as 192.0.2.1 or [2001:db8::1]:5353";
	*key = at < text.len ? find_key(s, slice_skip(text, at + 1)) : NULL;
	return at < text.len && !*key ? unknown_key : NULL;
}
