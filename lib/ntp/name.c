/*
 * Servers by name: in a file of its own, as an image that knows its servers by address, or
 * is told by the network, needs no resolver.
 */
#include <kiln/resolver.h>
#include "ntp_private.h"

enum { NAME_MOST = 253 };

struct named_server {
	struct resolver_lookup lookup;
	struct resolver *resolver;
	struct ntp_server *server;
	struct timer again;
	unsigned
	    next; /* of the addresses, the one to use when this one does not answer */
	size_t size;
	uint8_t name[NAME_MOST];
};

#define LOOK_UP_AGAIN KILN_SECONDS(16)

static void found(struct resolver_lookup *lookup);

static void look_up(struct named_server *named)
{
	resolver_lookup(named->resolver, &named->lookup,
	                slice_of(named->name, named->size), RESOLVER_ANY, found);
}

static void found(struct resolver_lookup *lookup)
{
	struct named_server *named = kiln_container(lookup, struct named_server, lookup);
	struct loop *loop = &net_kiln(named->server->ntp->net)->loop;

	if (lookup->error)
		timer_set(loop, &named->again, loop->now + LOOK_UP_AGAIN);
	else
		ntp_server_found(named->server,
		                 &lookup->addresses[named->next++ % lookup->count]);
}

static void again(struct timer *timer)
{
	look_up(kiln_container(timer, struct named_server, again));
}

static void renew(struct ntp_server *server)
{
	struct named_server *named = server->context;

	resolver_cancel(&named->lookup);
	look_up(named);
}

bool ntp_add_name(struct ntp *ntp, struct resolver *resolver, struct slice name)
{
	struct ntp_server *server = name.len <= NAME_MOST ? ntp_add_server(ntp) : NULL;

	if (!server)
		return false;
	struct named_server *named = kiln_alloc(ntp->kiln, sizeof(*named), "ntp");
	named->resolver = resolver;
	named->server = server;
	named->size = name.len;
	memcpy(named->name, name.data, name.len);
	timer_init(&named->again, again);
	server->renew = renew;
	server->context = named;
	look_up(named);
	return true;
}
