/*
 * The network devices of a run: see network.h.
 *
 * A user-mode network is one of its own for each device: the image at .15, its router at
 * .2, its name server at .3, as QEMU's have it, and at .4 whoever connects through -p.
 * Where the user gives the image an address, the others are the first free ones beside
 * it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <kiln/abi/address.h>
#include "../monitor/monitor.h"
#include "network.h"

/* Each frame costs a message, whatever its size; but TCP's window, 256 KB, has to be many
 * frames: with the largest, 65520, transfers of an image on KVM stood still at times. */
enum {
	USER_MTU = 16000,
	PREFIX_MOST = 29,
	FORWARDS_MOST = 64,
	SOCKET_BYTES = 4 << 20,
	MOST_UNSAID = 1024, /* connections out */
	MOST_MOST = 4096,   /* POLLS_MOST in usernet/nat.c */
	TAP_HEADER = 10
};

/* 10.0.2.0/24, as QEMU's and slirp4netns's. */
#define DEFAULT_IMAGE 0x0a00020fu
enum { DEFAULT_PREFIX = 24 };

/* The addresses of one user-mode network, host order. */
struct addresses {
	uint32_t image, gateway, nameserver, own;
	unsigned prefix;
};

/* What one device is bound to. */
struct net {
	const struct image_device *device;
	const char *interface; /* NULL: a user-mode network */
	const char *xdp;       /* INTERFACE[,queue=N]; NULL: the interface is a tap */
	bool closed, loopback;
	unsigned most; /* sockets that the image may have open to the outside */
	struct addresses addresses;           /* of a user-mode network */
	const char *pcap;                     /* NULL: not captured */
	struct words command;                 /* of kiln-usernet */
	int fds[FORWARDS_MOST + 3], fd_count; /* that it gets */
};

struct network {
	struct run *run;
	struct net nets[IMAGE_DEVICES];
	unsigned count;
	unsigned header_size;
};

/* ---- which device gets what ---- */

static const char *device_names(const struct network *n)
{
	struct text text = {0};

	for (unsigned i = 0; i < n->count; i++)
		text_add(&text, "%s%s", i ? ", " : "", n->nets[i].device->name);
	return text.data;
}

/* The device that an option is about: named, or the only one. */
static struct net *net_of(struct network *n, const char *option, const char *value,
                          const char *name)
{
	if (n->count == 0)
		fail_usage("%s %s: the image has no network device", option, value);
	if (!*name && n->count > 1)
		fail_usage("%s %s: for which device? The image has %s: say %s NAME=...",
		           option, value, device_names(n), option);
	for (unsigned i = 0; i < n->count; i++)
		if (!*name || strcmp(n->nets[i].device->name, name) == 0)
			return &n->nets[i];
	fail_usage("%s %s: the image has no network device '%s'; it has %s", option,
	           value, name, device_names(n));
}

/* Splits "NAME=VALUE" if NAME could be a device's, and returns the value. */
static const char *split(const char *text, char *name, size_t size)
{
	size_t length = strcspn(text, "=:/.,");

	*name = '\0';
	if (text[length] != '=' || length == 0 || length >= size)
		return text;
	memcpy(name, text, length);
	name[length] = '\0';
	return text + length + 1;
}

/* One word behind "user,", or false. */
static bool set_flag(struct net *net, const char *flag)
{
	char rest;

	if (strcmp(flag, "closed") == 0)
		return net->closed = true;
	if (strcmp(flag, "loopback") == 0)
		return net->loopback = true;
	return sscanf(flag, "most=%u%c", &net->most, &rest) == 1 && net->most > 0 &&
	       net->most <= MOST_MOST;
}

static void set_user(struct net *net, const char *text, const char *flags)
{
	while (*flags) {
		size_t length = strcspn(++flags, ",");

		if (!set_flag(net, text_format("%.*s", (int)length, flags)))
			fail_usage("--net %s: behind user there is ,closed or ,loopback "
			           "or ,most=N, of connections out, 1 to %d",
			           text, MOST_MOST);
		flags += length;
	}
	net->interface = NULL;
}

/* What the monitor is told; it checks the queue. */
static void set_xdp(const struct network *n, struct net *net, const char *text,
                    const char *source)
{
	if (n->run->manifest.target.target != KILN_TARGET_JAIL)
		fail_usage("--net %s: AF_XDP is for jail images: give this one a tap, "
		           "--net tap:INTERFACE, or build it with -t jail",
		           text);
	net->xdp = source;
	net->interface = text_format("%.*s", (int)strcspn(source, ","), source);
}

