/*
 * Tap interfaces (Linux, Documentation/networking/tuntap.rst): the host's side of a
 * network device, opened with a virtio-net header so that checksums and segmentation are
 * left to whoever is better at them. Used by both monitors before they lock themselves
 * in.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/if_tun.h>
#include "monitor.h"

/* Since Linux 6.2; absent from older headers. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

/* Where an error goes, and whom it is about. */
struct report {
	const char *interface;
	char *error;
	size_t size;
};

static bool failed(const struct report *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool failed(const struct report *r, const char *format, ...)
{
	int at = snprintf(r->error, r->size, "tap:%s: ", r->interface);
	va_list args;

	if (at > 0 && (size_t)at < r->size) {
		va_start(args, format);
		vsnprintf(r->error + at, r->size - (size_t)at, format, args);
		va_end(args);
	}
	return false;
}

static struct ifreq request_for(const char *interface)
{
	struct ifreq request;

	memset(&request, 0, sizeof(request));
	memcpy(request.ifr_name, interface, strnlen(interface, IFNAMSIZ - 1));
	return request;
}

/* 0: there is none. */
static int index_of(int s, const char *interface)
{
	struct ifreq request = request_for(interface);

	return ioctl(s, SIOCGIFINDEX, &request) < 0 ? 0 : request.ifr_ifindex;
}

/* False with errno. Also finds out whether the interface is new: one that was there before may
 * have gone just then. */
static bool set_interface(struct tap *tap, int s, const char *interface, bool several)
{
	unsigned tries = 0;

	do {
		struct ifreq request = request_for(interface);
		int before = index_of(s, interface);

		tap->created = before == 0;
		request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
		if (several)
			request.ifr_flags |= IFF_MULTI_QUEUE;
		if (ioctl(tap->fd, TUNSETIFF, &request) == 0) {
			tap->created = index_of(s, interface) != before;
			return true;
		}
	} while (monitor_try_again(&tries));
	return false;
}

static bool attach(struct tap *tap, int s, bool several, const struct report *r)
{
	tap->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tap->fd < 0 && errno == ENOENT)
		return failed(r, "no /dev/net/tun: this kernel has no tun driver");
	if (tap->fd < 0 && errno == EACCES)
		return failed(r, "this user may not open /dev/net/tun: run as root, or "
		                 "reach the image without a tap: kiln run -p HOST:GUEST");
	if (tap->fd < 0)
		return failed(r, "cannot open /dev/net/tun: %s", strerror(errno));
	if (set_interface(tap, s, r->interface, several))
		return true;
	switch (errno) {
	case EPERM:
		return failed(r,
		              "not permitted: run as root, or create it before with: "
		              "ip tuntap add dev %s mode tap user $USER",
		              r->interface);
	case EBUSY:
		return failed(
		    r, "in use by another process: stop that, or choose another name");
	case EINVAL:
		if (several && !tap->created)
			return failed(
			    r,
			    "it is no tap, or one with a single queue: remove it, "
			    "or create it with: ip tuntap add dev %s mode tap "
			    "vnet_hdr multi_queue",
			    r->interface);
		return failed(
		    r, "no tap can have that name: it is another interface's, or has "
		       "a character that none may have; choose another");
	default:
		return failed(r, "cannot attach: %s", strerror(errno));
	}
}

static bool set_header(const struct tap *tap, unsigned header_size,
                       const struct report *r)
{
	int size = (int)header_size;

	if (ioctl(tap->fd, TUNSETVNETHDRSZ, &size) < 0)
		return failed(r, "cannot set the header size: %s", strerror(errno));
	return true;
}

/* Asks for the most, then for what older kernels know. */
static bool set_offloads(struct tap *tap, const struct report *r)
{
	static const uint32_t wanted[] = {
	    TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_USO4 | TUN_F_USO6,
	    TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6,
	    TUN_F_CSUM,
	    0,
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (ioctl(tap->fd, TUNSETOFFLOAD, (unsigned long)wanted[i]) == 0) {
			tap->offloads = wanted[i];
			return true;
		}
	}
	return failed(r, "cannot set its offloads: %s", strerror(errno));
}

