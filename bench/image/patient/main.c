/*
 * For kiln bench net: appliance/web for clients that say nothing for an hour. How long it
 * takes until 100,000 of them are there, and others have been served, is the machine's
 * affair; HTTP's own 30 s may be over by then.
 */
#include <kiln/appliance.h>
#include <kiln/http.h>

KILN_NET(net0, "serves the site");
KILN_PARAM_PORT(port, 80, "TCP port to listen on");
KILN_EMBED_SITE(site, "site");

int appliance(struct kiln *k)
{
	const struct http_limits limits = {.idle = KILN_SECONDS(3600)};
	struct http *http = http_new(tcp_new(net_up(k, &net0)), &limits);

	if (http_listen(http, port, http_files, &site))
		return 1;
	return http_run(http);
}