static void bind_nets(struct network *n, bool *bound)
{
	for (size_t i = 0; i < n->run->nets.count; i++) {
		const char *text = n->run->nets.item[i];
		char name[20];
		const char *source = split(text, name, sizeof(name));
		struct net *net = net_of(n, "--net", text, name);

		if (bound[net - n->nets])
			fail_usage("--net %s: %s has a network already", text,
			           net->device->name);
		bound[net - n->nets] = true;
		if (strncmp(source, "tap:", 4) == 0 && source[4])
			net->interface = source + 4;
		else if (strncmp(source, "xdp:", 4) == 0 && source[4])
			set_xdp(n, net, text, source + 4);
		else if (strncmp(source, "user", 4) == 0 && strchr(",", source[4]))
			set_user(net, text, source + 4);
		else
			fail_usage("--net takes tap:INTERFACE, xdp:INTERFACE or user, "
			           "not '%s'",
			           source);
	}
}

/* A device with forwards and nothing else has a user-mode network. */
static void bind_forwards(struct network *n, bool *bound)
{
	for (size_t i = 0; i < n->run->forwards.count; i++) {
		struct forward forward;
		struct net *net;

		forward_read(&forward, n->run->forwards.item[i]);
		net = net_of(n, "-p", forward.text, forward.device);
		if (net->interface)
			fail_usage(
			    "-p %s: %s is on the interface %s, where the image is "
			    "reached at its own address: leave out -p, or --net %s:%s",
			    forward.text, net->device->name, net->interface,
			    net->xdp ? "xdp" : "tap", net->interface);
		bound[net - n->nets] = true;
	}
}

static void bind_captures(struct network *n)
{
	for (size_t i = 0; i < n->run->pcaps.count; i++) {
		const char *text = n->run->pcaps.item[i];
		char name[20];
		const char *file = split(text, name, sizeof(name));
		struct net *net;

		if (*name && !image_device(&n->run->manifest, name)) {
			*name = '\0'; /* a file with an = in its name */
			file = text;
		}
		net = net_of(n, "--pcap", text, name);
		if (net->pcap)
			fail_usage("--pcap %s: %s is captured already", text,
			           net->device->name);
		if (net->xdp)
			fail_usage(
			    "--pcap %s: %s is on AF_XDP, whose frames pass nobody "
			    "who could write them: capture at the other end, or use "
			    "a tap",
			    text, net->device->name);
		net->pcap = file;
	}
}

static void find_nets(struct network *n)
{
	const struct image *image = &n->run->manifest;
	bool bound[IMAGE_DEVICES] = {false};

	for (unsigned i = 0; i < image->device_count; i++)
		if (image->devices[i].note.type == KILN_DEVICE_NET)
			n->nets[n->count++].device = &image->devices[i];
	bind_nets(n, bound);
	bind_forwards(n, bound);
	bind_captures(n);
	for (unsigned i = 0; i < n->count; i++)
		if (!bound[i])
			fail_usage("%s needs the network device %s (%s): give it with "
			           "-p HOST:GUEST, --net %s=user or --net %s=tap:NAME",
			           path_display(n->run->image), n->nets[i].device->name,
			           n->nets[i].device->help, n->nets[i].device->name,
			           n->nets[i].device->name);
}

/* ---- addresses ---- */

/* An option of the image's: given now, or fixed by the build; NULL if it is open. */
static const char *option_value(const struct run *run, const char *key)
{
	size_t length = strlen(key);

	for (size_t i = 0; i < run->values.count; i++)
		if (strncmp(run->values.item[i], key, length) == 0 &&
		    run->values.item[i][length] == '=')
			return run->values.item[i] + length + 1;
	for (unsigned i = 0; i < run->manifest.fixed_count; i++)
		if (strcmp(run->manifest.fixed[i].name, key) == 0)
			return run->manifest.fixed[i].value;
	return NULL;
}

static const char *address_text(uint32_t address)
{
	return text_format("%u.%u.%u.%u", address >> 24, address >> 16 & 255,
	                   address >> 8 & 255, address & 255);
}

/* The first address of the network behind `last` that is free. */
static uint32_t next_free(const struct addresses *a, uint32_t last)
{
	do
		last++;
	while (last == a->image || last == a->gateway);
	return last;
}

/* The image has the address that the user gave it, and a router where the user said. */
static struct addresses addresses_around(const struct net *net, const char *ip,
                                         const char *gateway)
{
	struct addresses a = {0};
	const char *end = ip + strcspn(ip, ",");
	uint32_t network, mask, router;

	if (!address_parse_prefix4(ip, end, &a.image, &a.prefix) || a.prefix < 1)
		fail_usage("--ip: %.*s is no address that %s can have", (int)(end - ip),
		           ip, net->device->name);
	if (a.prefix > PREFIX_MOST)
		fail_usage(
		    "--ip: a user-mode network takes at least eight addresses: /%d, "
		    "not /%u",
		    PREFIX_MOST, a.prefix);
	mask = ~(uint32_t)0 << (32 - a.prefix);
	network = a.image & mask;
	if (gateway && address_parse4(gateway, gateway + strlen(gateway), &router) &&
	    (router & mask) == network)
		a.gateway = router;
	if (!a.gateway)
		a.gateway = next_free(&a, network);
	a.nameserver = next_free(&a, network);
	a.own = next_free(&a, a.nameserver);
	if (a.image == network || a.image == (network | ~mask) || a.gateway == a.image)
		fail_usage("--ip: %s is no address that an image can have",
		           address_text(a.image));
	return a;
}

