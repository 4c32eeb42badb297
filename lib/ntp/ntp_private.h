/*
 * The inside of lib/ntp.
 *
 *	ntp.c     servers, rounds, packets       name.c   servers by name
 *	clock.c   the clock that is shown        select.c whom to believe
 */
#ifndef NTP_PRIVATE_H
#define NTP_PRIVATE_H

#include <kiln/appliance.h>
#include <kiln/ntp.h>
#include "ntp_wire.h"

/* ---- clock.c ---- */

/* A clock over the target's monotonic one, with a correction of its frequency, and one of
 * its time that is worked off little by little. */
struct ntp_clock {
	kiln_time base, wall; /* at that monotonic instant it showed this */
	int64_t slew;         /* ns still to be made good from there */
	int32_t frequency;    /* 1e-9 that it is made to run faster */
	kiln_time set_at;     /* the last correction; 0: none yet */
	bool suspect;         /* it seemed far off, once */
};

enum { NTP_FREQUENCY_MOST = 500000 };

kiln_time ntp_clock_read(const struct ntp_clock *clock, kiln_time now);
/* It is behind by `offset`, as measured now. False: it may not be; to be measured again. */
bool ntp_clock_correct(struct ntp_clock *clock, kiln_time now, int64_t offset);

/* ---- select.c ---- */

/* What a server says of our clock: it is behind by offset, give or take error. */
struct ntp_sample {
	int64_t offset, error;
};

/* The offset that more than half of the samples can agree on, weighted by their errors.
 * Returns how many agree, marking them in `agree`; 0: they are no majority. */
unsigned ntp_select(const struct ntp_sample *samples, unsigned count, bool *agree,
                    struct ntp_sample *combined);

/* ---- ntp.c ---- */

struct ntp_server {
	struct ntp *ntp;
	struct ip_addr address;
	bool usable;               /* the address is known */
	bool denied;               /* it has sent us away */
	bool answered;             /* in this round, with `sample` */
	bool late;                 /* its answer took unusually long */
	kiln_time delay;           /* of a round trip, usually; 0: not known */
	unsigned misses;           /* rounds in a row without an answer */
	kiln_time not_before;      /* it asked to be left alone until then */
	struct udp_socket *socket; /* while it is asked */
	kiln_time sent_at;         /* monotonic */
	uint64_t sent;             /* the random number that is to come back */
	uint8_t stratum, leap;
	struct ntp_sample sample;
	/* Finds another address for it; NULL if it was given by address. */
	void (*renew)(struct ntp_server *server);
	void *context; /* of renew */
};

enum ntp_phase { NTP_RESTING, NTP_ASKING, NTP_PAUSING, NTP_REPEATING };

struct ntp {
	struct net *net;
	struct udp *udp;
	struct kiln *kiln;
	struct timer timer;
	enum ntp_phase phase;
	bool told;       /* told: the servers are those that the network tells of */
	unsigned calm;   /* rounds in a row that found little to correct */
	kiln_time shown; /* kiln_wall() does not go back behind it */
	struct ntp_clock clock;
	struct ntp_status status;
	unsigned count;
	struct ntp_server servers[NTP_SERVERS];
};

/* A server whose address is still to be found; NULL: there is no room. */
struct ntp_server *ntp_add_server(struct ntp *ntp);
/* The address of a server is known, or another one. Asks soon. */
void ntp_server_found(struct ntp_server *server, const struct ip_addr *address);

#endif
