/*
 * What the monitors share before they part: the command line, the image file, and the host's
 * side of the devices that the manifest names.
 *
 *	kiln-jail|kiln-kvm [--net NAME=tap:INTERFACE|NAME=xdp:INTERFACE[,queue=N]|NAME=fd:N,MTU]...
 *		[--disk NAME=FILE]...
 *		[-m SIZE] [--cpu N] [--spin TIME] [--rest TIME] [--io-uring on|off]
 *		[--log LEVEL] [--report FD] [--gdb FD|--hold]
 *		IMAGE [KEY=VALUE]...
 *
 * Functions that can fail return false and leave a sentence, without full stop, in `error`.
 * Nothing here allocates: texts point into argv, the image's bytes stay mapped.
 */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include <sys/types.h>
#include <stdarg.h>
#include "image.h"

enum { MONITOR_EXIT_FAILED = 1, MONITOR_EXIT_USAGE = 2 };
enum { MONITOR_KEPT = IMAGE_DEVICES + 2 };

/* A device as the command line binds it to its name in the manifest. */
struct monitor_binding {
	char name[20];      /* in the manifest; "" stands for the only one of its type */
	uint32_t type;      /* enum kiln_device_type */
	const char *source; /* the interface, or the file; NULL: */
	int link;           /* a network device that is open: see monitor_net_open() */
	uint16_t mtu;       /* of its frames */
	bool queue;         /* it is one of several queues of a tap, with these: */
	uint32_t offloads;
	uint8_t mac[6];
	bool xdp;           /* jail: the interface is no tap; AF_XDP takes this of it: */
	uint16_t xdp_queue;
};

/* The bits of an address's last byte in which the images of a tap's queues differ, each by the
 * number of its own. */
enum { TAP_QUEUES = 16, TAP_QUEUE_BITS = TAP_QUEUES - 1 };

struct monitor_options {
	const char *program; /* the monitor's own name, for messages */
	const char *image;   /* path */
	struct monitor_binding bindings[IMAGE_DEVICES];
	unsigned binding_count;
	uint64_t memory;  /* bytes, a multiple of 4096; 8 MiB unless given */
	int cpu;          /* to run on; -1: any */
	uint64_t spin;    /* ns to poll before blocking */
	uint64_t rest;    /* jail: ns to rest at a time under load */
	bool io_uring;    /* jail: frames go by it, where the kernel has it */
	uint64_t started; /* monotonic ns when the monitor began */
	int report;       /* where records for the parent go (report.h); -1: nowhere */
	int gdb;          /* kvm: a listening socket for a debugger; -1: none */
	bool hold;        /* jail: stop just before the image, for a debugger to attach */
	/* Inherited descriptors that options name, ascending: all others are closed. */
	int kept[MONITOR_KEPT];
	unsigned kept_count;
	/* "key=value", the image's; --log is among them. Ends with NULL. */
	const char *values[IMAGE_PARAMS + 1];
	unsigned value_count;
	char log_value[16]; /* where --log's "log=LEVEL" is kept */
};

/* Reads the command line, and closes the inherited descriptors that it does not name: the
 * files, pipes and locks behind them are no business of an image. On a mistake, or --help,
 * prints and ends the process. */
void monitor_options_read(struct monitor_options *options, int argc, char **argv);

/* Prints "program: sentence" to the standard error and ends with the status. */
_Noreturn void monitor_end(const struct monitor_options *options, int status,
                           const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));
