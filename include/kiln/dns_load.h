/*
 * From master files to compiled zones: what a folder holds, or an archive of it, is read by
 * <kiln/dns_master.h>, checked and compiled by <kiln/dns_zone.h>, and all that is wrong is
 * told of in lines that name file, line, owner and reason.
 *
 * A folder holds NAME.zone for each zone: example.com.zone has the zone example.com, root.zone
 * that of the root; what else is in it is for $INCLUDE, by its path in the folder.
 *
 *	KILN_EMBED_ZONES(zones, "zones");	(in an appliance: compiled when it is built)
 */
#ifndef KILN_DNS_LOAD_H
#define KILN_DNS_LOAD_H

#include <kiln/appliance.h>
#include <kiln/dns_master.h>
#include <kiln/dns_zone.h>
#include <kiln/embed.h>

/* The zones of a folder, compiled by `kiln build`: each file of the embedded folder is one for
 * dns_zone_open(). A zone with a mistake ends the build. */
#define KILN_EMBED_ZONES(name, path) KILN_EMBED_MADE(name, path, "zones")

enum {
	DNS_LOAD_FILES = 255,    /* that one zone includes, at most */
	DNS_LOAD_MISTAKES = 20, /* of a zone that are told of, at most */
};

struct dns_load {
	struct arena *arena; /* where compiled zones go; all that is left is used on the way */
	/* Seconds since 1970: it is warned of signatures that have expired, or will in a week.
	 * 0: it is not. */
	uint32_t now;
	/* The text of a file of the folder, which stays until the zone is compiled. NULL, or
	 * why there is none. */
	const char *(*read)(void *context, struct slice path, struct slice *text);
	/* A line about what is wrong, or, if it is a warning, is doubtful. */
	void (*tell)(void *context, bool warning, struct slice line);
	void *context;

	/* The loader's own. */
	struct dns_zone_builder builder;
	struct slice names[DNS_LOAD_FILES]; /* of files, by their numbers; the zone's is the first */
	unsigned name_count, mistakes;
	unsigned doubts; /* that have been told of, a bit each */
	struct dns_name twice; /* the zone's name, and again; size 0: it has one label */
	bool reverse;          /* the zone is one of addresses */
	uint8_t line[4096];
	struct dns_master master;
};

/* Whether a file's name is that of a zone, and of which. */
KILN_MUST_CHECK bool dns_load_is_zone(struct slice name, struct dns_name *origin);
/* Compiles the zone of such a file. False: it has mistakes, or the arena is too small, which
 * has been told of; the arena is as before. */
KILN_MUST_CHECK bool dns_load_zone(struct dns_load *load, struct slice name,
				   struct slice *compiled);

/*
 * A tar archive (POSIX ustar and pax, and GNU tar's own), as it lies on a block device: one
 * after the other its plain files. Folders and links are passed over; "./" in front of a path
 * is, too.
 */
struct dns_archive {
	struct cursor c;
	struct slice path, content; /* of the file that was read last */
	uint8_t room[256];          /* for a path in two parts */
	bool failed;                /* it is cut off, or is none */
};
void dns_archive_open(struct dns_archive *archive, struct slice bytes);
/* False: there is no other. */
KILN_MUST_CHECK bool dns_archive_next(struct dns_archive *archive);
/* Of one header, 512 bytes: how much content follows it, and whether it is the archive's end.
 * False: it is no header. */
KILN_MUST_CHECK bool dns_archive_size(struct slice header, uint64_t *size);
bool dns_archive_ends(struct slice header);
/* A dns_load's read(): `context` is the struct slice of an archive's bytes. */
const char *dns_archive_read(void *context, struct slice path, struct slice *text);

#endif
