/*
 * kiln run -p: ports of this machine that lead into the image. See network.h.
 *
 * The sockets are made here, by the user's own right, so that what is wrong with them is
 * said before anything is started. One socket serves IPv4 and IPv6: addresses of IPv4 are
 * bound as IPv4-mapped ones.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "network.h"

enum { BACKLOG = 4096 };

/* ---- the text ---- */

static _Noreturn void bad(const struct forward *f, const char *what)
{
	fail_usage(
	    "-p %s: %s\n"
	    "kiln: -p takes [NAME=][ADDRESS:]HOST:GUEST[/tcp|/udp], such as 8080:80,\n"
	    "kiln: 127.0.0.1:8080:80, [::1]:8080:80 or 5353:53/udp",
	    f->text, what);
}

/* The decimal number that is the whole text; -1 if it is none, or too large. */
static int port_of(const char *text, size_t length)
{
	int port = 0;

	if (length == 0 || length > 5)
		return -1;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		port = 10 * port + text[i] - '0';
	}
	return port <= UINT16_MAX ? port : -1;
}

static void read_address(struct forward *f, const char *text, size_t length)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char copy[INET6_ADDRSTRLEN] = "";
	bool bracketed = length > 1 && text[0] == '[' && text[length - 1] == ']';

	if (bracketed) {
		text++;
		length -= 2;
	}
	if (length < sizeof(copy))
		memcpy(copy, text, length);
	f->ip6 = bracketed;
	if (bracketed && inet_pton(AF_INET6, copy, f->address) == 1)
		return;
	memcpy(f->address, mapped, sizeof(mapped));
	if (bracketed || inet_pton(AF_INET, copy, f->address + 12) != 1)
		bad(f, "that is no address of this machine (IPv6 ones stand in [])");
}

static const char *read_protocol(struct forward *f, const char *text)
{
	const char *slash = strrchr(text, '/');

	if (!slash)
		return text + strlen(text);
	f->udp = strcmp(slash, "/udp") == 0;
	if (!f->udp && strcmp(slash, "/tcp") != 0)
		bad(f, "behind the / there is tcp or udp");
	return slash;
}

static const char *last_colon(const char *text, const char *end)
{
	while (end > text && *--end != ':')
		;
	return end > text ? end : NULL;
}

void forward_read(struct forward *f, const char *text)
{
	const char *equals = strchr(text, '='), *end, *colon, *before;
	int host, guest;

	*f = (struct forward){.text = text};
	if (equals && (equals == text || equals - text >= (int)sizeof(f->device)))
		bad(f, "no device can have that name");
	if (equals) {
		memcpy(f->device, text, (size_t)(equals - text));
		text = equals + 1;
	}
	end = read_protocol(f, text);
	colon = last_colon(text, end);
	if (!colon)
		bad(f, "it takes two ports, of this machine and of the image");
	guest = port_of(colon + 1, (size_t)(end - colon - 1));
	before = last_colon(text, colon);
	if (before)
		read_address(f, text, (size_t)(before - text));
	before = before ? before + 1 : text;
	host = port_of(before, (size_t)(colon - before));
	if (host < 0 || guest < 0)
		bad(f, "a port is a number up to 65535");
	if (guest == 0)
		bad(f, "the image has no port 0");
	f->host = (uint16_t)host;
	f->guest = (uint16_t)guest;
}

/* ---- the socket ---- */

static const char *protocol(const struct forward *f)
{
	return f->udp ? "udp" : "tcp";
}

static _Noreturn void bind_failed(const struct forward *f)
{
	switch (errno) {
	case EADDRINUSE:
		fail("-p %s: port %u (%s) of this machine is in use: choose another one, "
		     "or\n"
		     "kiln: see who has it: ss -%slnp 'sport = :%u'",
		     f->text, f->host, protocol(f), f->udp ? "u" : "t", f->host);
	case EACCES:
		fail("-p %s: this user may not use port %u: choose one from 1024 on, "
		     "such as "
		     "%u,\nkiln: or allow it with: sudo sysctl "
		     "net.ipv4.ip_unprivileged_port_start=%u",
		     f->text, f->host, f->host + 8000, f->host);
	case EADDRNOTAVAIL:
		fail("-p %s: this machine has no such address (ip address shows those it "
		     "has)",
		     f->text);
	default:
		fail("-p %s: cannot use port %u: %s", f->text, f->host, strerror(errno));
	}
}

/* A kernel without IPv6 has sockets of IPv4 only. */
static int open_ip4(const struct forward *f, struct sockaddr_storage *address,
                    socklen_t *size)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(f->host)};

	memcpy(&in.sin_addr, f->address + 12, sizeof(in.sin_addr));
	memcpy(address, &in, sizeof(in));
	*size = sizeof(in);
	return socket(AF_INET,
	              (f->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK,
	              0);
}

static int open_ip6(const struct forward *f, struct sockaddr_storage *address,
                    socklen_t *size)
{
	struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons(f->host)};
	const int off = 0;
	int fd =
	    socket(AF_INET6,
	           (f->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(&in.sin6_addr, f->address, sizeof(in.sin6_addr));
	memcpy(address, &in, sizeof(in));
	*size = sizeof(in);
	if (fd >= 0)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	return fd;
}

/* Port 0 lets the kernel choose: then it is told. */
static void tell_port(const struct forward *f, int fd)
{
	struct sockaddr_in6 in; /* of IPv4, too, the port is the second field */
	socklen_t size = sizeof(in);

	if (f->host == 0 && getsockname(fd, (struct sockaddr *)&in, &size) == 0)
		fprintf(stderr, "kiln: %s port %u of the image is port %u here\n",
		        protocol(f), f->guest, ntohs(in.sin6_port));
}

int forward_open(const struct forward *f)
{
	struct sockaddr_storage address;
	socklen_t size;
	const int on = 1;
	int fd = open_ip6(f, &address, &size);

	if (fd < 0 && errno == EAFNOSUPPORT && !f->ip6)
		fd = open_ip4(f, &address, &size);
	if (fd < 0)
		bind_failed(f);
	/* Connections that have ended do not keep a port of TCP's. */
	if (!f->udp)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, size) < 0 ||
	    (!f->udp && listen(fd, BACKLOG) < 0))
		bind_failed(f);
	tell_port(f, fd);
	return fd;
}
