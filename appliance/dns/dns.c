/*
 * A name server: put master files into zones/ next to this file, NAME.zone for each zone, and
 * run
 *
 *	kiln run appliance/dns --port 53
 *
 * The zones are checked and compiled when the image is built, and answered from where they lie
 * in it: a zone with a mistake does not build. More of them may come from a disk, as a tar
 * archive of such a folder. All else is a parameter: who may have zones whole, which zones
 * another server is the primary of, how many answers a second.
 */
#include <kiln/appliance.h>
#include <kiln/dns_disk.h>
#include <kiln/dns_server.h>

KILN_NET(net0, "answers queries");
KILN_EMBED_ZONES(zones, "zones");
KILN_BLOCK_OPTIONAL(archive, "more zones: a tar archive of a folder of master files");

KILN_PARAM_PORT(port, 53, "UDP and TCP port to listen on");
KILN_PARAM_STRING(version, "", "answer to version.bind; none: it is refused");
KILN_PARAM_STRING(identity, "",
                  "answer to hostname.bind and id.server, and NSID; none: refused");
KILN_PARAM_BOOL(disk_zones, yes, "take the zones of the disk, if there is one");
KILN_PARAM_UINT(udp_size, 1232, 512, 4096, "bytes of an answer by UDP, at most");
KILN_PARAM_UINT(tcp_conns, 1000, 1, 100000, "TCP connections at once");
KILN_PARAM_STRING(cookies, "",
                  "secret of DNS cookies, 32 hexadecimal digits; none: a random one");
KILN_PARAM_UINT(rate, 0, 0, 100000,
                "answers a second to one network that are alike; 0: any number");
KILN_PARAM_UINT(slip, 2, 1, 255,
                "of so many answers above the rate one is sent, truncated");
KILN_PARAM_UINT(metrics, 0, 0, 65535, "TCP port of /metrics, for Prometheus; 0: none");
KILN_PARAM_STRING(keys, "",
                  "TSIG keys: hmac-sha256:NAME:SECRET, with commas between them");
KILN_PARAM_STRING(transfer, "",
                  "who may have zones whole: networks, addresses, key:NAME, any");
KILN_PARAM_STRING(secondary, "",
                  "zones of other primaries: ZONE=ADDRESS, or ZONE=ADDRESS/KEY");
KILN_PARAM_STRING(notify, "", "whom to tell of new zones: addresses, or ADDRESS/KEY");

enum { CONN_MEMORY = 16 << 10 }; /* by which it is shared among connections */

static void add_zone(struct kiln *k, struct dns_server *server, struct slice compiled)
{
	struct dns_zone *zone = kiln_alloc(k, sizeof(*zone), "zones");

	if (!dns_zone_open(zone, compiled) || !dns_server_add(server, zone))
		kiln_fail(k, "dns", "what was compiled is no zone");
}

static void add_disk(struct kiln *k, struct dns_server *server, struct dns_disk *disk)
{
	struct slice compiled;

	while (dns_disk_next(disk, &compiled))
		add_zone(k, server, compiled);
	if (!dns_disk_close(disk))
		kiln_fail(k, "dns",
		          "a zone of the disk cannot be served: see above; if memory is "
		          "what is missing, give more with -m");
}

static void check(struct kiln *k, bool good, const char *parameter,
                  const struct dns_mistake *mistake)
{
	if (!good)
		kiln_fail(k, "dns", "--%s: '%.*s' %s", parameter,
		          SLICE_ARG(mistake->text), mistake->why);
}

/* What is asked for. What is fixed not to be, when the image is built, is not in it. */
static void add_options(struct kiln *k, struct dns_server *server, struct udp *udp,
                        struct tcp *tcp)
{
	struct dns_rate limit = {.answers = (uint32_t)rate, .slip = (uint32_t)slip};
	struct dns_mistake m;

	if (rate)
		dns_server_limit(server, &limit);
	if (*keys)
		check(k, dns_server_keys(server, slice_text(keys), &m), "keys", &m);
	if (*transfer)
		check(k, dns_server_transfers(server, slice_text(transfer), &m),
		      "transfer", &m);
	if (*notify)
		check(k, dns_server_notify(server, udp, slice_text(notify), &m), "notify",
		      &m);
	if (metrics && dns_server_metrics(server, tcp, (uint16_t)metrics))
		kiln_fail(k, "dns", "TCP port %u cannot be had", (unsigned)metrics);
}

/* Behind everything else: they have most of the memory that is left. */
static void add_secondaries(struct kiln *k, struct dns_server *server, struct tcp *tcp)
{
	struct dns_mistake m;

	if (*secondary)
		check(k, dns_server_secondaries(server, tcp, slice_text(secondary), &m),
		      "secondary", &m);
}

int appliance(struct kiln *k)
{
	struct net *net = net_up(k, &net0);
	struct udp *udp = udp_new(net);
	/* The rest is for zones. */
	struct tcp_config streams = {.memory = (size_t)tcp_conns * CONN_MEMORY};
	struct tcp *tcp = tcp_new_with(net, &streams);
	struct dns_server_config config = {
	    .version = slice_text(version),
	    .host = slice_text(identity),
	    .nsid = slice_text(identity),
	    .udp_size = (uint16_t)udp_size,
	    .conns = (uint32_t)tcp_conns,
	    .cookie_secret = slice_text(cookies),
	};
	struct block *block = disk_zones ? block_find(k, &archive) : NULL;
	struct dns_disk *disk = block ? dns_disk_open(k, block) : NULL;
	unsigned count = (unsigned)zones.count + (disk ? disk->zones : 0);
	unsigned others = dns_server_list_count(slice_text(secondary));
	struct dns_server *server = dns_server_new(k, &config, count + others);

	for (size_t i = 0; i < zones.count; i++)
		add_zone(k, server, zones.files[i].content);
	if (disk)
		add_disk(k, server, disk);
	add_options(k, server, udp, tcp);
	if (dns_server_udp(server, udp, port) || dns_server_tcp(server, tcp, port))
		kiln_fail(k, "dns", "port %u cannot be had", port);
	add_secondaries(k, server, tcp);
	log_info(k, "dns", "%u zones of its own, on port %u", count, port);
	return kiln_run(k);
}
