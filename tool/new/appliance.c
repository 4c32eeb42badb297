/*
 * @NAME@: answers every request with a page from the folder site/.
 */
#include <kiln/appliance.h>
#include <kiln/http.h>

KILN_NET(net0, "serves the pages");
KILN_PARAM_PORT(port, 80, "TCP port to listen on");
KILN_EMBED_SITE(site, "site");

int appliance(struct kiln *k)
{
	struct net *net = net_up(k, &net0);
	struct tcp *tcp = tcp_new(net);

	return http_serve(tcp, port, http_files, &site);
}
