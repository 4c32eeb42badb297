/*
 * DHCP client (RFC 2131, 4.4; figure 5): acquires an address, checks that nobody has it
 * (RFC 5227), renews it with the server that gave it, rebinds with any, and gives it up
 * when its time is over.
 *
 *	INIT -> SELECTING -> REQUESTING -> CHECKING -> BOUND -> RENEWING -> REBINDING
 *	  ^         |            | NAK       | taken            |           | NAK, expired
 *	  +---------+------------+-----------+------------------+-----------+
 *
 * Started by net_up; one timer, whose meaning follows from the state. The datagrams are
 * made here through the wire formats, so that an image without udp_new has no UDP.
 */
#include "dhcp_wire.h"
#include "net_private.h"
#include "udp_wire.h"

KILN_OPTION(hostname, KILN_PARAM_TYPE_STRING, "", "name to give to the DHCP server");

enum dhcp_state {
	DHCP_INIT,
	DHCP_SELECTING,
	DHCP_REQUESTING,
	DHCP_CHECKING, /* acknowledged; ARP asks whether the address is free */
	DHCP_BOUND,
	DHCP_RENEWING,
	DHCP_REBINDING,
};

/* RFC 2131, 4.1: 4, 8, 16, 32, 64 s, each give or take one. */
#define RETRY_FIRST   KILN_SECONDS(4)
#define RETRY_SPREAD  KILN_MS(1000)
#define RENEW_MINIMUM KILN_SECONDS(60) /* 4.4.5 */
#define DECLINE_WAIT  KILN_SECONDS(10) /* 3.1, 5 */
enum { RETRY_DOUBLINGS = 4, REQUEST_TRIES = 4 };
enum { DHCP_MTU_MIN = 576, LEASE_FOREVER = UINT32_MAX };
enum { HOST_NAME_MOST = 63 };
/* Of an acknowledgement that is kept; its server was told to send no more. */
enum { ACK_MOST = DHCP_SIZE_MAX };

struct dhcp {
	struct net *net;
	enum dhcp_state state;
	struct timer timer;
	uint32_t xid;
	unsigned tries;
	kiln_time begun_at;     /* of the acquisition, for secs */
	kiln_time requested_at; /* leases count from the request (4.4.1) */
	struct ip4_addr server;
	struct net_lease lease;
	kiln_time renew_at, rebind_at, expires_at; /* KILN_NEVER: a lease for ever */
	uint8_t client_id[1 + ETH_MAC]; /* RFC 2132, 9.14: hardware type and address */
	struct slice host_name;
	size_t ack_size; /* of the last acknowledgement, for dhcp_option */
	uint8_t ack[ACK_MOST];
};

static void dhcp_in(struct dhcp *d, kiln_time duration)
{
	timer_set(&d->net->kiln->loop, &d->timer, net_now(d->net) + duration);
}

/* ---- messages out ---- */

static void dhcp_send(struct dhcp *d, struct dhcp_message *m)
{
	struct net *net = d->net;
	bool unicast = d->state == DHCP_RENEWING;
	struct ip_addr src = ip_from4(m->ciaddr);
	struct ip_addr dst = ip_from4(unicast ? d->server : ip4_of(UINT32_MAX));
	struct net_send_options options = {.src = &src, .may_fragment = true};
	kiln_time seconds = (net_now(net) - d->begun_at) / KILN_SECONDS(1);
	uint8_t bytes[DHCP_SIZE_MAX];
	struct writer w = writer_of(bytes, sizeof(bytes));
	struct netdev_frame frame;

	m->xid = d->xid;
	m->secs = (uint16_t)KILN_MIN(seconds, UINT16_MAX);
	memcpy(m->mac, net->device->mac, ETH_MAC);
	m->client_id = slice_of(d->client_id, sizeof(d->client_id));
	m->host_name = d->host_name;
	dhcp_wire_emit(&w, m);
	kiln_assert(!w.failed);
	netdev_frame_init(&frame);
	if (net_frame_copy(net, &frame, writer_done(&w)) == KILN_OK) {
		udp_wire_emit(netdev_frame_push(&frame, UDP_HEADER), DHCP_CLIENT_PORT,
		              DHCP_SERVER_PORT, writer_done(&w).len);
		/* What gets lost is sent again. */
		(void)net_send(net, &frame, IP_PROTO_UDP, &dst, UDP_CHECKSUM, &options);
	}
	net_frame_release(&frame);
}

