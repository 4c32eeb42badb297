/*
 * The queue of errors that a UDP socket with IP_RECVERR or IPV6_RECVERR has, read by
 * recvmsg with MSG_ERRQUEUE: for each ICMP error the datagram that it is about, as far as it
 * was quoted, where that was to go, and who says so.
 */
#include <stdlib.h>
#include <string.h>
#include <linux/errqueue.h>
#include "door_private.h"

enum { QUEUE_MOST = 64 }; /* the newest are lost */

struct door_report {
	struct door_report *next;
	struct sock_extended_err error;
	struct endpoint to;
	struct ip_addr from;
	size_t size;
	uint8_t bytes[];
};

void door_report_add(struct door_socket *s, const struct udp_error *e, int number)
{
	enum { IP4_HEADER = 20, IP6_HEADER = 40 };
	bool ip4 = ip_is4(&e->to.addr);
	struct door_report *report, **end = &s->reports;
	unsigned count = 0;

	for (; *end; end = &(*end)->next)
		count++;
	report = count < QUEUE_MOST ? malloc(sizeof(*report) + e->payload.len) : NULL;
	if (!report)
		return;
	*report = (struct door_report){
	    .error =
	        {
	            .ee_errno = (uint32_t)number,
	            .ee_origin = ip4 ? SO_EE_ORIGIN_ICMP : SO_EE_ORIGIN_ICMP6,
	            .ee_type = e->type,
	            .ee_code = e->code,
	            .ee_info = e->too_big ? e->mtu + (ip4 ? IP4_HEADER : IP6_HEADER) : 0,
	        },
	    .to = e->to,
	    .from = e->from,
	    .size = e->payload.len,
	};
	if (report->size)
		memcpy(report->bytes, e->payload.data, report->size);
	*end = report;
}

static void tell(struct door_socket *s, struct door_message *m,
                 const struct door_report *report)
{
	const struct endpoint from = {report->from, 0};
	bool ip6 = s->domain == AF_INET6;
	struct {
		struct sock_extended_err error;
		union {
			struct sockaddr_in in;
			struct sockaddr_in6 in6;
		} from;
	} told = {.error = report->error};
	socklen_t size = ip6 ? sizeof(told.from.in6) : sizeof(told.from.in);

	(void)door_address_write(s, &from, (struct sockaddr *)&told.from, &size);
	door_control_put(m, ip6 ? IPPROTO_IPV6 : IPPROTO_IP,
	                 ip6 ? IPV6_RECVERR : IP_RECVERR, &told,
	                 sizeof(told.error) + size);
	if (m->address)
		(void)door_address_write(s, &report->to, m->address, m->address_size);
	m->flags_out |= MSG_ERRQUEUE;
	if (report->size > m->size)
		m->flags_out |= MSG_TRUNC;
}

ssize_t door_report_take(struct door_socket *s, struct door_message *m)
{
	struct door_report *report = s->reports;
	size_t size;

	if (!report)
		return -EAGAIN;
	tell(s, m, report);
	size = door_scatter(m, 0, slice_of(report->bytes, report->size));
	s->reports = report->next;
	/* The next call is told of what is next, if anything is. */
	s->error = s->reports ? (int)s->reports->error.ee_errno : 0;
	free(report);
	return (ssize_t)size;
}

void door_reports_free(struct door_socket *s)
{
	while (s->reports) {
		struct door_report *report = s->reports;

		s->reports = report->next;
		free(report);
	}
}
