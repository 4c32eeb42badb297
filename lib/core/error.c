/*
 * The texts of enum kiln_error.
 */
#include <kiln/bytes.h>
#include <kiln/error.h>

const char *kiln_error_text(enum kiln_error error)
{
	static const char *const text[] = {
	    [KILN_OK] = "no error",
	    [KILN_ERR_MEMORY] = "out of memory",
	    [KILN_ERR_FULL] = "queue is full",
	    [KILN_ERR_INVALID] = "invalid argument",
	    [KILN_ERR_TOO_LARGE] = "too large",
	    [KILN_ERR_NOT_FOUND] = "not found",
	    [KILN_ERR_IN_USE] = "already in use",
	    [KILN_ERR_CLOSED] = "closed",
	    [KILN_ERR_RESET] = "connection reset by peer",
	    [KILN_ERR_REFUSED] = "connection refused",
	    [KILN_ERR_TIMEOUT] = "timed out",
	    [KILN_ERR_UNREACHABLE] = "unreachable",
	    [KILN_ERR_PROTOCOL] = "protocol error",
	    [KILN_ERR_IO] = "input/output error",
	    [KILN_ERR_READ_ONLY] = "read-only",
	    [KILN_ERR_UNSUPPORTED] = "not supported",
	};
	_Static_assert(KILN_COUNT_OF(text) == KILN_ERR_COUNT, "a text for each error");

	if ((unsigned)error >= KILN_COUNT_OF(text))
		return "unknown error";
	return text[error];
}
