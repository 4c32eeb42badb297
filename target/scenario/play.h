/*
 * A scenario while it runs: its network in the simulator, its hosts and its clients.
 */
#ifndef SCENARIO_PLAY_H
#define SCENARIO_PLAY_H

#include "client.h"
#include "image.h"

struct play {
	struct scenario *scenario;
	struct sim *sim;
	struct sim_link **links; /* as in the scenario */
	struct sim_node **hosts;
	struct image *images;
	uint32_t *next_client; /* of each link: the number of the next client's address */
	struct client *clients;
	struct sim_node **client_nodes;
	unsigned client_count;
	struct tally tally;
	kiln_time ended_at;
	char error[600];
};

/* Makes the network and what is at it. `image_of` tells where the image of a folder is.
 * False: error says why. */
bool play_make(struct play *play, struct scenario *scenario,
               const char *(*image_of)(const char *folder));

/* Until the clients have made their requests, the time is over, or `asked_to_stop` is set;
 * then stops what runs. `look` is called now and then. */
void play_run(struct play *play, const volatile int *asked_to_stop,
              void (*look)(const struct play *play));

/* Segments that all stacks sent again. */
uint64_t play_retransmissions(const struct play *play);

/* ---- for play_*.c ---- */

/* Writes the error; returns false. line 0: of no statement. */
bool play_refuse(struct play *play, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool play_make_hosts(struct play *play, const char *(*image_of)(const char *folder));
bool play_make_clients(struct play *play);
/* "10.0.0.2/24"; valid until the fourth call from here. */
const char *play_address_text(const struct ip_addr *addr, unsigned length);

#endif
