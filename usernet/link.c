/*
 * The socket between the image's device and this process; see usernet.h.
 *
 * Frames that the socket has no room for wait here, copied, so that a burst is not lost:
 * TCP would have to find out by its timers. The stack and the tap hold their frames back
 * while any wait; libslirp cannot, but is bounded by its windows, and by WAITING_MOST.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <kiln/bytes.h>
#include "../target/sim/pcap.h"
#include "usernet.h"

enum { HEADER_MOST = 12, FRAMES_AT_ONCE = 64, WAITING_MOST = 16 << 20 };

struct waiting_frame {
	struct list node;
	size_t size;
	uint8_t bytes[]; /* the header, too */
};

static void capture(struct link *link, const struct iovec *parts, int count)
{
	if (link->pcap < 0 ||
	    pcap_write(link->pcap, target_wall(&link->host->kiln), parts, count))
		return;
	fprintf(stderr, "kiln: the capture cannot be written any more: %s\n",
	        strerror(errno));
	close(link->pcap);
	link->pcap = -1;
}

/* ---- to the image ---- */

/* True: no room for it now. A frame that is refused for another reason is lost. */
static bool is_full(ssize_t sent)
{
	return sent < 0 && (errno == EAGAIN || errno == EINTR);
}

static void keep(struct link *link, const struct iovec *parts, int count, size_t size)
{
	struct waiting_frame *frame = NULL;
	size_t at = 0;

	if (link->waiting_bytes + size <= WAITING_MOST)
		frame = malloc(sizeof(*frame) + size);
	if (!frame)
		return;
	list_init(&frame->node);
	frame->size = size;
	for (int i = 0; i < count; i++) {
		memcpy(frame->bytes + at, parts[i].iov_base, parts[i].iov_len);
		at += parts[i].iov_len;
	}
	list_append(&link->waiting, &frame->node);
	link->waiting_bytes += size;
}

void link_send(struct link *link, const struct iovec *parts, int count)
{
	static const uint8_t header[HEADER_MOST];
	struct iovec all[1 + LINK_PARTS] = {{(void *)(uintptr_t)header, link->header}};
	size_t size = link->header;

	for (int i = 0; i < count; i++) {
		all[1 + i] = parts[i];
		size += parts[i].iov_len;
	}
	capture(link, parts, count);
	if (link_busy(link) || is_full(writev(link->file.fd, all, 1 + count)))
		keep(link, all, 1 + count, size);
}

static void send_waiting(struct link *link)
{
	while (link_busy(link)) {
		struct waiting_frame *frame =
		    kiln_container(link->waiting.next, struct waiting_frame, node);

		if (is_full(send(link->file.fd, frame->bytes, frame->size, MSG_NOSIGNAL)))
			return;
		list_remove(&frame->node);
		link->waiting_bytes -= frame->size;
		free(frame);
	}
	link->idle(link->context);
}

/* ---- from the image ---- */

static bool hung_up(int fd)
{
	struct pollfd p = {.fd = fd};

	return poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR);
}

/* All that the image has sent before it ended is received before we end. */
static void receive_all(struct link *link)
{
	uint8_t buffer[HEADER_MOST + FRAME_MOST];

	for (unsigned i = 0; i < FRAMES_AT_ONCE; i++) {
		ssize_t size = read(link->file.fd, buffer, sizeof(buffer));

		if (size < 0 && errno == EAGAIN)
			return;
		/* An image may send nothing at all as a frame: that is not the end. */
		if (size < 0 ? errno != EINTR : size == 0 && hung_up(link->file.fd)) {
			link->ended = true;
			kiln_stop(&link->host->kiln);
			return;
		}
		if (size <= (ssize_t)link->header)
			continue;
		struct slice frame =
		    slice_skip(slice_of(buffer, (size_t)size), link->header);
		capture(link, &(struct iovec){buffer + link->header, frame.len}, 1);
		link->receive(link->context, frame);
	}
	host_again(link->host, &link->file);
}

static void ready(struct host_file *file, uint32_t events)
{
	struct link *link = kiln_container(file, struct link, file);

	if (link_busy(link))
		send_waiting(link);
	receive_all(link);
}

bool link_open(struct link *link, struct host *host,
               const struct usernet_options *options)
{
	link->host = host;
	link->header = options->header;
	link->pcap = options->pcap;
	link->file.fd = options->link;
	link->file.ready = ready;
	list_init(&link->waiting);
	if (link->pcap >= 0 && !pcap_begin(link->pcap))
		return false;
	return host_watch(host, &link->file);
}
