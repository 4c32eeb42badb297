/*
 * DHCP between whole stacks in sim: clients get addresses over a link that loses frames,
 * and turn down one that another host has already, though the server does not know.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/sim.h>
#include <kiln/udp.h>
#include <lib/net/dhcp_wire.h>

KILN_NET(net0, "to all the others");

enum { MEMORY = 4 << 20, CLIENTS = 8, SEEDS = 50, COOKIE = 0x63825363 };
#define SERVER ip4_of(0x0a000001)
#define FIRST  0x0a000064u /* 10.0.0.100 */

/* A server as simple as they come: an address for each client, and the next one for those
 * that turn theirs down. */
struct server {
	struct udp_socket *socket;
	unsigned declines, next;
	struct {
		uint8_t mac[6];
		uint32_t address;
	} client[CLIENTS];
	unsigned clients;
};

static unsigned client_of(struct server *server, const uint8_t *mac)
{
	for (unsigned i = 0; i < server->clients; i++) {
		if (memcmp(server->client[i].mac, mac, 6) == 0)
			return i;
	}
	assert_true(server->clients < CLIENTS);
	memcpy(server->client[server->clients].mac, mac, 6);
	server->client[server->clients].address = FIRST + server->next++;
	return server->clients++;
}

static void answer(struct server *server, const uint8_t *request, uint8_t type,
                   uint32_t address)
{
	struct endpoint all = {ip_from4(ip4_of(UINT32_MAX)), DHCP_CLIENT_PORT};
	uint8_t bytes[300] = {2, 1, 6, 0};
	struct writer w = writer_of(bytes + 236, sizeof(bytes) - 236);
	struct be32 given = be32_of(address);

	memcpy(bytes + 4, request + 4, 4); /* xid */
	memcpy(bytes + 16, &given, 4);
	memcpy(bytes + 28, request + 28, 6);
	writer_u32(&w, COOKIE);
	writer_bytes(&w, slice_of((uint8_t[]){53, 1, type, 54, 4}, 5));
	writer_u32(&w, ip4_value(SERVER));
	writer_bytes(
	    &w, slice_of((uint8_t[]){51, 4, 0, 0, 0, 120, 1, 4, 255, 255, 255, 0}, 12));
	writer_u8(&w, 255);
	(void)udp_send(server->socket, &all, slice_of(bytes, sizeof(bytes)));
}

static void asked(struct udp_socket *socket, const struct udp_datagram *d, void *context)
{
	struct server *server = context;
	const uint8_t *request = d->payload.data;

	assert_true(d->payload.len >= DHCP_SIZE_MIN && request[240] == 53);
	unsigned client = client_of(server, request + 28);
	switch (request[242]) {
	case DHCP_DISCOVER:
		answer(server, request, DHCP_OFFER, server->client[client].address);
		break;
	case DHCP_REQUEST:
		answer(server, request, DHCP_ACK, server->client[client].address);
		break;
	case DHCP_DECLINE:
		server->declines++;
		server->client[client].address = FIRST + server->next++;
		break;
	default:
		fail();
	}
}

static int server_node(struct kiln *k)
{
	struct server *server = sim_node_user(sim_node_of(k));
	struct udp *udp = udp_new(net_up(k, &net0));

	assert_int_equal(udp_bind(udp, DHCP_SERVER_PORT, asked, server, &server->socket),
	                 KILN_OK);
	return kiln_run(k);
}

static int client_node(struct kiln *k)
{
	struct net **net = sim_node_user(sim_node_of(k));

	*net = net_up(k, &net0);
	return kiln_run(k);
}

/* A server, a host that has 10.0.0.100 without its knowledge, and the clients. */
static unsigned run(uint64_t seed, const struct sim_impairment *impairment)
{
	static const char *const server_options[] = {"ip=10.0.0.1/24", NULL};
	static const char *const squatter_options[] = {"ip=10.0.0.100/24", NULL};
	struct server server = {.declines = 0};
	struct net *squatter, *clients[CLIENTS];
	struct sim *sim = sim_new(seed);
	struct sim_link *link = sim_link_new(sim, impairment, 1500);
	struct sim_node *node =
	    sim_node_new(sim, "server", MEMORY, server_node, server_options);

	sim_node_set_user(node, &server);
	sim_node_net(node, "net0", link);
	node = sim_node_new(sim, "squatter", MEMORY, client_node, squatter_options);
	sim_node_set_user(node, &squatter);
	sim_node_net(node, "net0", link);
	for (unsigned i = 0; i < CLIENTS; i++) {
		node = sim_node_new(sim, "client", MEMORY, client_node, NULL);
		sim_node_set_user(node, &clients[i]);
		sim_node_net(node, "net0", link);
	}
	/* Over several leases of two minutes. */
	assert_false(sim_run(sim, sim_now(sim) + KILN_SECONDS(600)));
	for (unsigned i = 0; i < CLIENTS; i++) {
		assert_true(net_is_up(clients[i]));
		assert_false(ip4_equal(net_address(clients[i]), net_address(squatter)));
		for (unsigned other = 0; other < i; other++)
			assert_false(ip4_equal(net_address(clients[i]),
			                       net_address(clients[other])));
	}
	unsigned declines = server.declines;
	sim_free(sim);
	return declines;
}

static void an_address_that_somebody_has_is_turned_down_once(void **state)
{
	static const struct sim_impairment perfect = {.delay = KILN_MS(1)};

	assert_int_equal(run(1, &perfect), 1);
}

static void every_client_gets_an_address_of_its_own_over_a_bad_link(void **state)
{
	static const struct sim_impairment bad = {.loss = 0.05,
	                                          .duplicate = 0.05,
	                                          .corrupt = 0.01,
	                                          .reorder = 0.05,
	                                          .reorder_delay = KILN_MS(20),
	                                          .delay = KILN_MS(5)};

	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		run(seed, &bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_address_that_somebody_has_is_turned_down_once),
	    cmocka_unit_test(every_client_gets_an_address_of_its_own_over_a_bad_link),
	};

	return cmocka_run_group_tests_name("leases in sim", tests, NULL, NULL);
}
