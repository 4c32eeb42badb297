/*
 * Errors as values: one enum for every library, a text for each.
 *
 * A function that can fail returns enum kiln_error and is marked KILN_MUST_CHECK.
 * KILN_OK is zero, so `if (error)` reads as it should.
 */
#ifndef KILN_ERROR_H
#define KILN_ERROR_H

#define KILN_MUST_CHECK __attribute__((warn_unused_result))

enum kiln_error {
	KILN_OK = 0,
	KILN_ERR_MEMORY,      /* a pool or arena is used up: the newest work is refused */
	KILN_ERR_FULL,        /* a queue or window is full: try again when writable */
	KILN_ERR_INVALID,     /* an argument or a text that means nothing here */
	KILN_ERR_TOO_LARGE,   /* larger than a stated limit */
	KILN_ERR_NOT_FOUND,   /* no such name, device, file */
	KILN_ERR_IN_USE,      /* port or name already taken */
	KILN_ERR_CLOSED,      /* this end, or the peer, has closed */
	KILN_ERR_RESET,       /* the peer reset the connection */
	KILN_ERR_REFUSED,     /* the peer refused the connection */
	KILN_ERR_TIMEOUT,     /* no answer in time */
	KILN_ERR_UNREACHABLE, /* no route, no neighbour, or ICMP says so */
	KILN_ERR_PROTOCOL,    /* the peer broke the protocol */
	KILN_ERR_IO,          /* a device failed */
	KILN_ERR_READ_ONLY,   /* the device or object cannot be written */
	KILN_ERR_UNSUPPORTED, /* this target or peer cannot do it */
	KILN_ERR_COUNT
};

/* A short English text, lower case, no full stop. Never NULL. */
const char *kiln_error_text(enum kiln_error error);

#endif
