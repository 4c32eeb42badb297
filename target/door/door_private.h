/*
 * The inside of libkiln-sim.so: one of Kiln's stacks on a clock and a device that are the
 * driver's, and BSD sockets over its events. See <kiln/door.h> for what it promises.
 *
 *	door.c      a stack's life, its clock, packets in and out
 *	target.c    what stands under lib/: <kiln/target.h>
 *	link.c      the network device, and the neighbours on its link
 *	wait.c      calls that wait, and the threads they wait in
 *	address.c   socket addresses
 *	socket.c    descriptors, names, and the calls that are the same for all sockets
 *	listen.c    listening and accepting       stream.c    TCP
 *	datagram.c  UDP                           message.c   the read and write family
 *	option.c    options                       info.c      TCP_INFO, ioctl
 *	poll.c      readiness                     fault.c     errno of ICMP
 *	errqueue.c  MSG_ERRQUEUE
 *	packetdrill.c  the same by the interface that packetdrill loads
 *
 * All state hangs off struct kiln_door, whose lock every exported call holds. Below the
 * exported calls, functions return 0 or more, or -errno. An event of the stack never does
 * more than note what happened: waiting calls look again after each instant.
 */
#ifndef DOOR_PRIVATE_H
#define DOOR_PRIVATE_H

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <kiln/door.h>
#include <kiln/netdev.h>
#include <kiln/target.h>
#include <kiln/tcp_congestion.h>
#include "../../lib/net/local.h"
#include "../../lib/net/loopback.h"
#include "../../lib/net/tcp_socket.h"
#include "../../lib/net/udp_socket.h"

enum {
	DOOR_SOCKETS = 1024,
	DOOR_FIRST_FD = 3,
	DOOR_SOMAXCONN = 4096,
	DOOR_MESSAGE = 200,
};

/* Of virtual time: what has not happened by then will not. There are things that are tried
 * for ever, but nothing comes of them. */
#define DOOR_LONGEST_WAIT KILN_SECONDS(86400)

/* ---- packets ---- */

/* Frames towards the stack, packets towards the driver; by time. */
struct door_packet {
	struct door_packet *next;
	kiln_time at;
	size_t size;
	uint8_t bytes[];
};

struct door_queue {
	struct door_packet *first, *last;
	size_t count;
};

/* Behind all that are not later. */
void door_queue_put(struct door_queue *queue, struct door_packet *packet);
struct door_packet *door_queue_pop(struct door_queue *queue);
void door_queue_clear(struct door_queue *queue);
/* NULL: no memory. */
struct door_packet *door_packet_new(size_t size, kiln_time at);

/* ---- the stack ---- */

struct kiln_door {
	struct kiln kiln;
	struct kiln_boot boot;
	struct netdev device;
	struct net *net;
	struct tcp *tcp;
	struct udp *udp;
	struct tcp_config tcp_config;
	uint32_t receive_buffer, send_buffer; /* 0: the stack's own */
	char options[512];
	size_t options_size;
	jmp_buf exit_to;
	bool starting; /* exit_to is valid; what is sent goes nowhere */

	/* The clock is the stack's; the driver's is `epoch` less. */
	kiln_time now, epoch, wake_at;
	bool idle;

	struct door_queue in, out;
	int pcap; /* -1: none */

	pthread_mutex_t lock;
	pthread_cond_t woken, settled;
	bool waits;          /* KILN_DOOR_WAIT */
	struct list waiting; /* of struct door_call, asleep */
	unsigned awake;      /* woken, and neither asleep again nor gone */
	uint64_t returns;    /* of calls that had waited */

	struct door_socket *sockets[DOOR_SOCKETS];
};

/* Does all that can be done at this instant. */
void door_settle(struct kiln_door *door);
/* Lets time pass up to an instant, of which all is done; stops at the first one of `stop`. */
void door_run(struct kiln_door *door, kiln_time until, unsigned stop);

/* target.c: for kiln_door_new; false with the message set. */
bool door_start(struct kiln_door *door);
__attribute__((format(printf, 1, 2))) void door_say(const char *format, ...);

/* link.c */
void door_link_init(struct kiln_door *door, uint16_t mtu);
/* An Ethernet frame for the packet, at a time; NULL with errno set. */
struct door_packet *door_frame_new(const void *packet, size_t size, kiln_time at);

/* ---- waiting ---- */