static void set_ip4(struct sockaddr *to, uint32_t address)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
	                         .sin_addr.s_addr = htonl(address)};

	memcpy(to, &in, sizeof(in));
}

/* Brings the host's end up, with its address if it is to have one. */
static bool configure(int s, uint32_t address, unsigned prefix_bits,
                      const struct report *r)
{
	struct ifreq request = request_for(r->interface);

	if (address) {
		set_ip4(&request.ifr_addr, address);
		if (ioctl(s, SIOCSIFADDR, &request) < 0)
			return failed(r, "cannot set its address: %s", strerror(errno));
		set_ip4(&request.ifr_netmask,
		        (uint32_t)(~(uint64_t)0 << (32 - prefix_bits)));
		if (ioctl(s, SIOCSIFNETMASK, &request) < 0)
			return failed(r, "cannot set its netmask: %s", strerror(errno));
	}
	request = request_for(r->interface);
	if (ioctl(s, SIOCGIFFLAGS, &request) < 0)
		return failed(r, "cannot read its flags: %s", strerror(errno));
	request.ifr_flags |= IFF_UP;
	if (ioctl(s, SIOCSIFFLAGS, &request) < 0)
		return failed(r, "cannot bring it up: %s", strerror(errno));
	return true;
}

static bool read_mtu(struct tap *tap, int s, const struct report *r)
{
	struct ifreq request = request_for(r->interface);

	if (ioctl(s, SIOCGIFMTU, &request) < 0)
		return failed(r, "cannot read its MTU: %s", strerror(errno));
	tap->mtu = (uint16_t)(request.ifr_mtu > 65535 ? 65535 : request.ifr_mtu);
	return true;
}

bool tap_choose_mac(uint8_t mac[6])
{
	if (getrandom(mac, 6, 0) != 6)
		return false;
	mac[0] = (mac[0] & 0xfc) | 2; /* locally administered, one station */
	return true;
}

static bool choose_mac(struct tap *tap, const struct report *r)
{
	return tap_choose_mac(tap->mac) || failed(r, "no random numbers for its address");
}

bool tap_open(struct tap *tap, const char *interface, bool several, unsigned header_size,
              uint32_t address, unsigned prefix_bits, char *error, size_t error_size)
{
	const struct report r = {interface, error, error_size};
	bool ok;
	int s;

	*tap = (struct tap){.fd = -1};
	if (strlen(interface) >= IFNAMSIZ)
		return failed(&r, "an interface's name has at most %d bytes",
		              IFNAMSIZ - 1);
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return failed(&r, "no socket to configure it: %s", strerror(errno));
	ok = attach(tap, s, several, &r) && set_header(tap, header_size, &r) &&
	     set_offloads(tap, &r) &&
	     (!tap->created || configure(s, address, prefix_bits, &r)) &&
	     read_mtu(tap, s, &r) && choose_mac(tap, &r);
	close(s);
	if (!ok && tap->fd >= 0)
		close(tap->fd);
	return ok;
}

void monitor_net_open(const struct monitor_options *options,
                      const struct image_device *device, unsigned header_size,
                      struct tap *tap)
{
	const struct monitor_binding *binding = monitor_binding(options, device);
	uint32_t address = 0;
	unsigned prefix_bits = 0;
	char error[256];
	const struct report link = {"(link)", error, sizeof(error)};
	bool ok;

	if (binding->xdp)
		monitor_fail(options,
		             "%s: AF_XDP is for jail images: give this one a tap",
		             device->name);
	if (binding->source) {
		if (!monitor_host_address(options, device->name, &address, &prefix_bits))
			address = 0;
		ok = tap_open(tap, binding->source, false, header_size, address,
		              prefix_bits, error, sizeof(error));
	} else if (binding->queue) {
		*tap = (struct tap){.fd = binding->link,
		                    .offloads = binding->offloads,
		                    .mtu = binding->mtu,
		                    .shared = true};
		memcpy(tap->mac, binding->mac, sizeof(tap->mac));
		ok = true;
	} else {
		*tap = (struct tap){.fd = binding->link, .mtu = binding->mtu};
		fcntl(tap->fd, F_SETFL, O_NONBLOCK);
		ok = choose_mac(tap, &link);
	}
	if (!ok)
		monitor_fail(options, "%s: %s", device->name, error);
}
