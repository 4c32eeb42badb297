/*
 * For kiln bench net: takes in, or gives out, as many bytes as one connection carries.
 *
 *	port 9	   the Discard Protocol (RFC 863)
 *	port 19	   zeroes without end, as the Character Generator Protocol's letters (RFC 864)
 */
#include <kiln/appliance.h>
#include <kiln/tcp.h>

KILN_NET(net0, "takes and gives bytes");

enum { DISCARD = 9, GENERATE = 19 };

static const uint8_t zeroes[64 << 10];

static void discard(struct tcp_conn *conn, void *user)
{
	tcp_consume(conn, tcp_unread(conn));
	if (tcp_at_end(conn))
		tcp_close(conn);
}

static void generate(struct tcp_conn *conn, void *user)
{
	if (tcp_at_end(conn)) {
		tcp_abort(conn);
		return;
	}
	while (tcp_can_send(conn) &&
	       tcp_send_static(conn, slice_of(zeroes, sizeof(zeroes))))
		;
}

static void closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
}

static bool accepted(struct tcp_conn *conn, void *events)
{
	tcp_own(conn, events, NULL);
	return true;
}

int appliance(struct kiln *k)
{
	static struct tcp_events discards = {discard, closed};
	static struct tcp_events generates = {generate, closed};
	struct tcp *tcp = tcp_new(net_up(k, &net0));
	struct tcp_listener *listener;

	if (tcp_listen(tcp, DISCARD, accepted, &discards, &listener) != KILN_OK ||
	    tcp_listen(tcp, GENERATE, accepted, &generates, &listener) != KILN_OK)
		kiln_fail(k, "bulk", "a port cannot be had");
	return kiln_run(k);
}
