/*
 * For the end-to-end tests: two network devices, each with a server that says its name.
 */
#include <kiln/appliance.h>
#include <kiln/http.h>

KILN_NET(inner, "faces the clients");
KILN_NET(outer, "faces the world");

static void say_name(struct http_exchange *x, const void *name)
{
	http_respond(x, 200, "text/plain", slice_text(name));
}

static void serve(struct kiln *k, const struct kiln_device *device)
{
	struct tcp *tcp = tcp_new(net_up(k, device));

	if (http_listen(http_new(tcp, NULL), 80, say_name, device->name) != KILN_OK)
		kiln_fail(k, "devices", "port 80 cannot be had");
}

int appliance(struct kiln *k)
{
	serve(k, &inner);
	serve(k, &outer);
	return kiln_run(k);
}