/* A call that may have to wait; it is in the lock. */
struct door_call {
	struct kiln_door *door;
	struct list node;         /* in door->waiting, while asleep */
	struct door_socket *held; /* until it leaves */
	kiln_time deadline;
	kiln_time began;
	bool awake;  /* was asleep, and is counted in door->awake */
	bool waited; /* ever */
};

void door_enter(struct door_call *call, struct kiln_door *door);
/* The same, for a call on a socket; NULL: EBADF, and to be left all the same. */
struct door_socket *door_enter_socket(struct door_call *call, struct kiln_door *door,
                                      int fd);
/* Settles, wakes those who wait, and leaves: the call's result, errno set if it is -errno. */
ssize_t door_leave(struct door_call *call, ssize_t result);
/* Waits for anything to happen, until call->deadline at most. 0: look again; -EAGAIN: the
 * deadline has come; -EDEADLK: nothing ever will. */
int door_wait(struct door_call *call);
void door_set_timeout(struct door_call *call, kiln_time timeout);
/* Wakes all who wait and lets them look; done is when all are asleep again or gone. */
void door_wake(struct kiln_door *door);

/* ---- sockets ---- */

enum door_stream_state {
	DOOR_IDLE, /* neither listens nor is connected */
	DOOR_LISTENING,
	DOOR_CONNECTING, /* until connect has told how it went */
	DOOR_CONNECTED,  /* and has been once, `conn` is NULL when that is over */
};

struct door_datagram {
	struct door_datagram *next;
	struct endpoint from, to;
	size_t size;
	uint8_t bytes[];
};

struct door_settings {
	bool nonblocking, close_on_exec;
	bool reuse_address, reuse_port, broadcast;
	bool keepalive, nodelay, cork, quick_ack;
	bool ip6_only, told_errors; /* IP_RECVERR */
	bool told_unread;           /* TCP_INQ */
	int discover;               /* IP_PMTUDISC_* */
	int tos;
	uint8_t ttl; /* 0: the default */
	bool linger;
	kiln_time linger_time;
	kiln_time receive_timeout, send_timeout;  /* 0: none */
	uint32_t receive_buffer, send_buffer;     /* 0: the stack's own */
	uint16_t mss_most;                        /* 0: none */
	int keep_idle, keep_interval, keep_count; /* s */
	int user_timeout;                         /* ms; 0: the default */
	int syn_tries;   /* SYNs that are sent again; 0: the default */
	int receive_low; /* unread bytes that are worth a wait */
	int unsent_low; /* with less unsent it is ready for more; 0: whatever is unsent */
	int fast_open;  /* of a listener: connections at once; 0: none */
	int defer_accept; /* s */
	/* Those that change nothing. */
	bool out_of_band_inline, no_route, timestamp;
	int priority, mark, linger2;
	const struct tcp_congestion *congestion;
};

struct door_socket {
	struct kiln_door *door;
	int fd; /* -1: not accepted yet */
	int domain, type;
	unsigned users; /* calls that are in it */
	bool closed;    /* those find out, and the last frees it */
	struct door_settings set;
	struct endpoint local, peer; /* local.port 0: not bound */
	int error;                   /* SO_ERROR */
	bool shut_read, shut_write;

	/* TCP */
	enum door_stream_state state;
	struct tcp_conn *conn;
	struct tcp_listener *listener;
	struct door_socket *queue, **queue_end, *queue_next; /* to be accepted */
	int queued, backlog;
	bool ended, end_seen;  /* conn is gone; the peer's FIN had come */
	struct tcp_facts last; /* about it */
	uint8_t *left;         /* what it had received */
	size_t left_size, left_at;

	/* UDP */
	struct udp_socket *udp;
	struct door_datagram *datagrams, **datagrams_end;
	size_t datagram_bytes;
	struct door_report *reports; /* IP_RECVERR: errors to be read */
};

struct door_socket *door_socket_new(struct kiln_door *door, int domain, int type);
/* Its number, or -EMFILE. */
int door_socket_install(struct door_socket *s);
/* Frees it when its stack ends. */
void door_socket_forget(struct door_socket *s);
/* NULL: EBADF. */
struct door_socket *door_socket_get(struct kiln_door *door, int fd);
/* A call that may wait holds its socket, and checks `closed` after each wait. */
void door_hold(struct door_call *call, struct door_socket *s);
void door_socket_release(struct door_socket *s);
/* Whether no other socket stands in the way of one of that type at the endpoint. */
bool door_port_is_free(const struct door_socket *s, const struct endpoint *local);
/* A free port for the socket; 0: none. */
uint16_t door_port_choose(const struct door_socket *s);
/* SO_ERROR, and clears it. */
int door_take_error(struct door_socket *s);