static struct addresses default_addresses(void)
{
	uint32_t network = DEFAULT_IMAGE & ~(uint32_t)255;

	return (struct addresses){.image = DEFAULT_IMAGE,
	                          .gateway = network + 2,
	                          .nameserver = network + 3,
	                          .own = network + 4,
	                          .prefix = DEFAULT_PREFIX};
}

static void choose_addresses(const struct run *run, struct net *net)
{
	const char *ip = option_value(run, "ip");

	ip = ip ? monitor_address_part(ip, net->device->name) : NULL;
	/* libslirp gives the image's by DHCP, where it asks. */
	if (!ip || strncmp(ip, "dhcp", 4) == 0 || strncmp(ip, "off", 3) == 0)
		net->addresses = default_addresses();
	else
		net->addresses = addresses_around(net, ip, option_value(run, "gateway"));
}

/* Without --ip, the image is told its address, which is faster than to ask for it. */
static void give_addresses(struct network *n)
{
	const struct addresses *a = NULL;
	struct run *run = n->run;
	struct text text = {0};

	for (unsigned i = 0; i < n->count; i++) {
		const struct net *net = &n->nets[i];
		text_add(&text, "%s%s=", i ? "," : "ip=", net->device->name);
		if (net->interface) {
			text_add(&text, "dhcp");
			continue;
		}
		a = &net->addresses;
		text_add(&text, "%s/%u", address_text(a->image), a->prefix);
	}
	if (!a || !image_param(&run->manifest, "ip") || option_value(run, "ip"))
		return;
	if (option_value(run, "gateway"))
		fail_usage("--gateway goes with --ip: a user-mode network has its own");
	words_add(&run->values, text.data);
	words_add(&run->values, text_format("gateway=%s", address_text(a->gateway)));
	if (image_param(&run->manifest, "dns") && !option_value(run, "dns"))
		words_add(&run->values,
		          text_format("dns=%s", address_text(a->nameserver)));
}

/* ---- the process behind the link ---- */

static void add_option(struct net *net, const char *option, const char *value, int fd)
{
	words_add(&net->command, option);
	words_add(&net->command, value);
	net->fds[net->fd_count++] = fd;
}

static void add_capture(struct net *net)
{
	int fd = open(net->pcap, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0)
		fail("--pcap: cannot write %s: %s", net->pcap, strerror(errno));
	add_option(net, "--pcap", text_format("%d", fd), fd);
}

static void add_forwards(const struct network *n, struct net *net)
{
	for (size_t i = 0; i < n->run->forwards.count; i++) {
		struct forward forward;
		int fd;

		forward_read(&forward, n->run->forwards.item[i]);
		if (*forward.device && strcmp(forward.device, net->device->name) != 0)
			continue;
		if (i == FORWARDS_MOST)
			fail_usage("more than %d ports by -p", FORWARDS_MOST);
		fd = forward_open(&forward);
		add_option(net, forward.udp ? "--udp" : "--tcp",
		           text_format("%d,%u", fd, forward.guest), fd);
	}
}

static void add_user(const struct network *n, struct net *net)
{
	const struct addresses *a = &net->addresses;

	words_add(&net->command, "--net");
	words_add(&net->command,
	          text_format("%s/%u,%s,%s,%s,%u", address_text(a->image), a->prefix,
	                      address_text(a->gateway), address_text(a->nameserver),
	                      address_text(a->own), USER_MTU));
	if (net->closed)
		words_add(&net->command, "--closed");
	if (net->loopback)
		words_add(&net->command, "--loopback");
	words_add(&net->command, "--most");
	words_add(&net->command, text_format("%u", net->most ? net->most : MOST_UNSAID));
	add_forwards(n, net);
}

static void open_tap(const struct run *run, const struct image_device *device,
                     const char *interface, bool several, unsigned header_size,
                     struct tap *tap)
{
	struct monitor_options options = {.value_count = (unsigned)run->values.count};
	uint32_t address = 0;
	unsigned bits = 0;
	char error[256];

