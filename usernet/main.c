/*
 * kiln-usernet: the start. Its command line is written by `kiln run` (tool/network.c),
 * which has opened everything; see usernet.h for what it does then.
 *
 *	kiln-usernet --link FD,HEADER [--pcap FD]
 *		--tap FD | --net IMAGE/N,GATEWAY,NAMESERVER,OWN,MTU [--closed] [--loopback]
 *			[--most SOCKETS]
 *			[--tcp FD,PORT]... [--udp FD,PORT]...
 *
 * It ends with status 0 when the image's end of the link is closed, and with 1 when
 * something went wrong.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include "../monitor/monitor.h"
#include "usernet.h"

/* For the stack. What is not used is not touched. */
#define MEMORY ((size_t)128 << 20)

static const struct monitor_options self = {.program = "kiln-usernet"};

/* ---- the command line ---- */

static bool read_address(const char *text, uint32_t *address)
{
	struct in_addr in;

	if (inet_pton(AF_INET, text, &in) != 1)
		return false;
	*address = ntohl(in.s_addr);
	return true;
}

static bool read_net(struct usernet_options *o, const char *text)
{
	char image[16], gateway[16], nameserver[16], own[16];

	return sscanf(text, "%15[0-9.]/%u,%15[0-9.],%15[0-9.],%15[0-9.],%hu", image,
	              &o->prefix, gateway, nameserver, own, &o->mtu) == 6 &&
	       o->prefix >= 1 && o->prefix <= 29 && read_address(image, &o->image) &&
	       read_address(gateway, &o->gateway) &&
	       read_address(nameserver, &o->nameserver) && read_address(own, &o->own);
}

static bool read_forward(struct usernet_options *o, const char *text, bool udp)
{
	struct forward *forward = &o->forwards[o->forward_count];

	if (o->forward_count == USERNET_FORWARDS ||
	    sscanf(text, "%d,%hu", &forward->fd, &forward->port) != 2)
		return false;
	forward->udp = udp;
	o->forward_count++;
	return true;
}

static bool take_option(struct usernet_options *o, const char *name, const char *value)
{
	if (strcmp(name, "--link") == 0)
		return sscanf(value, "%d,%u", &o->link, &o->header) == 2 &&
		       o->header <= 12;
	if (strcmp(name, "--pcap") == 0)
		return sscanf(value, "%d", &o->pcap) == 1;
	if (strcmp(name, "--tap") == 0)
		return sscanf(value, "%d", &o->tap) == 1;
	if (strcmp(name, "--net") == 0)
		return read_net(o, value);
	if (strcmp(name, "--most") == 0)
		return sscanf(value, "%u", &o->most) == 1;
	if (strcmp(name, "--tcp") == 0 || strcmp(name, "--udp") == 0)
		return read_forward(o, value, name[2] == 'u');
	return false;
}

static void read_options(struct usernet_options *o, int argc, char **argv)
{
	*o = (struct usernet_options){.link = -1, .pcap = -1, .tap = -1};
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--closed") == 0)
			o->closed = true;
		else if (strcmp(argv[i], "--loopback") == 0)
			o->loopback = true;
		else if (i + 1 == argc || !take_option(o, argv[i], argv[i + 1]))
			monitor_fail(&self, "not as kiln run would say it: %s", argv[i]);
		else
			i++;
	}
	if (o->link < 0 || (o->tap < 0 && o->mtu == 0))
		monitor_fail(&self, "this program is for kiln run to start");
}

/* ---- the start ---- */

/* The stack's own options, as a boot page has them. */
static void fill_boot(struct usernet *usernet, char *options, size_t room)
{
	const struct usernet_options *o = &usernet->options;
	struct kiln_boot *boot = &usernet->host.boot;
	char own[INET_ADDRSTRLEN];
	struct in_addr in = {htonl(o->own)};
	void *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		monitor_fail(&self, "no memory: %s", strerror(errno));
	inet_ntop(AF_INET, &in, own, sizeof(own));
	boot->memory = (uint64_t)(uintptr_t)memory;
	boot->memory_size = MEMORY;
	boot->options = (uint64_t)(uintptr_t)options;
	boot->options_size =
	    (size_t)snprintf(options, room, "ip=%s/%u%clog=error", own, o->prefix, 0) + 1;
	boot->clock_gettime = (uint64_t)(uintptr_t)clock_gettime;
	boot->console = boot->stop = -1;
	if (getrandom(boot->seed, sizeof(boot->seed), 0) != sizeof(boot->seed))
		monitor_fail(&self, "no random numbers: %s", strerror(errno));
}

static int run(struct kiln *k)
{
	struct usernet *usernet = kiln_container(host_of(k), struct usernet, host);
	struct usernet_options *o = &usernet->options;

	loop_add(&k->loop, &usernet->host.source);
	if (!link_open(&usernet->link, &usernet->host, o))
		monitor_fail(&self, "cannot use the link: %s", strerror(errno));
	if (o->tap < 0)
		stack_open(usernet);
	else if (!tap_end_open(&usernet->tap, &usernet->link, o->tap))
		monitor_fail(&self, "cannot use the tap: %s", strerror(errno));
	confine(o);
	kiln_run(k);
	if (usernet->nat)
		nat_end(usernet->nat);
	return usernet->link.ended ? 0 : 1;
}

int main(int argc, char **argv)
{
	static struct usernet usernet;
	static char options[64];

	monitor_open_standard();
	read_options(&usernet.options, argc, argv);
	if (!host_init(&usernet.host))
		monitor_fail(&self, "cannot start: %s", strerror(errno));
	/* Ctrl-C is the image's to answer; this process ends after it. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	fill_boot(&usernet, options, sizeof(options));
	return kiln_start_with(&usernet.host.kiln, run);
}
