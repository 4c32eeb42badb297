/*
 * Multicast listener discovery (MLDv2, RFC 3810, 5; MLDv1, RFC 2710, 3): a router's
 * queries are read, a listener's reports written. Pure.
 */
#ifndef NET_MLD_WIRE_H
#define NET_MLD_WIRE_H

#include "icmp6_wire.h"

enum { MLD_HOP_LIMIT = 1 };
enum { MLD_V1_SIZE = 24 }; /* a query, report or done of version 1 */
enum { MLD_REPORT_HEADER = 8, MLD_RECORD_HEADER = 20 };

struct mld_v1_wire {            /* a query of version 2 begins like this */
	struct icmp6_wire icmp; /* word: the most to wait with the report << 16 */
	struct ip_addr group;
};
_Static_assert(sizeof(struct mld_v1_wire) == MLD_V1_SIZE, "RFC 2710, 3");
_Static_assert(offsetof(struct mld_v1_wire, group) == 8, "RFC 2710, 3");

struct mld_query_wire {
	struct mld_v1_wire v1;
	uint8_t flags; /* suppress router-side processing, robustness: for routers */
	uint8_t interval;
	struct be16 source_count;
};
_Static_assert(sizeof(struct mld_query_wire) == 28, "RFC 3810, 5.1");

struct mld_record_wire {
	uint8_t type;
	uint8_t auxiliary; /* words behind the sources */
	struct be16 source_count;
	struct ip_addr group;
};
_Static_assert(sizeof(struct mld_record_wire) == MLD_RECORD_HEADER, "RFC 3810, 5.2");
_Static_assert(offsetof(struct mld_record_wire, group) == 4, "RFC 3810, 5.2");

struct mld_query {
	uint8_t version;         /* 1 or 2: what the router speaks */
	uint8_t robustness;      /* 0: not said */
	struct ip_addr group;    /* "::": a general query */
	uint32_t response_delay; /* milliseconds: answer at a random time within it */
	struct slice sources;    /* 16 bytes each; none: not about sources */
};

/* What icmp6_wire_parse took from `packet`. False: not from a neighbour's link-local
 * address, without the hop limit 1 or the router alert (RFC 3810, 6.2), of a size that
 * neither version has, or about no group that a listener has. */
bool mld_wire_parse_query(const struct net_packet *packet, bool router_alert,
                          const struct icmp6_message *icmp, struct mld_query *query);

enum mld_record_type { /* RFC 3810, 5.2.5 */
	               MLD_IS_INCLUDE = 1,
	               MLD_IS_EXCLUDE = 2, /* listens, to all sources: the state */
	               MLD_TO_INCLUDE = 3, /* listens no more: a change */
	               MLD_TO_EXCLUDE = 4, /* begins to listen */
};
struct mld_record {
	enum mld_record_type type;
	struct ip_addr group;
};

/* A report of records without sources, its checksum left zero (see icmp6_wire_emit). */
void mld_wire_emit_report(struct writer *w, const struct mld_record *records,
                          uint16_t count);
/* The same for routers of version 1: ICMP6_MLD_REPORT_V1 or ICMP6_MLD_DONE. `room` is
 * MLD_V1_SIZE bytes. */
void mld_wire_emit_v1(uint8_t *room, uint8_t type, const struct ip_addr *group);

#endif
