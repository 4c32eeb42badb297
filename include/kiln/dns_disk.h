/*
 * Zones from a block device: an archive of a folder of master files (<kiln/dns_load.h>), as
 *
 *	tar --format=ustar -C zones -cf zones.tar .
 *
 * writes it, is the device's content from its first sector on.
 *
 *	struct dns_disk *disk = dns_disk_open(k, block_open(k, &disk0));
 *
 *	... room for disk->zones more ...
 *	while (dns_disk_next(disk, &compiled))
 *		...
 *	if (!dns_disk_close(disk))
 *		kiln_fail(...);
 *
 * The archive stands at the end of the image's memory until it is closed: an image needs that
 * much beside its zones. A mistake is logged, with file, line, owner and reason.
 */
#ifndef KILN_DNS_DISK_H
#define KILN_DNS_DISK_H

#include <kiln/block.h>
#include <kiln/dns_load.h>

struct dns_disk {
	unsigned zones; /* files of zones in the archive */

	/* The library's own. */
	struct kiln *kiln;
	struct slice bytes;
	uint8_t *end; /* of the image's memory */
	struct dns_archive archive;
	bool failed;
	struct dns_load load;
};

/* Ends the image with a message if there is no archive, no zone in it, or no room for it. */
struct dns_disk *dns_disk_open(struct kiln *k, struct block *block);
/* Compiles the next zone, which stays. False: that was the last, or it has mistakes. */
KILN_MUST_CHECK bool dns_disk_next(struct dns_disk *disk, struct slice *compiled);
/* Gives the archive's memory back. False: a zone had mistakes. */
KILN_MUST_CHECK bool dns_disk_close(struct dns_disk *disk);

#endif