/* Randomised exponential backoff. */
static void dhcp_retry_later(struct dhcp *d)
{
	kiln_time wait = RETRY_FIRST << KILN_MIN(d->tries, RETRY_DOUBLINGS);

	d->tries++;
	dhcp_in(d, wait - RETRY_SPREAD +
	               random_below(&d->net->kiln->random, 2 * RETRY_SPREAD));
}

static void send_discover(struct dhcp *d)
{
	struct dhcp_message m = {.type = DHCP_DISCOVER};

	dhcp_send(d, &m);
	dhcp_retry_later(d);
}

/* Table 4 of RFC 2131: which fields a request has depends on the state. */
static void send_request(struct dhcp *d)
{
	struct dhcp_message m = {.type = DHCP_REQUEST};

	if (d->state == DHCP_REQUESTING) {
		m.server = d->server;
		m.requested = d->lease.address;
	} else {
		m.ciaddr = d->lease.address;
	}
	d->requested_at = net_now(d->net);
	dhcp_send(d, &m);
}

static void send_decline(struct dhcp *d)
{
	struct dhcp_message m = {
	    .type = DHCP_DECLINE, .server = d->server, .requested = d->lease.address};

	dhcp_send(d, &m);
}

/* ---- from state to state ---- */

static void enter_init(struct dhcp *d, kiln_time wait)
{
	arp_probe_cancel(d->net);
	d->state = DHCP_INIT;
	d->tries = 0;
	dhcp_in(d, wait);
	route_forget(d->net, ROUTE_LEASE);
	net_clear_address(d->net);
}

/* The server said no, or nothing: again, but not in a tight circle. */
static void start_over(struct dhcp *d)
{
	enter_init(d,
	           KILN_SECONDS(1) + random_below(&d->net->kiln->random, RETRY_SPREAD));
}

static void enter_selecting(struct dhcp *d)
{
	d->state = DHCP_SELECTING;
	d->xid = random_u32(&d->net->kiln->random);
	d->begun_at = net_now(d->net);
	d->tries = 0;
	send_discover(d);
}

static void enter_requesting(struct dhcp *d, const struct dhcp_message *offer)
{
	d->state = DHCP_REQUESTING;
	d->server = offer->server;
	d->lease.address = offer->yiaddr;
	d->tries = 0;
	send_request(d);
	dhcp_retry_later(d);
}

static void enter_bound(struct dhcp *d)
{
	d->state = DHCP_BOUND;
	if (d->renew_at == KILN_NEVER)
		timer_cancel(&d->net->kiln->loop, &d->timer);
	else
		timer_set(&d->net->kiln->loop, &d->timer, d->renew_at);
}

static void address_checked(struct net *net, bool conflict)
{
	struct dhcp *d = net->dhcp;

	if (conflict) {
		/* Once in ten seconds at most: whoever waits for the service must know.
		 */
		log_warn(net->kiln, "net", "%s: the address offered by DHCP is in use",
		         net->name);
		send_decline(d);
		enter_init(d, DECLINE_WAIT);
		return;
	}
	enter_bound(d);
	dhcp_set_routes(d->net, slice_of(d->ack, d->ack_size));
	net_set_address(net, &d->lease);
}

/* Half of the time left until `end`, and not more often than once a minute (4.4.5). */
static void renew_retry(struct dhcp *d, kiln_time end)
{
	kiln_time left = end - net_now(d->net);
	kiln_time wait = KILN_MAX(left / 2, RENEW_MINIMUM);

	dhcp_in(d, KILN_MIN(wait, left));
}

