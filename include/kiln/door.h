/*
 * The door for outside test drivers: one of Kiln's network stacks in virtual time, behind
 * BSD sockets. A program loads or links libkiln-sim.so, creates a stack, calls its sockets,
 * and is everything else itself: the clock, the link, and the peers on it.
 *
 *	struct kiln_door_config config = {.size = sizeof(config), .ip = "192.0.2.1/24"};
 *	struct kiln_door *door = kiln_door_new(&config);
 *	int fd = kiln_door_socket(door, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
 *
 *	kiln_door_connect(door, fd, address, size);              // -1, EINPROGRESS
 *	n = kiln_door_take(door, packet, sizeof(packet), &when); // the SYN
 *	kiln_door_inject(door, answer, answer_size);             // your SYN-ACK
 *	kiln_door_advance(door, kiln_door_now(door) + 40000000); // 40 ms pass
 *
 * Nothing happens by itself. Virtual time stands still between calls; whatever the stack
 * can do at an instant it has done when a call returns: a segment that answers an injected
 * one can be taken at once. The same calls with the same configuration give the same bytes.
 *
 * Calls. Each returns what the C library's call of that name returns on Linux, with errno
 * set for the calling thread on failure (-1). Addresses, options, flags and structs are
 * those of the system's own headers: struct sockaddr_in and sockaddr_in6, msghdr, iovec,
 * pollfd, linger, tcp_info. Descriptors are the stack's own: the lowest free number from 3
 * on; they are no descriptors of the process. No signal is ever raised: what would be
 * SIGPIPE is EPIPE.
 *
 * Threads. Every function can be called from any thread; the stack is locked meanwhile. How
 * a call waits that must (a blocking socket, poll, a close that lingers) is chosen when the
 * stack is created, see enum kiln_door_blocking.
 *
 * Times are in nanoseconds of virtual time and count from 0, when the stack was created.
 * The stack's timers have a grain of 1 ms: they fire at their time or within 1 ms after it.
 */
#ifndef KILN_DOOR_H
#define KILN_DOOR_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a stack ---- */

struct kiln_door;

/* How a call waits. */
enum kiln_door_blocking {
	/* The call lets virtual time pass itself until it can return: for drivers of one
	 * thread. What it waits for has been injected for a later time, or is the stack's
	 * own doing (a timeout). If nothing at all is left to happen, or a day of virtual
	 * time has gone by, it fails with EDEADLK. */
	KILN_DOOR_ADVANCE,
	/* The calling thread sleeps until another one has injected packets or advanced the
	 * clock so that the call can return. It returns before the clock moves on: it sees
	 * the time at which it could. The wait is a cancellation point (pthread_cancel). */
	KILN_DOOR_WAIT,
};

/* Zero in a field stands for the default. All texts are copied. */
struct kiln_door_config {
	size_t size; /* sizeof(struct kiln_door_config), so that fields can be added */

	/* The stack's addresses with their prefix lengths, "192.0.2.1/24" and
	 * "2001:db8::1/64"; NULL: it does without this family. One of them must be given.
	 * They are in use at once: the driver sees no duplicate address detection. */
	const char *ip, *ip6;
	/* The routers to other networks, "192.0.2.254" and "fe80::2". NULL: there is one
	 * anyhow, so every destination can be reached. The link has no addresses of its own:
	 * neighbours resolve inside, and the driver exchanges IP packets alone, no ARP,
	 * neighbour discovery or multicast listener reports. */
	const char *gateway, *gateway6;

	uint32_t mtu;      /* of the link: the largest IP packet; default 1500 */
	uint32_t path_mtu; /* of all paths, as far as known at first; default: mtu */

	uint32_t initial_window;   /* TCP's initial congestion window, segments; default 10 */
	uint8_t no_timestamps;     /* 1: neither offered nor agreed to */
	uint8_t no_sack;           /* likewise */
	uint8_t no_window_scaling; /* likewise */
	uint8_t ecn;               /* enum kiln_door_ecn */
	const char *congestion;    /* "cubic" (the default) or "reno" */

