/*
 * The servers that the network tells of: see <kiln/net.h>. Read from the lease whenever
 * somebody asks, so that nothing is kept twice, and an image that does not ask has none of
 * this. Those of a lease go before those of router advertisements (RFC 8106, 5.3.1).
 */
#include "dhcp_wire.h"
#include "net_private.h"

/* Of a DHCP option that is a list of IPv4 addresses. */
static unsigned lease_servers(const struct net *net, uint8_t code,
                              struct ip_addr *servers, unsigned most)
{
	uint8_t bytes[DHCP_SIZE_MAX];
	struct writer w = writer_of(bytes, sizeof(bytes));
	unsigned count = 0;

	if (!net->lease_option || !net->lease_option(net, code, &w))
		return 0;
	struct cursor c = cursor_of(writer_done(&w));
	while (count < most && cursor_left(&c) >= 4) {
		uint32_t address = cursor_u32(&c);
		if (ip4_is_host(address))
			servers[count++] = ip_from4(ip4_of(address));
	}
	return count;
}

unsigned net_dns_servers(const struct net *net, struct ip_addr *servers, unsigned most)
{
	unsigned count = lease_servers(net, DHCP_OPTION_DNS, servers, most);

	for (unsigned i = 0; i < NET_RESOLVERS && count < most; i++) {
		if (net->resolvers[i].until > net_now(net))
			servers[count++] = net->resolvers[i].addr;
	}
	return count;
}

unsigned net_ntp_servers(const struct net *net, struct ip_addr *servers, unsigned most)
{
	return lease_servers(net, DHCP_OPTION_NTP, servers, most);
}
