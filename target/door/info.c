/*
 * What is told of a socket: TCP_INFO, and the ioctls that count bytes.
 */
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include "info.h"

enum { CA_OPEN, CA_DISORDER, CA_CWR, CA_RECOVERY, CA_LOSS }; /* of tcpi_ca_state */
/* As Linux has them at first. */
enum { SSTHRESH_NONE = 0x7fffffff, REORDERING = 3, DELAYED_ACK_US = 40000 };

static uint32_t us(kiln_time time)
{
	return (uint32_t)KILN_MIN(time / KILN_US(1), UINT32_MAX);
}

static uint32_t ms_since(const struct door_socket *s, kiln_time at)
{
	return at ? (uint32_t)((s->door->now - at) / KILN_MS(1)) : 0;
}

static uint32_t segments(uint32_t bytes, uint32_t smss)
{
	return (bytes + smss - 1) / smss;
}

static void fill(const struct door_socket *s, const struct tcp_facts *f,
                 struct tcp_info *info)
{
	info->tcpi_state = (uint8_t)f->state;
	info->tcpi_ca_state = f->in_loss       ? CA_LOSS
	                      : f->in_recovery ? CA_RECOVERY
	                      : f->sacked      ? CA_DISORDER
	                                       : CA_OPEN;
	info->tcpi_retransmits = f->timeouts;
	info->tcpi_probes = f->probes;
	info->tcpi_backoff = f->backoff;
	info->tcpi_options = (uint8_t)((f->has_timestamps ? TCPI_OPT_TIMESTAMPS : 0) |
	                               (f->has_sack ? TCPI_OPT_SACK : 0) |
	                               (f->has_window_scale ? TCPI_OPT_WSCALE : 0) |
	                               (f->has_ecn ? TCPI_OPT_ECN : 0));
	info->tcpi_snd_wscale = f->snd_wscale & 15;
	info->tcpi_rcv_wscale = f->rcv_wscale & 15;
	info->tcpi_rto = us(f->rto);
	info->tcpi_snd_mss = f->smss;
	info->tcpi_rcv_mss = f->smss;
	info->tcpi_unacked = segments(f->in_flight, f->smss);
	info->tcpi_sacked = segments(f->sacked, f->smss);
	info->tcpi_last_data_sent = ms_since(s, f->last_sent_at);
	info->tcpi_last_data_recv = ms_since(s, f->data_heard_at);
	info->tcpi_last_ack_recv = ms_since(s, f->heard_at);
	info->tcpi_pmtu = f->path_mtu + (ip_is4(&s->peer.addr) ? 20u : 40u);
	info->tcpi_rcv_ssthresh = f->receive_window;
	info->tcpi_rtt = us(f->srtt);
	info->tcpi_rttvar = us(f->rttvar);
	info->tcpi_snd_ssthresh =
	    f->ssthresh >= TCP_SSTHRESH_NONE ? SSTHRESH_NONE : f->ssthresh / f->smss;
	info->tcpi_snd_cwnd = f->cwnd / f->smss;
	info->tcpi_advmss = f->mss_offered;
	info->tcpi_rcv_space = f->receive_limit;
	info->tcpi_rcv_rtt = us(f->receive_rtt);
	info->tcpi_ato = f->data_in ? DELAYED_ACK_US : 0;
	info->tcpi_notsent_bytes = f->unsent;
	info->tcpi_min_rtt = f->min_rtt ? us(f->min_rtt) : UINT32_MAX;
	info->tcpi_reordering = REORDERING;
	info->tcpi_snd_wnd = f->send_window;
	info->tcpi_max_pacing_rate = UINT64_MAX;
}

/* What has passed since the start. */
static void fill_totals(const struct tcp_facts *f, struct tcp_info *info)
{
	info->tcpi_lost = segments(f->lost, f->smss);
	info->tcpi_retrans = segments(f->resent, f->smss);
	info->tcpi_total_retrans = f->again;
	info->tcpi_bytes_acked = f->acked;
	info->tcpi_bytes_received = f->received;
	info->tcpi_bytes_sent = f->sent;
	info->tcpi_bytes_retrans = f->sent_again;
	info->tcpi_segs_in = f->segments_in;
	info->tcpi_segs_out = f->segments_out;
	info->tcpi_data_segs_in = f->data_in;
	info->tcpi_data_segs_out = f->data_out;
	info->tcpi_delivered = f->delivered;
	info->tcpi_delivered_ce = f->marked;
	info->tcpi_dsack_dups = f->twice;
	info->tcpi_reord_seen = f->reordered;
}

int door_get_info(struct door_socket *s, void *value, socklen_t *size)
{
	struct tcp_info info = {.tcpi_state = (uint8_t)door_stream_state(s)};
	struct tcp_facts facts = s->last;

	if (!value || !size)
		return -EFAULT;
	if (s->conn)
		tcp_facts(s->conn, &facts);
	if (facts.smss) {
		fill(s, &facts, &info);
		fill_totals(&facts, &info);
	}
	if (s->state == DOOR_LISTENING) { /* as Linux uses these fields */
		info.tcpi_unacked = (uint32_t)s->queued;
		info.tcpi_sacked = (uint32_t)s->backlog;
	}
	*size = (socklen_t)KILN_MIN(*size, sizeof(info));
	memcpy(value, &info, *size);
	return 0;
}

/* ---- ioctl ---- */

static int unread(const struct door_socket *s)
{
	if (s->state == DOOR_LISTENING)
		return -EINVAL;
	if (door_is_stream(s))
		return (int)door_stream_unread(s);
	return s->datagrams ? (int)s->datagrams->size : 0;
}

static int unacknowledged(const struct door_socket *s, bool unsent)
{
	struct tcp_facts facts;

	if (s->state == DOOR_LISTENING)
		return -EINVAL;
	if (!s->conn)
		return 0;
	tcp_facts(s->conn, &facts);
	return unsent ? (int)facts.unsent : (int)tcp_unsent(s->conn);
}

static int socket_ioctl(struct door_socket *s, unsigned long request, int *argument)
{
	int count;

	if (!argument)
		return -EFAULT;
	switch (request) {
	case FIONBIO:
		s->set.nonblocking = *argument;
		return 0;
	case FIONREAD: /* SIOCINQ */
		count = unread(s);
		break;
	case TIOCOUTQ: /* SIOCOUTQ */
		count = unacknowledged(s, false);
		break;
	case SIOCOUTQNSD:
		count = unacknowledged(s, true);
		break;
	default:
		return -ENOTTY;
	}
	if (count < 0)
		return count;
	*argument = count;
	return 0;
}

int kiln_door_ioctl(struct kiln_door *door, int fd, unsigned long request, ...)
{
	struct door_call call;
	int *argument;
	va_list args;

	va_start(args, request);
	argument = va_arg(args, int *);
	va_end(args);
	struct door_socket *s = door_enter_socket(&call, door, fd);
	return (int)door_leave(&call, s ? socket_ioctl(s, request, argument) : -EBADF);
}