	uint64_t seed; /* of port numbers, sequence numbers, identifications; default 1 */
	size_t memory; /* bytes that the stack has for all it holds; default 64 MiB */
	/* Bytes that a socket holds unread, and bytes written that it holds until they are
	 * acknowledged. Default: the stack's own, which grow with the path (auto-tuning). */
	uint32_t receive_buffer, send_buffer;
	int blocking;     /* enum kiln_door_blocking */
	const char *pcap; /* all IP packets go to this capture file; NULL: to none */
};

enum kiln_door_ecn {
	KILN_DOOR_ECN_DEFAULT,  /* the stack's own */
	KILN_DOOR_ECN_OFF,      /* neither asked for nor agreed to */
	KILN_DOOR_ECN_ACCEPT,   /* agreed to when the peer asks */
	KILN_DOOR_ECN_REQUEST,  /* asked for, too */
};

/* NULL: EINVAL (a field that means nothing), EAFNOSUPPORT, ENOMEM, or errno of opening the
 * capture file. */
struct kiln_door *kiln_door_new(const struct kiln_door_config *config);
/* Why the last kiln_door_new of this thread failed, or what the stack last complained of: a
 * line of English, never NULL. */
const char *kiln_door_message(void);
/* Ends the stack, without a packet more. No other thread may be in a call of it. */
void kiln_door_free(struct kiln_door *door);

/* ---- time ---- */

#define KILN_DOOR_NEVER UINT64_MAX

uint64_t kiln_door_now(struct kiln_door *door);
/* The next time at which the stack may do something by itself: a timer, a packet injected
 * for later. It may turn out to be nothing. KILN_DOOR_NEVER: it will not. */
uint64_t kiln_door_next(struct kiln_door *door);
/* Lets time pass until `time`, with all that happens until then and at that instant. A time
 * that has passed changes nothing. */
void kiln_door_advance(struct kiln_door *door, uint64_t time);

enum kiln_door_stop {
	KILN_DOOR_ON_PACKET = 1, /* there is a packet to take */
	KILN_DOOR_ON_RETURN = 2, /* a waiting call of another thread has returned */
};
/* The same, but stops at the first instant at which one of `stop` (or-ed) holds; returns the
 * time that it then is. With KILN_DOOR_NEVER it also stops when nothing is left to happen, or
 * nothing that matters: after a day. */
uint64_t kiln_door_run(struct kiln_door *door, uint64_t time, unsigned stop);

/* ---- the link ---- */

/* Gives the stack an IPv4 or IPv6 packet, header first, checksums included, now or at a
 * later time. 0, or -1: EINVAL (no IP packet by its version and length), ENOMEM. What is
 * wrong inside the packet is for the stack to find out. */
int kiln_door_inject(struct kiln_door *door, const void *packet, size_t size);
int kiln_door_inject_at(struct kiln_door *door, const void *packet, size_t size,
			uint64_t time);
/* Takes the next packet that the stack has sent, in order, and stores when it left (`time`
 * may be NULL). Returns its size; 0 if there is none now. A packet that is larger than
 * `capacity` is cut off, its whole size returned. */
size_t kiln_door_take(struct kiln_door *door, void *packet, size_t capacity,
		      uint64_t *time);
/* How many there are to take. */
size_t kiln_door_pending(struct kiln_door *door);

/* ---- sockets ---- */