static void renew(struct dhcp *d)
{
	kiln_time now = net_now(d->net);

	if (now >= d->expires_at) {
		enter_init(d, 0);
		return;
	}
	if (d->state == DHCP_BOUND) {
		d->xid = random_u32(&d->net->kiln->random);
		d->begun_at = now;
	}
	d->state = now >= d->rebind_at ? DHCP_REBINDING : DHCP_RENEWING;
	send_request(d);
	renew_retry(d, d->state == DHCP_RENEWING ? d->rebind_at : d->expires_at);
}

static void dhcp_fire(struct timer *timer)
{
	struct dhcp *d = kiln_container(timer, struct dhcp, timer);

	switch (d->state) {
	case DHCP_INIT:
		enter_selecting(d);
		return;
	case DHCP_SELECTING:
		send_discover(d);
		return;
	case DHCP_REQUESTING:
		if (d->tries == REQUEST_TRIES) {
			start_over(d);
			return;
		}
		send_request(d);
		dhcp_retry_later(d);
		return;
	case DHCP_CHECKING:
		return; /* ARP's timer runs */
	default:
		renew(d);
	}
}

/* RFC 952 and 1123, 2.1: a label, as it will stand in somebody's zone. */
static bool is_host_name(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i], lower = c | 0x20;
		if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') &&
		    (c != '-' || i == 0 || i + 1 == name.len))
			return false;
	}
	return name.len <= HOST_NAME_MOST;
}

/* Of the lease that is held. */
static bool dhcp_option(const struct net *net, uint8_t code, struct writer *w)
{
	const struct dhcp *d = net->dhcp;

	return d && d->state >= DHCP_BOUND &&
	       dhcp_wire_option(slice_of(d->ack, d->ack_size), code, w);
}

void dhcp_start(struct net *net)
{
	struct dhcp *d = kiln_alloc(net->kiln, sizeof(*d), "dhcp");

	d->net = net;
	net->dhcp = d;
	net->lease_option = dhcp_option;
	d->client_id[0] = 1; /* Ethernet */
	memcpy(d->client_id + 1, net->device->mac, ETH_MAC);
	if (kiln_option(net->kiln, "hostname", &d->host_name) &&
	    !is_host_name(d->host_name))
		kiln_fail(net->kiln, "net",
		          "--hostname: '%.*s' is no name of at most %d letters, digits "
		          "and hyphens",
		          SLICE_ARG(d->host_name), HOST_NAME_MOST);
	timer_init(&d->timer, dhcp_fire);
	/* RFC 2131, 4.4.1 would wait for up to ten seconds, lest a building's machines
	 * all ask at once when power returns; a virtual machine starts alone. */
	enter_selecting(d);
}

/* ---- messages in ---- */

/* RFC 950's classes, for a server that tells no mask. */
static uint8_t class_prefix(struct ip4_addr a)
{
	uint32_t value = ip4_value(a);

	return value >> 31 == 0 ? 8 : value >> 30 == 2 ? 16 : 24;
}

/* T1 and T2 default to 1/2 and 7/8 of the lease, and are those where they make no sense.
 */
static void take_times(struct dhcp *d, const struct dhcp_message *ack)
{
	uint32_t rebinding = ack->rebinding, renewal = ack->renewal;

	d->renew_at = d->rebind_at = d->expires_at = KILN_NEVER;
	if (ack->lease == LEASE_FOREVER)
		return;
	if (rebinding == 0 || rebinding >= ack->lease)
		rebinding = (uint32_t)((uint64_t)ack->lease * 7 / 8);
	if (renewal == 0 || renewal >= rebinding)
		renewal = KILN_MIN(ack->lease / 2, rebinding);
	d->renew_at = d->requested_at + KILN_SECONDS(renewal);
	d->rebind_at = d->requested_at + KILN_SECONDS(rebinding);
	d->expires_at = d->requested_at + KILN_SECONDS(ack->lease);
}

