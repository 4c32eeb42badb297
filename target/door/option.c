/*
 * Socket options. Each is a line of a table: where its value is kept, and what is done when
 * it changes. A value is kept in struct door_settings, which accepted sockets inherit, and
 * given to the connection there is.
 */
#include <netinet/tcp.h>
#include <string.h>
#include <sys/time.h>
#include "door_private.h"
#include "info.h"
#include "../../lib/net/stack.h"

/* ---- values ---- */

/* An int, or what of it a smaller buffer holds; -EINVAL. */
static int read_int(const void *value, socklen_t size, int *out)
{
	if (!value)
		return -EFAULT;
	if (size < sizeof(*out))
		return -EINVAL;
	memcpy(out, value, sizeof(*out));
	return 0;
}

static int write_bytes(const void *from, size_t from_size, void *value, socklen_t *size)
{
	if (!value || !size)
		return -EFAULT;
	*size = (socklen_t)KILN_MIN(from_size, *size);
	memcpy(value, from, *size);
	return 0;
}

static int write_int(int from, void *value, socklen_t *size)
{
	return write_bytes(&from, sizeof(from), value, size);
}

static int read_time(const void *value, socklen_t size, kiln_time *out)
{
	struct timeval time;

	if (size < sizeof(time))
		return -EINVAL;
	memcpy(&time, value, sizeof(time));
	if (time.tv_usec < 0 || time.tv_usec >= 1000000)
		return -EDOM;
	*out = time.tv_sec < 0 ? 1 : KILN_SECONDS(time.tv_sec) + KILN_US(time.tv_usec);
	return 0;
}

static int write_time(kiln_time from, void *value, socklen_t *size)
{
	struct timeval time = {
	    .tv_sec = (time_t)(from / KILN_SECONDS(1)),
	    .tv_usec = (suseconds_t)(from % KILN_SECONDS(1) / KILN_US(1)),
	};

	return write_bytes(&time, sizeof(time), value, size);
}

static int within(int value, int least, int most)
{
	return value < least || value > most ? -EINVAL : 0;
}

/* ---- SOL_SOCKET ---- */

enum { BUFFER_LEAST = 1152, BUFFER_MOST = 1 << 28 };

static uint32_t buffer_of(int value)
{
	return (uint32_t)(value < BUFFER_LEAST  ? BUFFER_LEAST
	                  : value > BUFFER_MOST ? BUFFER_MOST
	                                        : value);
}

static int set_linger(struct door_settings *set, const void *value, socklen_t size)
{
	struct linger linger;

	if (size < sizeof(linger))
		return -EINVAL;
	memcpy(&linger, value, sizeof(linger));
	set->linger = linger.l_onoff;
	set->linger_time = KILN_SECONDS((unsigned)linger.l_linger);
	return 0;
}