/*
 * AF_INET and AF_INET6 with SOCK_STREAM (TCP) and SOCK_DGRAM (UDP), and with SOCK_NONBLOCK
 * and SOCK_CLOEXEC or-ed in. AF_INET6 sockets take IPv4-mapped addresses unless IPV6_V6ONLY
 * is set. Differences from Linux that a driver could see:
 *
 * - There is one interface. What is for the stack itself (its own addresses, 127.0.0.0/8,
 *   ::1) arrives at once, and is neither taken by the driver nor captured.
 * - A listening socket takes SYNs while its queue has no more than `backlog` connections,
 *   and then drops them, and the ACKs that would complete a handshake, as Linux does.
 * - Closing a socket with unread bytes, or while SO_LINGER says 0 s, resets the connection;
 *   with SO_LINGER over 0 s close waits until all is acknowledged or the time is over.
 * - A connection is given up after 3 minutes without an answer (ETIMEDOUT), or after
 *   TCP_USER_TIMEOUT; an attempt to connect after the SYNs of TCP_SYNCNT, by default 183 s.
 * - Timeouts of retransmission end at 60 s, not 120 s.
 * - TCP_DEFER_ACCEPT: the SYN-ACK is sent again meanwhile, as Linux did before 2.6.32.
 *
 * Acknowledgements are as quick as Linux's: each of the first 16 segments with data, and of
 * those after a pause, is acknowledged at once, until one is answered by data within 40 ms;
 * then every second one is, or 40 ms later. Out of order or window updates: at once.
 *
 * ICMP errors: one that quotes a SYN of ours fails connect with its errno (ECONNREFUSED,
 * EHOSTUNREACH, ENETUNREACH, ENOPROTOOPT ...). On an established connection it is only kept,
 * and is the error in place of ETIMEDOUT should the connection time out (RFC 5461); with
 * IP_RECVERR or IPV6_RECVERR the next call is told, and the connection goes on. "Too
 * big" lowers the segment size. A connected UDP socket is told hard errors by its next call
 * (ECONNREFUSED for an unreachable port, EMSGSIZE for a datagram that was too big); with
 * IP_RECVERR or IPV6_RECVERR soft ones and unconnected sockets, too, and MSG_ERRQUEUE reads
 * them (struct sock_extended_err, and who said so).
 */

int kiln_door_socket(struct kiln_door *door, int domain, int type, int protocol);
int kiln_door_bind(struct kiln_door *door, int fd, const struct sockaddr *address,
		   socklen_t size);
int kiln_door_listen(struct kiln_door *door, int fd, int backlog);
int kiln_door_accept(struct kiln_door *door, int fd, struct sockaddr *address,
		     socklen_t *size);
int kiln_door_accept4(struct kiln_door *door, int fd, struct sockaddr *address,
		      socklen_t *size, int flags);
int kiln_door_connect(struct kiln_door *door, int fd, const struct sockaddr *address,
		      socklen_t size);
int kiln_door_getsockname(struct kiln_door *door, int fd, struct sockaddr *address,
			  socklen_t *size);
int kiln_door_getpeername(struct kiln_door *door, int fd, struct sockaddr *address,
			  socklen_t *size);
int kiln_door_shutdown(struct kiln_door *door, int fd, int how);
int kiln_door_close(struct kiln_door *door, int fd);

/* Flags: MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, MSG_WAITALL, MSG_ERRQUEUE (UDP); MSG_NOSIGNAL,
 * MSG_MORE (TCP). Control messages are told of MSG_ERRQUEUE and of TCP_INQ; those that are
 * sent are passed over. */
ssize_t kiln_door_read(struct kiln_door *door, int fd, void *data, size_t size);
ssize_t kiln_door_readv(struct kiln_door *door, int fd, const struct iovec *parts,
			int count);
ssize_t kiln_door_recv(struct kiln_door *door, int fd, void *data, size_t size,
		       int flags);
ssize_t kiln_door_recvfrom(struct kiln_door *door, int fd, void *data, size_t size,
			   int flags, struct sockaddr *from, socklen_t *from_size);
ssize_t kiln_door_recvmsg(struct kiln_door *door, int fd, struct msghdr *message,
			  int flags);
ssize_t kiln_door_write(struct kiln_door *door, int fd, const void *data, size_t size);
ssize_t kiln_door_writev(struct kiln_door *door, int fd, const struct iovec *parts,
			 int count);
ssize_t kiln_door_send(struct kiln_door *door, int fd, const void *data, size_t size,
		       int flags);
