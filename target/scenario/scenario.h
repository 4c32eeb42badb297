/*
 * A scenario: a network of appliances, and what is to happen in it, as it stands in a text
 * file. `kiln sim` reads it to know what to build, kiln-sim reads it again to run it.
 *
 * The text is a line for each statement, words between blanks, comments behind '#':
 *
 *	seed N
 *	run TIME
 *	link NAME [mtu BYTES] [pcap FILE] [KEY VALUE]...   keys of sim_impairment_option()
 *	switch NAME LINK...
 *	router NAME LINK=ADDRESS/N[,ADDRESS/N]... [route PREFIX via ADDRESS]... [advertise]
 *	host NAME FOLDER LINK=ADDRESS/N[,ADDRESS/N]... [gateway ADDRESS]... [memory SIZE]
 *	     [--PARAMETER VALUE]...
 *	clients N LINK get URL | echo ADDRESS:PORT | read ADDRESS:PORT
 *	     [every TIME] [times N] [size BYTES]
 *	at TIME partition LINK [HOST] | heal LINK [HOST] | link LINK KEY VALUE... | stop HOST
 *	expect WHAT OPERATOR VALUE
 *
 * What a statement names stands in a line before it. Everything that was read lives until
 * the process ends.
 */
#ifndef SCENARIO_H
#define SCENARIO_H

#include <kiln/ip.h>
#include <kiln/sim.h>

enum {
	SCENARIO_NAME = 20, /* with its NUL */
	SCENARIO_PORTS = 8,
	SCENARIO_ADDRESSES = 4,
	SCENARIO_GATEWAYS = 2,
	SCENARIO_ROUTES = 16,
	SCENARIO_OPTIONS = 32,
	SCENARIO_MOST = 1024, /* of each kind of statement */
};

/* An address with the length of its prefix, in bits of its own family; or an address alone
 * (length 0). */
struct scenario_address {
	struct ip_addr addr;
	unsigned length;
};

struct scenario_link {
	const char *name;
	unsigned line;
	struct sim_impairment impairment;
	uint16_t mtu;
	const char *pcap;
	unsigned segment; /* the same for links that switches join */
};

struct scenario_switch {
	const char *name;
	unsigned line;
	unsigned links[SCENARIO_PORTS * 4], link_count;
};

/* Where a router or a host meets a link. */
struct scenario_port {
	unsigned link;
	struct scenario_address addresses[SCENARIO_ADDRESSES];
	unsigned address_count;
};

struct scenario_route {
	struct scenario_address prefix;
	struct ip_addr gateway;
};

struct scenario_router {
	const char *name;
	unsigned line;
	struct scenario_port ports[SCENARIO_PORTS];
	unsigned port_count;
	struct scenario_route routes[SCENARIO_ROUTES];
	unsigned route_count;
	bool advertises;
};

struct scenario_host {
	const char *name, *folder;
	unsigned line;
	struct scenario_port ports[SCENARIO_PORTS];
	unsigned port_count;
	struct ip_addr gateways[SCENARIO_GATEWAYS];
	unsigned gateway_count;
	uint64_t memory;
	const char *options[SCENARIO_OPTIONS]; /* "port=8080" */
	unsigned option_count;
};

enum scenario_task { SCENARIO_GET, SCENARIO_ECHO, SCENARIO_READ };

struct scenario_clients {
	unsigned line;
	unsigned count;
	unsigned link;
	enum scenario_task task;
	struct endpoint to;
	const char *path, *authority; /* of the URL */
	kiln_time every;              /* 0: one after the other */
	uint64_t times;               /* 0: until the end */
	uint64_t size;                /* bytes to be echoed */
};

enum scenario_act {
	SCENARIO_PARTITION,
	SCENARIO_HEAL,
	SCENARIO_LINK,
	SCENARIO_STOP,
};

struct scenario_event {
	unsigned line;
	kiln_time at;
	enum scenario_act act;
	unsigned link;
	int host;                 /* -1: all of the link */
	const char *const *words; /* SCENARIO_LINK: KEY VALUE... */
	unsigned word_count;
};

/* What can be expected of a run. */
enum scenario_figure {
	SCENARIO_REQUESTS,
	SCENARIO_FAILURES,
	SCENARIO_GOODPUT, /* bits/s */
	SCENARIO_P50,     /* times, in ns */
	SCENARIO_P90,
	SCENARIO_P99,
	SCENARIO_SLOWEST,
	SCENARIO_RETRANSMISSIONS,
	SCENARIO_FIGURES,
};
extern const char *const scenario_figure_names[SCENARIO_FIGURES];

struct scenario_expectation {
	unsigned line;
	const char *text; /* as it was written */
	enum scenario_figure figure;
	char comparison[3]; /* "=", "<", "<=", ">", ">=" */
	uint64_t value;
};

struct scenario {
	const char *file; /* as messages name it */
	uint64_t seed;
	kiln_time run;
	struct scenario_link *links;
	struct scenario_switch *switches;
	struct scenario_router *routers;
	struct scenario_host *hosts;
	struct scenario_clients *clients;
	struct scenario_event *events;
	struct scenario_expectation *expectations;
	unsigned link_count, switch_count, router_count, host_count;
	unsigned clients_count, event_count, expectation_count;

	char error[512]; /* "FILE:LINE: what is wrong: what to do" */
};

/* Reads the text, which is changed. False: error says why. */
bool scenario_read(struct scenario *scenario, const char *file, char *text);

/* ---- for the parts of the reader (read_*.c) ---- */

/* A statement while it is read: its words, from the first behind its name on. */
struct statement {
	struct scenario *scenario;
	unsigned line;
	char **words;
	unsigned count, at;
};

/* Writes the error; returns false. */
bool scenario_refuse(struct statement *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The next word; NULL behind the last. */
char *statement_next(struct statement *s);
/* The same, but an error if there is none: `what` is missing. */
char *statement_need(struct statement *s, const char *what);

/* Texts as a statement has them. False, without an error: they make no sense. */
bool scenario_parse_address(const char *text, struct ip_addr *addr);
bool scenario_parse_prefix(const char *text, struct scenario_address *prefix);
bool scenario_parse_endpoint(const char *text, struct endpoint *to);
bool scenario_parse_time(const char *text, kiln_time *time);
/* Whether the address lies in the prefix; they are of one family. */
bool scenario_prefix_has(const struct scenario_address *prefix,
                         const struct ip_addr *addr);

/* The index by name; -1: there is none. */
int scenario_find_link(const struct scenario *scenario, const char *name);
int scenario_find_host(const struct scenario *scenario, const char *name);

/* One more at the end of an array, zeroed; its count is the caller's. NULL with an error:
 * there are SCENARIO_MOST. */
void *scenario_more(struct statement *s, void *array, unsigned *count, size_t size);

/* The statements that make the network, and those that say what happens in it. */
bool scenario_read_link(struct statement *s);
bool scenario_read_switch(struct statement *s);
bool scenario_read_router(struct statement *s);
bool scenario_read_host(struct statement *s);
bool scenario_read_clients(struct statement *s);
bool scenario_read_at(struct statement *s);
bool scenario_read_expect(struct statement *s);

#endif