static int set_socket(struct door_socket *s, int name, const void *value, socklen_t size)
{
	struct door_settings *set = &s->set;
	int v = 0, error = 0;

	switch (name) {
	case SO_LINGER:
		return set_linger(set, value, size);
	case SO_RCVTIMEO:
		return read_time(value, size, &set->receive_timeout);
	case SO_SNDTIMEO:
		return read_time(value, size, &set->send_timeout);
	default:
		error = read_int(value, size, &v);
	}
	if (error)
		return error;
	switch (name) {
	case SO_REUSEADDR:
		set->reuse_address = v;
		return 0;
	case SO_REUSEPORT:
		set->reuse_port = v;
		return 0;
	case SO_BROADCAST:
		set->broadcast = v;
		return 0;
	case SO_KEEPALIVE:
		set->keepalive = v;
		return 0;
	case SO_RCVBUF:
		set->receive_buffer = buffer_of(v);
		return 0;
	case SO_SNDBUF:
		set->send_buffer = buffer_of(v);
		return 0;
	case SO_PRIORITY:
	case SO_MARK:
	case SO_OOBINLINE:
	case SO_TIMESTAMP:
	case SO_RCVLOWAT:
	case SO_DONTROUTE:
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

/* What a socket holds by default, doubled as all that Linux tells of buffers is. */
static int buffer_told(const struct door_socket *s, uint32_t set)
{
	struct tcp_facts facts;
	uint32_t own = 65536;

	if (!set && s->conn) {
		tcp_facts(s->conn, &facts);
		own = facts.receive_limit;
	}
	return (int)(2 * (set ? set : own));
}

static int get_socket(struct door_socket *s, int name, void *value, socklen_t *size)
{
	const struct door_settings *set = &s->set;
	struct linger linger = {set->linger, (int)(set->linger_time / KILN_SECONDS(1))};

	switch (name) {
	case SO_ERROR:
		return write_int(door_take_error(s), value, size);
	case SO_TYPE:
		return write_int(s->type, value, size);
	case SO_DOMAIN:
		return write_int(s->domain, value, size);
	case SO_PROTOCOL:
		return write_int(door_is_stream(s) ? IPPROTO_TCP : IPPROTO_UDP, value,
		                 size);
	case SO_ACCEPTCONN:
		return write_int(s->state == DOOR_LISTENING, value, size);
	case SO_LINGER:
		return write_bytes(&linger, sizeof(linger), value, size);
	case SO_RCVTIMEO:
		return write_time(set->receive_timeout, value, size);
	case SO_SNDTIMEO:
		return write_time(set->send_timeout, value, size);
	case SO_REUSEADDR:
		return write_int(set->reuse_address, value, size);
	case SO_REUSEPORT:
		return write_int(set->reuse_port, value, size);
	case SO_BROADCAST:
		return write_int(set->broadcast, value, size);
	case SO_KEEPALIVE:
		return write_int(set->keepalive, value, size);
	case SO_RCVBUF:
		return write_int(buffer_told(s, set->receive_buffer), value, size);
	case SO_SNDBUF:
		return write_int(buffer_told(s, set->send_buffer), value, size);
	default:
		return -ENOPROTOOPT;
	}
}

/* ---- IPPROTO_TCP ---- */

/* By the names that Linux has for them; ours as well. */
static const struct {
	const char *name;
	const struct tcp_congestion *congestion;
} congestions[] = {
    {"cubic", &tcp_cubic},
    {"reno", &tcp_newreno},
    {"newreno", &tcp_newreno},
};

const struct tcp_congestion *door_congestion(struct slice name)
{
	for (size_t i = 0; i < sizeof(congestions) / sizeof(*congestions); i++)
		if (slice_equal(name, slice_text(congestions[i].name)))
			return congestions[i].congestion;
	return NULL;
}

static const char *congestion_name(const struct tcp_congestion *congestion)
{
	for (size_t i = 0; i < sizeof(congestions) / sizeof(*congestions); i++)
		if (congestions[i].congestion == congestion)
			return congestions[i].name;
	return congestions[0].name;
}

static int set_congestion(struct door_settings *set, const char *name, socklen_t size)
{
	const struct tcp_congestion *congestion =
	    door_congestion(slice_of(name, strnlen(name, size)));

	if (!congestion)
		return -ENOENT;
	set->congestion = congestion;
	return 0;
}

static int set_tcp(struct door_socket *s, int name, const void *value, socklen_t size)
{
	struct door_settings *set = &s->set;
	int v = 0, error;

	if (name == TCP_CONGESTION)
		return set_congestion(set, value, size);
	error = read_int(value, size, &v);
	if (error)
		return error;
	switch (name) {
	case TCP_NODELAY:
		set->nodelay = v;
		return 0;
	case TCP_CORK:
		set->cork = v;
		return 0;
	case TCP_MAXSEG:
		error = v ? within(v, 88, 32767) : 0;
		if (!error)
			set->mss_most = (uint16_t)v;
		return error;
	case TCP_KEEPIDLE:
		error = within(v, 1, 32767);
		if (!error)
			set->keep_idle = (uint32_t)v;
		return error;
	case TCP_KEEPINTVL:
		error = within(v, 1, 32767);
		if (!error)
			set->keep_interval = (uint32_t)v;
		return error;
	case TCP_KEEPCNT:
		error = within(v, 1, 127);
		if (!error)
			set->keep_count = (uint32_t)v;
		return error;
	case TCP_USER_TIMEOUT:
		if (v < 0)
			return -EINVAL;
		set->user_timeout = (uint32_t)v;
		return 0;
	case TCP_FASTOPEN:
		if (v < 0 || s->state == DOOR_CONNECTING || s->state == DOOR_CONNECTED)
			return -EINVAL;
		set->fast_open = v;
		door_listen_apply(s);
		return 0;
	case TCP_QUICKACK:
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int mss_told(const struct door_socket *s)
{
	struct tcp_facts facts;

	if (door_stream_is_established(s)) {
		tcp_facts(s->conn, &facts);
		return (int)facts.smss;
	}
	return s->set.mss_most ? s->set.mss_most : 536;
}

static int get_tcp(struct door_socket *s, int name, void *value, socklen_t *size)
{
	const struct door_settings *set = &s->set;
	const struct tcp_congestion *congestion =
	    set->congestion ? set->congestion : s->door->tcp_config.congestion;
	char text[16] = "";

	switch (name) {
	case TCP_INFO:
		return door_get_info(s, value, size);
	case TCP_CONGESTION:
		strncpy(text, congestion_name(congestion), sizeof(text) - 1);
		return write_bytes(text, sizeof(text), value, size);
	case TCP_NODELAY:
		return write_int(set->nodelay, value, size);
	case TCP_CORK:
		return write_int(set->cork, value, size);
	case TCP_MAXSEG:
		return write_int(mss_told(s), value, size);
	case TCP_KEEPIDLE:
		return write_int((int)set->keep_idle, value, size);
	case TCP_KEEPINTVL:
		return write_int((int)set->keep_interval, value, size);
	case TCP_KEEPCNT:
		return write_int((int)set->keep_count, value, size);
	case TCP_USER_TIMEOUT:
		return write_int((int)set->user_timeout, value, size);
	case TCP_FASTOPEN:
		return write_int(set->fast_open, value, size);
	case TCP_QUICKACK:
		return write_int(0, value, size);
	default:
		return -ENOPROTOOPT;
	}
}

/* ---- IPPROTO_IP, IPPROTO_IPV6 ---- */

static int set_discover(struct door_settings *set, int v)
{
	int error = within(v, IP_PMTUDISC_DONT, IP_PMTUDISC_PROBE);

	if (!error)
		set->discover = v;
	return error;
}

static int set_ttl(struct door_settings *set, int v)
{
	if (v == -1)
		v = 0;
	else if (within(v, 1, 255))
		return -EINVAL;
	set->ttl = (uint8_t)v;
	return 0;
}

static int set_ip4(struct door_socket *s, int name, int v)
{
	switch (name) {
	case IP_TTL:
		return set_ttl(&s->set, v);
	case IP_TOS:
		s->set.tos = (uint8_t)v;
		return 0;
	case IP_MTU_DISCOVER:
		return set_discover(&s->set, v);
	case IP_RECVERR:
		s->set.told_errors = v;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int set_ip6(struct door_socket *s, int name, int v)
{
	switch (name) {
	case IPV6_V6ONLY:
		if (s->local.port)
			return -EINVAL;
		s->set.ip6_only = v;
		return 0;
	case IPV6_UNICAST_HOPS:
		return set_ttl(&s->set, v);
	case IPV6_TCLASS:
		s->set.tos = v == -1 ? 0 : (uint8_t)v;
		return within(v, -1, 255);
	case IPV6_MTU_DISCOVER:
		return set_discover(&s->set, v);
	case IPV6_RECVERR:
		s->set.told_errors = v;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

/* The whole packet that the way to the peer takes. */
static int path_mtu(const struct door_socket *s, void *value, socklen_t *size)
{
	enum { IP4_HEADER = 20, IP6_HEADER = 40 };
	bool has_peer = door_is_stream(s) ? s->conn != NULL : s->peer.port != 0;

	if (!has_peer)
		return -ENOTCONN;
	uint32_t mtu = net_path_mtu(s->door->net, &s->peer.addr);
	return write_int((int)mtu + (ip_is4(&s->peer.addr) ? IP4_HEADER : IP6_HEADER),
	                 value, size);
}

static int get_ip4(struct door_socket *s, int name, void *value, socklen_t *size)
{
	switch (name) {
	case IP_TTL:
		return write_int(s->set.ttl ? s->set.ttl : 64, value, size);
	case IP_TOS:
		return write_int(s->set.tos, value, size);
	case IP_MTU_DISCOVER:
		return write_int(s->set.discover, value, size);
	case IP_RECVERR:
		return write_int(s->set.told_errors, value, size);
	case IP_MTU:
		return path_mtu(s, value, size);
	default:
		return -ENOPROTOOPT;
	}
}

static int get_ip6(struct door_socket *s, int name, void *value, socklen_t *size)
{
	switch (name) {
	case IPV6_V6ONLY:
		return write_int(s->set.ip6_only, value, size);
	case IPV6_UNICAST_HOPS:
		return write_int(s->set.ttl ? s->set.ttl : 64, value, size);
	case IPV6_TCLASS:
		return write_int(s->set.tos, value, size);
	case IPV6_MTU_DISCOVER:
		return write_int(s->set.discover, value, size);
	case IPV6_RECVERR:
		return write_int(s->set.told_errors, value, size);
	case IPV6_MTU:
		return path_mtu(s, value, size);
	default:
		return -ENOPROTOOPT;
	}
}

/* ---- the calls ---- */

static int set_option(struct door_socket *s, int level, int name, const void *value,
                      socklen_t size)
{
	int v = 0, error = 0;

	switch (level) {
	case SOL_SOCKET:
		error = set_socket(s, name, value, size);
		break;
	case IPPROTO_TCP:
		error = door_is_stream(s) ? set_tcp(s, name, value, size) : -ENOPROTOOPT;
		break;
	case IPPROTO_IP:
		error = read_int(value, size, &v);
		if (!error)
			error = set_ip4(s, name, v);
		break;
	case IPPROTO_IPV6:
		if (s->domain != AF_INET6)
			return -ENOPROTOOPT;
		error = read_int(value, size, &v);
		if (!error)
			error = set_ip6(s, name, v);
		break;
	default:
		return -ENOPROTOOPT;
	}
	if (!error && door_is_stream(s))
		door_stream_apply(s);
	return error;
}

int kiln_door_setsockopt(struct kiln_door *door, int fd, int level, int name,
                         const void *value, socklen_t size)
{
	struct door_call call;
	struct door_socket *s = door_enter_socket(&call, door, fd);
	return (int)door_leave(&call,
	                       s ? set_option(s, level, name, value, size) : -EBADF);
}

static int get_option(struct door_socket *s, int level, int name, void *value,
                      socklen_t *size)
{
	switch (level) {
	case SOL_SOCKET:
		return get_socket(s, name, value, size);
	case IPPROTO_TCP:
		return door_is_stream(s) ? get_tcp(s, name, value, size) : -ENOPROTOOPT;
	case IPPROTO_IP:
		return get_ip4(s, name, value, size);
	case IPPROTO_IPV6:
		return s->domain == AF_INET6 ? get_ip6(s, name, value, size)
		                             : -ENOPROTOOPT;
	default:
		return -ENOPROTOOPT;
	}
}

int kiln_door_getsockopt(struct kiln_door *door, int fd, int level, int name, void *value,
                         socklen_t *size)
{
	struct door_call call;
	struct door_socket *s = door_enter_socket(&call, door, fd);
	return (int)door_leave(&call,
	                       s ? get_option(s, level, name, value, size) : -EBADF);
}
