/*
 * The domains that the network tells of: see <kiln/net.h>. A file of its own, for it is
 * where lib/net needs to know of DNS's names.
 */
#include <kiln/dns.h>
#include "dhcp_wire.h"
#include "net_private.h"

/* Names as in a DNS message (RFC 3397), pointers counted from the option's start; those of
 * router advertisements have none, and zeroes behind them (RFC 8106, 5.2). */
static unsigned search_list(struct slice value, struct dns_name *domains, unsigned most)
{
	struct cursor c = cursor_of(value);
	unsigned count = 0;

	while (count < most && cursor_left(&c) &&
	       dns_name_read(value, &c, &domains[count]))
		count += domains[count].size > 1;
	return count;
}

/* Of the lease. */
static unsigned lease_domains(const struct net *net, struct dns_name *domains,
                              unsigned most)
{
	uint8_t bytes[DHCP_SIZE_MAX];
	struct writer w = writer_of(bytes, sizeof(bytes));

	if (!net->lease_option || most == 0)
		return 0;
	if (net->lease_option(net, DHCP_OPTION_SEARCH, &w))
		return search_list(writer_done(&w), domains, most);
	if (net->lease_option(net, DHCP_OPTION_DOMAIN, &w))
		/* Some servers end the text with a NUL (RFC 2132, 2). */
		return dns_name_parse(slice_trim(writer_done(&w), 0), &domains[0]);
	return 0;
}

unsigned net_search_domains(const struct net *net, struct dns_name *domains,
                            unsigned most)
{
	unsigned count = lease_domains(net, domains, most);

	if (net->domains.until > net_now(net))
		count += search_list(slice_of(net->domains.names, net->domains.size),
		                     domains + count, most - count);
	return count;
}