/* False: the acknowledgement gives nothing that can be used. */
static bool take_lease(const struct dhcp_message *ack, struct slice bytes,
                       struct net_lease *lease)
{
	if (ack->lease == 0)
		return false;
	*lease = (struct net_lease){.address = ack->yiaddr};
	if (ip4_value(ack->mask) == 0)
		lease->prefix = class_prefix(ack->yiaddr);
	else if (!dhcp_wire_prefix(ack->mask, &lease->prefix))
		return false;
	struct ip4_addr router = dhcp_default_router(ack, bytes);
	if (ip4_is_host(ip4_value(router)))
		lease->gateway = router;
	lease->broadcast = ack->broadcast;
	if (ack->mtu >= DHCP_MTU_MIN)
		lease->mtu = ack->mtu;
	return net_lease_plausible(lease);
}

static bool lease_equal(const struct net_lease *a, const struct net_lease *b)
{
	return ip4_equal(a->address, b->address) && ip4_equal(a->gateway, b->gateway) &&
	       ip4_equal(a->broadcast, b->broadcast) && a->prefix == b->prefix &&
	       a->mtu == b->mtu;
}

/* One that is longer than was asked for is as one that says nothing more. */
static void keep_ack(struct dhcp *d, struct slice bytes)
{
	d->ack_size = bytes.len <= sizeof(d->ack) ? bytes.len : 0;
	memcpy(d->ack, bytes.data, d->ack_size);
}

static void handle_ack(struct dhcp *d, const struct dhcp_message *ack, struct slice bytes)
{
	struct net_lease lease;

	if (!take_lease(ack, bytes, &lease) ||
	    !ip4_equal(lease.address, d->lease.address)) {
		start_over(d);
		return;
	}
	bool changed = !lease_equal(&lease, &d->lease);
	d->lease = lease;
	if (ip4_value(ack->server))
		d->server = ack->server;
	take_times(d, ack);
	keep_ack(d, bytes);
	if (d->state == DHCP_REQUESTING) {
		d->state = DHCP_CHECKING;
		timer_cancel(&d->net->kiln->loop, &d->timer);
		arp_probe(d->net, lease.address, address_checked);
		return;
	}
	enter_bound(d);
	dhcp_set_routes(d->net, slice_of(d->ack, d->ack_size));
	if (changed)
		net_set_address(d->net, &lease);
}

/* From the server that we asked; when rebinding, any may answer. */
static bool from_our_server(const struct dhcp *d, const struct dhcp_message *m)
{
	return d->state == DHCP_REBINDING || ip4_equal(m->server, d->server);
}

/* RFC 6842, 3: a server may say whom it means; older ones do not. */
static bool for_us(const struct dhcp *d, const struct dhcp_message *m)
{
	return m->xid == d->xid && memcmp(m->mac, d->net->device->mac, ETH_MAC) == 0 &&
	       (m->client_id.len == 0 ||
	        slice_equal(m->client_id, slice_of(d->client_id, sizeof(d->client_id))));
}

/* False: it says nothing that is waited for. */
static bool dhcp_handle(struct dhcp *d, const struct dhcp_message *m, struct slice bytes)
{
	if (!for_us(d, m))
		return false;
	switch (d->state) {
	case DHCP_SELECTING:
		if (m->type != DHCP_OFFER || ip4_value(m->server) == 0 ||
		    !ip4_is_host(ip4_value(m->yiaddr)))
			return false;
		enter_requesting(d, m);
		return true;
	case DHCP_REQUESTING:
	case DHCP_RENEWING:
	case DHCP_REBINDING:
		if (!from_our_server(d, m))
			return false;
		if (m->type == DHCP_ACK)
			handle_ack(d, m, bytes);
		else if (m->type == DHCP_NAK)
			start_over(d);
		else
			return false;
		return true;
	default:
		return false;
	}
}

bool dhcp_input(struct net *net, const struct net_packet *packet)
{
	struct cursor c = cursor_of(packet->payload);
	uint16_t src = cursor_u16(&c), dst = cursor_u16(&c);
	struct udp_header header;
	struct dhcp_message message;

	if (src != DHCP_SERVER_PORT || dst != DHCP_CLIENT_PORT)
		return false;
	if (!udp_wire_parse(packet, &header) || !dhcp_wire_parse(header.data, &message) ||
	    !dhcp_handle(net->dhcp, &message, header.data))
		net->counters.drop_udp++;
	return true;
}
