/*
 * Socket options. One that is a plain number is a line of a table: where in struct
 * door_settings its value is kept, and what it may be. Others have code. What is set is
 * inherited by accepted sockets and given to the connection or the listener there is.
 *
 * Sizes and errno of bad arguments are Linux's: a buffer is cut, a value too short is
 * EINVAL, no pointer EFAULT; options of IPv4 may be a byte.
 */
#include <limits.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/time.h>
#include "door_private.h"
#include "info.h"
#include "../../lib/net/stack.h"

/* ---- values ---- */

static int read_bytes(const void *value, socklen_t size, void *out, size_t out_size)
{
	if (size < out_size)
		return -EINVAL;
	if (!value)
		return -EFAULT;
	memcpy(out, value, out_size);
	return 0;
}

static int read_int(const void *value, socklen_t size, int *out)
{
	return read_bytes(value, size, out, sizeof(*out));
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
	int error = read_bytes(value, size, &time, sizeof(time));

	if (error)
		return error;
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

/* ---- plain numbers ---- */

struct plain {
	int level, name;
	size_t at; /* in struct door_settings: an int, or with `truth` a bool */
	bool truth;
	int least, most; /* else EINVAL */
};

#define NUMBER(level, name, field, least, most)                                        \
	{                                                                              \
		level, name, offsetof(struct door_settings, field), false, least, most \
	}
#define TRUTH(level, name, field)                                                  \
	{                                                                          \
		level, name, offsetof(struct door_settings, field), true, INT_MIN, \
		    INT_MAX                                                        \
	}

static const struct plain plains[] = {
    TRUTH(SOL_SOCKET, SO_REUSEADDR, reuse_address),
    TRUTH(SOL_SOCKET, SO_REUSEPORT, reuse_port),
    TRUTH(SOL_SOCKET, SO_BROADCAST, broadcast),
    TRUTH(SOL_SOCKET, SO_KEEPALIVE, keepalive),
    TRUTH(SOL_SOCKET, SO_OOBINLINE, out_of_band_inline),
    TRUTH(SOL_SOCKET, SO_DONTROUTE, no_route),
    TRUTH(SOL_SOCKET, SO_TIMESTAMP, timestamp),
    NUMBER(SOL_SOCKET, SO_PRIORITY, priority, INT_MIN, INT_MAX),
    NUMBER(SOL_SOCKET, SO_MARK, mark, INT_MIN, INT_MAX),
    TRUTH(IPPROTO_TCP, TCP_NODELAY, nodelay),
    TRUTH(IPPROTO_TCP, TCP_CORK, cork),
    TRUTH(IPPROTO_TCP, TCP_QUICKACK, quick_ack),
    TRUTH(IPPROTO_TCP, TCP_INQ, told_unread),
    NUMBER(IPPROTO_TCP, TCP_KEEPIDLE, keep_idle, 1, 32767),
    NUMBER(IPPROTO_TCP, TCP_KEEPINTVL, keep_interval, 1, 32767),
    NUMBER(IPPROTO_TCP, TCP_KEEPCNT, keep_count, 1, 127),
    NUMBER(IPPROTO_TCP, TCP_SYNCNT, syn_tries, 1, 127),
    NUMBER(IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout, 0, INT_MAX),
    NUMBER(IPPROTO_TCP, TCP_NOTSENT_LOWAT, unsent_low, INT_MIN, INT_MAX),
    NUMBER(IPPROTO_TCP, TCP_LINGER2, linger2, INT_MIN, INT_MAX),
    NUMBER(IPPROTO_IP, IP_TOS, tos, INT_MIN, INT_MAX),
    NUMBER(IPPROTO_IP, IP_MTU_DISCOVER, discover, 0, IP_PMTUDISC_OMIT),
    TRUTH(IPPROTO_IP, IP_RECVERR, told_errors),
    NUMBER(IPPROTO_IPV6, IPV6_MTU_DISCOVER, discover, 0, IP_PMTUDISC_OMIT),
    TRUTH(IPPROTO_IPV6, IPV6_RECVERR, told_errors),
};

static const struct plain *plain_find(int level, int name)
{
	for (size_t i = 0; i < KILN_COUNT_OF(plains); i++)
		if (plains[i].level == level && plains[i].name == name)
			return &plains[i];
	return NULL;
}

static int plain_set(const struct plain *plain, struct door_settings *set, int v)
{
	uint8_t *field = (uint8_t *)set + plain->at;
	bool truth = v;

	if (plain->truth)
		memcpy(field, &truth, sizeof(truth));
	else if (!within(v, plain->least, plain->most))
		memcpy(field, &v, sizeof(v));
	else
		return -EINVAL;
	return 0;
}

static int plain_get(const struct plain *plain, const struct door_settings *set)
{
	const uint8_t *field = (const uint8_t *)set + plain->at;
	int v;

	if (plain->truth)
		return *(const bool *)field;
	memcpy(&v, field, sizeof(v));
	return v;
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
	int error = read_bytes(value, size, &linger, sizeof(linger));

	if (error)
		return error;
	set->linger = linger.l_onoff;
	set->linger_time = KILN_SECONDS((unsigned)linger.l_linger);
	return 0;
}

/* There is one interface, and it has no name. */
static int bind_to_device(const char *name, socklen_t size)
{
	if (size == 0)
		return 0;
	if (!name)
		return -EFAULT;
	return *name ? -ENODEV : 0;
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
	case SO_BINDTODEVICE:
		return bind_to_device(value, size);
	default:
		error = read_int(value, size, &v);
	}
	if (error)
		return error;
	switch (name) {
	case SO_RCVBUF:
	case SO_RCVBUFFORCE:
		set->receive_buffer = buffer_of(v);
		return 0;
	case SO_SNDBUF:
	case SO_SNDBUFFORCE:
		set->send_buffer = buffer_of(v);
		return 0;
	case SO_RCVLOWAT:
		set->receive_low = v < 0 ? INT_MAX : v ? v : 1;
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
	case SO_RCVBUF:
		return write_int(buffer_told(s, set->receive_buffer), value, size);
	case SO_SNDBUF:
		return write_int(buffer_told(s, set->send_buffer), value, size);
	case SO_RCVLOWAT:
		return write_int(set->receive_low, value, size);
	case SO_SNDLOWAT:
		return write_int(1, value, size);
	case SO_BINDTODEVICE:
		return write_bytes("", 0, value, size);
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
	if (size < 1)
		return -EINVAL;
	if (!name)
		return -EFAULT;
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
	case TCP_MAXSEG:
		error = v ? within(v, 88, 32767) : 0;
		if (!error)
			set->mss_most = (uint16_t)v;
		return error;
	case TCP_DEFER_ACCEPT:
		set->defer_accept = v < 0 ? 0 : v;
		return 0;
	case TCP_FASTOPEN:
		if (v < 0 || s->state == DOOR_CONNECTING || s->state == DOOR_CONNECTED)
			return -EINVAL;
		set->fast_open = v;
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
	case TCP_MAXSEG:
		return write_int(mss_told(s), value, size);
	case TCP_DEFER_ACCEPT: /* what it comes to */
		return write_int((1 << door_listen_defers(s)) - 1, value, size);
	case TCP_FASTOPEN:
		return write_int(set->fast_open, value, size);
	default:
		return -ENOPROTOOPT;
	}
}

