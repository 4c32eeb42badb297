/*
 * A web site, sealed into an image: put pages into site/ next to this file, and run
 *
 *	kiln run appliance/web --port 80
 *
 * The folder becomes part of the image: there is no disk to read from and nothing that
 * could be written to. Pages are sent from where they lie, compressed for clients that take
 * it, with entity tags, conditional requests and ranges.
 */
#include <kiln/appliance.h>
#include <kiln/http.h>

KILN_NET(net0, "serves the site");
KILN_PARAM_PORT(port, 80, "TCP port to listen on");
KILN_EMBED_SITE(site, "site");

int appliance(struct kiln *k)
{
	/* Ethernet, ARP and IP; the address comes from --ip, or from DHCP. */
	struct net *net = net_up(k, &net0);
	struct tcp *tcp = tcp_new(net);

	return http_serve(tcp, port, http_files, &site);
}