ssize_t kiln_door_sendto(struct kiln_door *door, int fd, const void *data, size_t size,
			 int flags, const struct sockaddr *to, socklen_t to_size);
ssize_t kiln_door_sendmsg(struct kiln_door *door, int fd, const struct msghdr *message,
			  int flags);

/* F_GETFL, F_SETFL (O_NONBLOCK), F_GETFD, F_SETFD. */
int kiln_door_fcntl(struct kiln_door *door, int fd, int command, ...);
/* FIONREAD or SIOCINQ, SIOCOUTQ or TIOCOUTQ, SIOCOUTQNSD, FIONBIO: the argument points to an
 * int. */
int kiln_door_ioctl(struct kiln_door *door, int fd, unsigned long request, ...);
/* The timeout is in ms of virtual time. */
int kiln_door_poll(struct kiln_door *door, struct pollfd *fds, nfds_t count, int timeout);

/*
 * Options. Unless said otherwise an int.
 *
 *	SOL_SOCKET    SO_REUSEADDR, SO_REUSEPORT, SO_BROADCAST, SO_KEEPALIVE,
 *	              SO_LINGER (struct linger), SO_RCVBUF, SO_SNDBUF (get tells the double,
 *	              as on Linux), SO_RCVLOWAT, SO_RCVTIMEO, SO_SNDTIMEO (struct timeval),
 *	              SO_BINDTODEVICE (ENODEV: the interface has no name);
 *	              get: SO_ERROR, SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ACCEPTCONN
 *	IPPROTO_TCP   TCP_NODELAY, TCP_CORK, TCP_MAXSEG, TCP_KEEPIDLE, TCP_KEEPINTVL,
 *	              TCP_KEEPCNT (s, s, probes), TCP_USER_TIMEOUT (ms), TCP_SYNCNT,
 *	              TCP_DEFER_ACCEPT (s), TCP_QUICKACK, TCP_NOTSENT_LOWAT, TCP_INQ,
 *	              TCP_CONGESTION (text), TCP_FASTOPEN (of a listening socket; clients do
 *	              without), get: TCP_INFO (struct tcp_info of <netinet/tcp.h> or
 *	              <linux/tcp.h>, as much of it as fits)
 *	IPPROTO_IP    IP_TTL, IP_TOS, IP_MTU_DISCOVER (UDP), IP_RECVERR; get: IP_MTU
 *	IPPROTO_IPV6  IPV6_V6ONLY, IPV6_UNICAST_HOPS, IPV6_TCLASS, IPV6_MTU_DISCOVER (UDP),
 *	              IPV6_RECVERR; get: IPV6_MTU
 *
 * These are kept and told, and change nothing: SO_PRIORITY, SO_MARK, SO_OOBINLINE,
 * SO_TIMESTAMP, SO_DONTROUTE, TCP_LINGER2. Others fail with ENOPROTOOPT. An accepted socket
 * has its listener's.
 *
 * In struct tcp_info amounts are as on Linux: tcpi_unacked, tcpi_sacked, tcpi_lost,
 * tcpi_retrans, tcpi_snd_cwnd and tcpi_snd_ssthresh in segments (bytes by the segment size,
 * rounded up), times in us but those of tcpi_last_* in ms. tcpi_bytes_acked and
 * tcpi_bytes_received count data, not SYN and FIN; tcpi_rcv_mss is tcpi_snd_mss. These are 0:
 * tcpi_fackets, tcpi_last_ack_sent, tcpi_pacing_rate, tcpi_delivery_rate, tcpi_busy_time,
 * tcpi_rwnd_limited, tcpi_sndbuf_limited, tcpi_rcv_ooopack. After the end what was known is
 * told.
 */
int kiln_door_getsockopt(struct kiln_door *door, int fd, int level, int name, void *value,
			 socklen_t *size);
int kiln_door_setsockopt(struct kiln_door *door, int fd, int level, int name,
			 const void *value, socklen_t size);

#ifdef __cplusplus
}
#endif

#endif