	for (size_t i = 0; i < run->values.count && i < IMAGE_PARAMS; i++)
		options.values[i] = run->values.item[i];
	if (!monitor_host_address(&options, device->name, &address, &bits))
		address = 0;
	if (!tap_open(tap, interface, several, header_size, address, bits, error,
	              sizeof(error)))
		fail("%s", error);
}

void network_open_tap(const struct run *run, const struct image_device *device,
                      const char *interface, unsigned header_size, struct tap *tap)
{
	open_tap(run, device, interface, false, header_size, tap);
}

/* A pair of sockets that takes many frames, so that bursts wait instead of being lost. */
static void make_link(int ends[2])
{
	const int bytes = SOCKET_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) <
	    0)
		fail("cannot make a pair of sockets: %s", strerror(errno));
	for (int i = 0; i < 2; i++)
		(void)setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

/* Starts the process; returns what the monitor is to be told. */
static const char *open_link(const struct network *n, struct net *net,
                             struct supervised *s)
{
	unsigned mtu = USER_MTU;
	int ends[2];

	make_link(ends);
	words_add(&net->command, kiln_path("build/bin/kiln-usernet"));
	add_option(net, "--link", text_format("%d,%u", ends[0], n->header_size), ends[0]);
	if (net->pcap)
		add_capture(net);
	if (net->interface) {
		struct tap tap;
		network_open_tap(n->run, net->device, net->interface, TAP_HEADER, &tap);
		add_option(net, "--tap", text_format("%d", tap.fd), tap.fd);
		mtu = tap.mtu;
	} else {
		add_user(n, net);
	}
	companion_start(s, &net->command, "the network's process", net->fds,
	                (size_t)net->fd_count);
	supervise_hand(s, ends[1]);
	return text_format("%s=fd:%d,%u", net->device->name, ends[1], mtu);
}

/* Those of one of several images are open. */
static void hand_queues(struct run *run, struct supervised *s)
{
	run->nets = run->queues;
	for (size_t i = 0; i < run->nets.count; i++)
		supervise_hand(
		    s, atoi(strstr(run->nets.item[i], "queue:") + strlen("queue:")));
}

void network_open(struct run *run, struct supervised *s, unsigned header_size)
{
	struct network *n = allocate(sizeof(*n));

	if (run->queues.count) {
		hand_queues(run, s);
		return;
	}
	n->run = run;
	n->header_size = header_size;
	find_nets(n);
	for (unsigned i = 0; i < n->count; i++)
		if (!n->nets[i].interface)
			choose_addresses(run, &n->nets[i]);
	give_addresses(n);
	run->nets = (struct words){0};
	for (unsigned i = 0; i < n->count; i++) {
		struct net *net = &n->nets[i];
		if (net->xdp)
			words_add(&run->nets,
			          text_format("%s=xdp:%s", net->device->name, net->xdp));
		else if (net->interface && !net->pcap)
			words_add(&run->nets, text_format("%s=tap:%s", net->device->name,
			                                  net->interface));
		else
			words_add(&run->nets, open_link(n, net, s));
	}
}

/* ---- several images on one network ---- */

/* DHCP and SLAAC would give each its own. */
static void check_shared(const struct network *n)
{
	const char *ip = option_value(n->run, "ip");

	for (unsigned i = 0; i < n->count; i++) {
		const struct net *net = &n->nets[i];
		const char *part =
		    ip ? monitor_address_part(ip, net->device->name) : NULL;

		if (!net->interface || net->xdp || net->pcap)
			fail_usage("--cpus is for images on taps: give %s one with --net "
			           "%s=tap:NAME, without -p and --pcap",
			           net->device->name, net->device->name);
		if (!part || strncmp(part, "dhcp", 4) == 0 ||
		    strncmp(part, "off", 3) == 0)
			fail_usage("--cpus: images that share an address must be given "
			           "it: --ip ADDRESS/BITS");
	}
}

void network_open_queues(struct run *run, unsigned count, unsigned header_size,
                         struct words *nets)
{
	struct network *n = allocate(sizeof(*n));

	n->run = run;
	find_nets(n);
	check_shared(n);
	for (unsigned i = 0; i < n->count; i++) {
		const struct net *net = &n->nets[i];
		uint8_t mac[6];

		if (!tap_choose_mac(mac))
			fail("no random numbers for addresses");
		for (unsigned q = 0; q < count; q++) {
			struct tap tap;

			open_tap(run, net->device, net->interface, true, header_size,
			         &tap);
			if (q == 0)
				steer(tap.fd, net->interface);
			mac[5] = (uint8_t)((mac[5] & ~TAP_QUEUE_BITS) | q);
			words_add(
			    &nets[q],
			    text_format("%s=queue:%d,%u,%x,%02x%02x%02x%02x%02x%02x",
			                net->device->name, tap.fd, tap.mtu, tap.offloads,
			                mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]));
		}
	}
}
