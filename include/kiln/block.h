/*
 * Block devices: sectors of 512 bytes. Completion is by callback, from the event loop.
 *
 * A write is durable once a flush that was started after its completion has completed; no
 * earlier. Writes may reach the medium in any order until then.
 */
#ifndef KILN_BLOCK_DEVICE_H
#define KILN_BLOCK_DEVICE_H

#include <kiln/appliance.h>
#include <kiln/list.h>

enum { BLOCK_SECTOR = 512 };

enum block_kind { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH };

/* A request; owned by the caller and untouched by it until `done` is called. */
struct block_request {
	struct list node; /* the device's */
	enum block_kind kind;
	uint64_t sector;
	void *data;     /* in the image's memory; `sectors` * 512 bytes */
	uint32_t sectors;
	enum kiln_error error; /* the result, for `done` */
	void (*done)(struct block_request *request);
};

struct block {
	const struct block_ops *ops;
	struct kiln *kiln;
	uint64_t sectors; /* capacity */
	bool read_only;
};

struct block_ops {
	void (*submit)(struct block *block, struct block_request *request);
};

/* Ends the image with a message if the monitor did not hand the device over. */
struct block *block_open(struct kiln *k, const struct kiln_device *device);
/* NULL if it did not: of a KILN_BLOCK_OPTIONAL. */
struct block *block_find(struct kiln *k, const struct kiln_device *device);

/* Checks bounds and read-only; `done` is called for every request, refused ones too. */
void block_submit(struct block *block, struct block_request *request);

/* The same, waiting by running the event loop. For start-up and simple programs. */
KILN_MUST_CHECK enum kiln_error block_read(struct block *block, uint64_t sector,
					   void *data, uint32_t sectors);
KILN_MUST_CHECK enum kiln_error block_write(struct block *block, uint64_t sector,
					    const void *data, uint32_t sectors);
KILN_MUST_CHECK enum kiln_error block_flush(struct block *block);

#endif