/* ---- IPPROTO_IP, IPPROTO_IPV6 ---- */

static int set_ttl(struct door_settings *set, int v, int least)
{
	if (within(v, -1, 255) || (v != -1 && v < least))
		return -EINVAL;
	set->ttl = (uint8_t)(v == -1 ? 0 : v);
	return 0;
}

static int set_ip4(struct door_socket *s, int name, int v)
{
	return name == IP_TTL ? set_ttl(&s->set, v, 1) : -ENOPROTOOPT;
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
		return set_ttl(&s->set, v, 0);
	case IPV6_TCLASS:
		if (within(v, -1, 255))
			return -EINVAL;
		s->set.tos = v == -1 ? 0 : v;
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

static int ttl_told(const struct door_socket *s)
{
	enum { DEFAULT = 64 };

	return s->set.ttl ? s->set.ttl : DEFAULT;
}

static int get_ip4(struct door_socket *s, int name, void *value, socklen_t *size)
{
	switch (name) {
	case IP_TTL:
		return write_int(ttl_told(s), value, size);
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
		return write_int(ttl_told(s), value, size);
	case IPV6_TCLASS:
		return write_int(s->set.tos, value, size);
	case IPV6_MTU:
		return path_mtu(s, value, size);
	default:
		return -ENOPROTOOPT;
	}
}

/* ---- the calls ---- */

/* IPPROTO_TCP is for TCP alone, IPPROTO_IPV6 for sockets of that family; IPPROTO_IP is for
 * all, as IPv6's carry IPv4 too. */
static bool has_level(const struct door_socket *s, int level)
{
	return level == SOL_SOCKET || level == IPPROTO_IP ||
	       (level == IPPROTO_TCP && door_is_stream(s)) ||
	       (level == IPPROTO_IPV6 && s->domain == AF_INET6);
}

static int set_other(struct door_socket *s, int level, int name, const void *value,
                     socklen_t size, int v)
{
	switch (level) {
	case SOL_SOCKET:
		return set_socket(s, name, value, size);
	case IPPROTO_TCP:
		return set_tcp(s, name, value, size);
	case IPPROTO_IP:
		return set_ip4(s, name, v);
	default:
		return set_ip6(s, name, v);
	}
}

static int set_option(struct door_socket *s, int level, int name, const void *value,
                      socklen_t size)
{
	const struct plain *plain = plain_find(level, name);
	uint8_t byte = 0;
	int v = 0, error = 0;

	if (size > INT_MAX)
		return -EINVAL;
	if (!has_level(s, level))
		return -ENOPROTOOPT;
	if (level == IPPROTO_IP && size < sizeof(v)) {
		error = read_bytes(value, size, &byte, sizeof(byte));
		v = byte;
	} else if (plain || level == IPPROTO_IP || level == IPPROTO_IPV6) {
		error = read_int(value, size, &v);
	}
	if (!error)
		error = plain ? plain_set(plain, &s->set, v)
		              : set_other(s, level, name, value, size, v);
	if (error || !door_is_stream(s))
		return error;
	if (level == IPPROTO_TCP && name == TCP_QUICKACK && s->conn)
		tcp_set_quick_ack(s->conn, v);
	door_stream_apply(s);
	door_listen_apply(s);
	return 0;
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
	const struct plain *plain = plain_find(level, name);

	if (!size)
		return -EFAULT;
	if (*size > INT_MAX)
		return -EINVAL;
	if (!has_level(s, level))
		return -ENOPROTOOPT;
	if (plain)
		return write_int(plain_get(plain, &s->set), value, size);
	switch (level) {
	case SOL_SOCKET:
		return get_socket(s, name, value, size);
	case IPPROTO_TCP:
		return get_tcp(s, name, value, size);
	case IPPROTO_IP:
		return get_ip4(s, name, value, size);
	default:
		return get_ip6(s, name, value, size);
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