/* The same with MONITOR_EXIT_FAILED. */
_Noreturn void monitor_fail(const struct monitor_options *options, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Maps the file, parses it, and checks that it is an image for this target and ABI, that its
 * options fit, and that devices and bindings are the same set; a device that the image runs
 * without is taken out of the manifest if it is not there. Each binding's name is then the
 * manifest's. Ends the process with a message if anything is wrong.
 *
 * What is mapped is a copy, where the kernel makes one: its descriptor is the result, and the
 * caller's to close; else -1. A file above MONITOR_COPY_MOST bytes is not copied, and the
 * descriptor is its own.
 */
enum { MONITOR_COPY_MOST = 8 << 20 };
int monitor_image_open(struct monitor_options *options, enum kiln_target_id target,
		       struct image *image);

/* A copy of a part of a file, in memory, which nobody can change while it is looked at, and then
 * run: its descriptor, the caller's to close; -1: the kernel makes none. */
int monitor_copy(int file, off_t from, size_t size);

/* The binding of a device of the manifest; there is one after monitor_image_open(). */
const struct monitor_binding *monitor_binding(const struct monitor_options *options,
					      const struct image_device *device);

/* Bytes that monitor_options_copy() writes: all the texts with their NULs. */
size_t monitor_options_size(const struct monitor_options *options);
struct kiln_boot;
/* Fills in what both monitors tell their image: who made it, the options, in the
 * monitor_options_size() bytes behind it, random numbers. `address`: where the image will
 * see it. */
void monitor_boot_fill(const struct monitor_options *options, struct kiln_boot *boot,
		       uint64_t address);

/*
 * What --ip and --gateway say for the host's end of a network: false if --ip has no fixed
 * address for this device, or the gateway is not in its prefix. Addresses in host order.
 */
bool monitor_host_address(const struct monitor_options *options, const char *device,
			  uint32_t *address, unsigned *prefix_bits);

/* The device's part of --ip, "10.0.0.2/24" or "net0=10.0.0.2/24,net1=dhcp"; it ends at a
 * comma or with the text. NULL if there is none. */
const char *monitor_address_part(const char *text, const char *device);

/* A network device of the host, open and up. */
struct tap {
	int fd;            /* non-blocking */
	bool created;      /* by this process: it vanishes with its last descriptor */
	uint32_t offloads; /* TUN_F_* that may come from it; it takes the same */
	uint16_t mtu;
	uint8_t mac[6]; /* for the image's end: random, locally administered */
	bool shared;    /* one of several queues */
};

/*
 * Opens the tap interface, creating it if there is none, with a virtio-net header of
 * `header_size` bytes (10, or 12 with num_buffers) on every frame. One that was created is
 * brought up, and given `address` (host order; 0: none) with its prefix length. `several`:
 * it is to have a queue for each time it is opened so.
 */
bool tap_open(struct tap *tap, const char *interface, bool several, unsigned header_size,
	      uint32_t address, unsigned prefix_bits, char *error, size_t error_size);

/* A random address for an image's end. False: there are no random numbers. */
bool tap_choose_mac(uint8_t mac[6]);

/*
 * Opens what the device is bound to: a tap; or what `kiln run` has opened, a queue of one, or
 * a socket, on which each message is one frame behind such a header, without offloads. Ends
 * the process with a message if it cannot.
 */
void monitor_net_open(const struct monitor_options *options,
		      const struct image_device *device, unsigned header_size,
		      struct tap *tap);

/* A file or block device of the host. */
struct disk {
	int fd;
	bool read_only; /* the file could not be opened for writing */
	uint64_t size;  /* bytes, rounded down to a sector */
};

/* Opens it for reading and writing, or for reading alone; takes a lock (flock) so that no
 * second monitor writes to the same file. */
bool disk_open(struct disk *disk, const char *path, char *error, size_t error_size);

/* Opens what the device is bound to. Ends the process with a message if it cannot. */
void monitor_disk_open(const struct monitor_options *options,
		       const struct image_device *device, struct disk *disk);

/* ---- the monitor's own process ---- */

/* CLOCK_MONOTONIC in ns. */
uint64_t monitor_now(void);
/* Call first: were one of the three standard descriptors closed, a device would get its
 * number, and messages would go to the device. */
void monitor_open_standard(void);
/* Closes all descriptors but the standard ones and those that the options name. */
void monitor_close_others(const struct monitor_options *options);
/* Closes them all from this one on. */
void monitor_close_from(const struct monitor_options *options, unsigned first);
/* From the kernel. */
void monitor_random(const struct monitor_options *options, void *bytes, size_t size);
/* After a call that failed: whether to make it once more, having slept. What it wants is in use
 * (EBUSY, EEXIST), and that for less than three seconds: an image that has just ended may hold its
 * interface for a moment, as the kernel takes sockets and rings apart after their process. */
bool monitor_try_again(unsigned *tries);
/* Moves to the processor that --cpu names, if it does. */
void monitor_pin(const struct monitor_options *options);
/* Turns SIGINT and SIGTERM into a descriptor that is readable once one has come. An image
 * that does not stop then is ended by `kiln run`, or by SIGQUIT. */
int monitor_open_stop(const struct monitor_options *options);

/* ---- privilege.c: before the image runs ---- */

/* What a process needs beyond its open descriptors. A monitor: nothing. */
struct privilege_need {
	bool sockets;
	const char *readable; /* a folder whose files it reads; or NULL */
};
/* Leaves the user, the capabilities, the namespaces and the file system; for good. */
void privilege_drop(const struct monitor_options *o, const struct privilege_need *need);
/* No descriptor beyond the first `descriptors`, no process, no core dump. */
void privilege_limit(const struct monitor_options *o, unsigned descriptors);

#endif
