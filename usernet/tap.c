/*
 * A tap behind the link: what the monitor would have opened itself, were its frames not
 * to be captured. The tap offers no offloads here, so that the capture shows frames as
 * they would be on a wire, with their checksums.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>
#include <linux/if_tun.h>
#include <kiln/bytes.h>
#include "usernet.h"

enum { HEADER = 10, FRAMES_AT_ONCE = 64 };

/* While the image is busy, frames wait in the tap's own queue, as without us. */
static void ready(struct host_file *file, uint32_t events)
{
	struct tap_end *tap = kiln_container(file, struct tap_end, file);
	uint8_t buffer[HEADER + FRAME_MOST];

	for (unsigned i = 0; i < FRAMES_AT_ONCE; i++) {
		ssize_t size;

		if (link_busy(tap->link))
			return;
		size = read(file->fd, buffer, sizeof(buffer));
		if (size < 0 && errno == EAGAIN)
			return;
		if (size < 0 && errno != EINTR) {
			fprintf(stderr, "kiln: the tap interface is gone: %s\n",
			        strerror(errno));
			kiln_stop(&tap->link->host->kiln);
			return;
		}
		if (size > HEADER)
			link_send(tap->link,
			          &(struct iovec){buffer + HEADER, (size_t)size - HEADER},
			          1);
	}
	host_again(tap->link->host, file);
}

/* The kernel judges the frame; what it refuses is lost, as on a wire. */
static void send_frame(void *context, struct slice frame)
{
	struct tap_end *tap = context;
	uint8_t header[HEADER] = {0};
	const struct iovec parts[] = {{header, HEADER},
	                              {(void *)(uintptr_t)frame.data, frame.len}};

	if (writev(tap->file.fd, parts, 2) < 0)
		return;
}

static void go_on(void *context)
{
	struct tap_end *tap = context;

	host_again(tap->link->host, &tap->file);
}

bool tap_end_open(struct tap_end *tap, struct link *link, int fd)
{
	int header = HEADER;

	tap->link = link;
	tap->file.fd = fd;
	tap->file.ready = ready;
	link->receive = send_frame;
	link->idle = go_on;
	link->context = tap;
	return ioctl(fd, TUNSETVNETHDRSZ, &header) == 0 &&
	       ioctl(fd, TUNSETOFFLOAD, 0UL) == 0 && host_watch(link->host, &tap->file);
}