static inline bool door_is_stream(const struct door_socket *s)
{
	return s->type == SOCK_STREAM;
}

/* ---- addresses ---- */

/* -EINVAL, -EAFNOSUPPORT. */
int door_address_read(const struct door_socket *s, const struct sockaddr *address,
                      socklen_t size, struct endpoint *endpoint);
/* The unspecified address as a destination is this host: the address that the socket is
 * bound to, else 127.0.0.1 or ::1. */
void door_address_resolve(const struct door_socket *s, struct endpoint *to);
/* Cut off at *size. -EFAULT, -EINVAL. */
int door_address_write(const struct door_socket *s, const struct endpoint *endpoint,
                       struct sockaddr *address, socklen_t *size);

/* ---- listen.c ---- */

int door_listen(struct door_socket *s, int backlog);
/* Gives the listener, if there is one, the socket's settings. */
void door_listen_apply(struct door_socket *s);
/* SYN-ACKs that are not sent again while a client says nothing (TCP_DEFER_ACCEPT). */
uint8_t door_listen_defers(const struct door_socket *s);
void door_unlisten(struct door_socket *s);

/* ---- stream.c ---- */

/* A message to receive or to send, flags and all. */
struct door_message {
	struct iovec *parts;
	size_t count;
	size_t size; /* of all parts */
	int flags;
	struct sockaddr *address;
	socklen_t *address_size; /* receiving */
	socklen_t to_size;       /* sending */
	void *control;           /* receiving */
	size_t control_size, control_used;
	int flags_out;
};

int door_stream_connect(struct door_call *call, struct door_socket *s,
                        const struct endpoint *to);
void door_stream_disconnect(struct door_socket *s);
ssize_t door_stream_receive(struct door_call *call, struct door_socket *s,
                            struct door_message *m);
ssize_t door_stream_send(struct door_call *call, struct door_socket *s,
                         const struct door_message *m);
int door_stream_shutdown(struct door_socket *s, int how);
void door_stream_close(struct door_call *call, struct door_socket *s);
void door_stream_adopt(struct door_socket *s, struct tcp_conn *conn);
/* Gives the connection, if there is one, the socket's settings. */
void door_stream_apply(struct door_socket *s);
size_t door_stream_unread(const struct door_socket *s);
/* Bytes that a write would take now. */
size_t door_stream_room(const struct door_socket *s);
bool door_stream_is_established(const struct door_socket *s);
/* The state as Linux numbers it. */
int door_stream_state(const struct door_socket *s);
/* Nothing more will be read than what is there. */
bool door_stream_at_end(const struct door_socket *s);
short door_stream_poll(struct door_socket *s);

/* ---- datagram.c ---- */

int door_datagram_bind(struct door_socket *s, const struct endpoint *local);
int door_datagram_connect(struct door_socket *s, const struct endpoint *to);
void door_datagram_disconnect(struct door_socket *s);
ssize_t door_datagram_receive(struct door_call *call, struct door_socket *s,
                              struct door_message *m);
ssize_t door_datagram_send(struct door_call *call, struct door_socket *s,
                           const struct door_message *m);
void door_datagram_close(struct door_socket *s);
short door_datagram_poll(const struct door_socket *s);

/* ---- errqueue.c ---- */

void door_report_add(struct door_socket *s, const struct udp_error *error, int number);
/* The oldest; -EAGAIN: there is none. */
ssize_t door_report_take(struct door_socket *s, struct door_message *m);
void door_reports_free(struct door_socket *s);

/* ---- message.c ---- */

/* Adds a control message, or says that there is no room for it. */
void door_control_put(struct door_message *m, int level, int type, const void *data,
                      size_t size);
/* Copies to the parts from an offset of the message; returns how many bytes fitted. */
size_t door_scatter(const struct door_message *m, size_t offset, struct slice bytes);

/* ---- option.c ---- */

/* By name; NULL: there is none. */
const struct tcp_congestion *door_congestion(struct slice name);

/* ---- fault.c ---- */

/* errno of an ICMP error; *fatal: one that ends or fails what it is about. */
int door_icmp_errno(bool ip6, uint8_t type, uint8_t code, bool *fatal);

#endif
