/*
 * Capture files: the classic pcap format with nanosecond stamps (draft-ietf-opsawg-pcap),
 * in the byte order of this machine, as its magic number says. Written by simulated links,
 * and by kiln-usernet for all others.
 *
 * A frame is in the file when pcap_write returns: whatever ends the process, no frame that
 * passed is missing. The caller opens and closes the descriptor.
 */
#ifndef SIM_PCAP_H
#define SIM_PCAP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/* Begins the file. False: errno says why. */
bool pcap_begin(int fd);

enum { PCAP_PARTS = 40 };

/* Adds a frame of at most PCAP_PARTS parts, at so many ns of whatever clock. False: the
 * file is not whole any more, errno says why. */
bool pcap_write(int fd, uint64_t at, const struct iovec *parts, int count);

#endif
