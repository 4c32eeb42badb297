/*
 * The servers and domains of <kiln/net.h> as this host knows them: /etc/resolv.conf, see
 * resolv.conf(5). Read anew each time, for a laptop's changes with every network.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <kiln/dns.h>
#include "net.h"

/* "192.0.2.1", "2001:db8::1". A link-local address, which needs its interface's name as
 * well, is none that can be asked here. */
static bool parse_address(const char *text, struct ip_addr *address)
{
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*address = host_ip4(v4);
		return true;
	}
	return inet_pton(AF_INET6, text, address->bytes) == 1;
}

/* Calls `word` for each word behind a line's keyword until it has had enough. */
static void each_word(const char *const *keywords,
                      bool (*word)(const char *word, void *context), void *context)
{
	FILE *file = fopen("/etc/resolv.conf", "re");
	char *line = NULL, *rest;
	size_t size = 0;

	while (file && getline(&line, &size, file) > 0) {
		const char *keyword = strtok_r(line, " \t\n", &rest), *next;
		bool wanted = false;

		for (unsigned i = 0; keyword && keywords[i]; i++)
			wanted |= strcmp(keyword, keywords[i]) == 0;
		while (wanted && (next = strtok_r(NULL, " \t\n", &rest))) {
			if (!word(next, context))
				break;
		}
	}
	free(line);
	if (file)
		fclose(file);
}

struct addresses {
	struct ip_addr *at;
	unsigned count, most;
};

static bool add_address(const char *word, void *context)
{
	struct addresses *list = context;

	if (list->count < list->most && parse_address(word, &list->at[list->count]))
		list->count++;
	return false; /* one a line */
}

unsigned net_dns_servers(const struct net *net, struct ip_addr *servers, unsigned most)
{
	static const char *const keywords[] = {"nameserver", NULL};
	struct addresses list = {servers, 0, most};

	each_word(keywords, add_address, &list);
	return list.count;
}

unsigned net_ntp_servers(const struct net *net, struct ip_addr *servers, unsigned most)
{
	return 0; /* the host's clock is the host's own affair */
}

struct domains {
	struct dns_name *at;
	unsigned count, most;
};

static bool add_domain(const char *word, void *context)
{
	struct domains *list = context;

	if (list->count < list->most &&
	    dns_name_parse(slice_text(word), &list->at[list->count]))
		list->count++;
	return list->count < list->most;
}

unsigned net_search_domains(const struct net *net, struct dns_name *domains,
                            unsigned most)
{
	static const char *const keywords[] = {"search", "domain", NULL};
	struct domains list = {domains, 0, most};

	each_word(keywords, add_domain, &list);
	return list.count;
}
