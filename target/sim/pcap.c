/*
 * See pcap.h.
 */
#include "pcap.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { PCAP_MAGIC_NS = 0xa1b23c4d, PCAP_SNAPLEN = 262144, PCAP_ETHERNET = 1 };
enum { SECOND = 1000000000 };

struct pcap_file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t reserved[2];
	uint32_t snaplen;
	uint32_t link_type;
};
_Static_assert(sizeof(struct pcap_file_header) == 24, "pcap file header");

struct pcap_record_header {
	uint32_t seconds, nanoseconds;
	uint32_t captured, original;
};
_Static_assert(sizeof(struct pcap_record_header) == 16, "pcap record header");

/* A disk that is full takes a part. */
static bool whole(ssize_t written, size_t size)
{
	if (written >= 0 && (size_t)written != size)
		errno = ENOSPC;
	return written == (ssize_t)size;
}

bool pcap_begin(int fd)
{
	const struct pcap_file_header header = {.magic = (uint32_t)PCAP_MAGIC_NS,
	                                        .major = 2,
	                                        .minor = 4,
	                                        .snaplen = PCAP_SNAPLEN,
	                                        .link_type = PCAP_ETHERNET};

	return whole(write(fd, &header, sizeof(header)), sizeof(header));
}

bool pcap_write(int fd, uint64_t at, const struct iovec *parts, int count)
{
	struct pcap_record_header header = {.seconds = (uint32_t)(at / SECOND),
	                                    .nanoseconds = (uint32_t)(at % SECOND)};
	struct iovec all[1 + PCAP_PARTS] = {{&header, sizeof(header)}};

	for (int i = 0; i < count; i++) {
		all[1 + i] = parts[i];
		header.captured += (uint32_t)parts[i].iov_len;
	}
	header.original = header.captured;
	return whole(writev(fd, all, 1 + count), sizeof(header) + header.captured);
}
