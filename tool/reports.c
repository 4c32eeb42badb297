/*
 * Reading a monitor's records: see reports.h.
 */
#include <string.h>
#include <unistd.h>
#include "reports.h"
#include "tool.h"

/* Copies a record of a fixed size; false if it has another. */
static bool fixed(void *to, size_t size, const void *record, size_t record_size)
{
	if (record_size != size)
		return false;
	memcpy(to, record, size);
	return true;
}

static bool take_memory(struct reports *r, const uint8_t *record, size_t size)
{
	struct report_memory memory;
	struct reports_piece *piece = &r->memory[r->memory_count];
	uint8_t *bytes;

	if (size < sizeof(memory) || r->memory_count == REPORTS_PIECES)
		return false;
	memcpy(&memory, record, sizeof(memory));
	piece->address = memory.address;
	piece->size = size - sizeof(memory);
	bytes = allocate(piece->size + 1);
	memcpy(bytes, record + sizeof(memory), piece->size);
	piece->bytes = bytes;
	r->memory_count++;
	return true;
}

static bool take(struct reports *r, uint32_t type, const uint8_t *record, size_t size)
{
	struct report_mark *mark = &r->marks[r->mark_count];
	struct report_place *place = &r->places[r->place_count];

	switch (type) {
	case REPORT_MARK:
		if (r->mark_count == REPORTS_MARKS ||
		    !fixed(mark, sizeof(*mark), record, size))
			return false;
		mark->name[sizeof(mark->name) - 1] = '\0';
		r->mark_count++;
		return true;
	case REPORT_PLACE:
		if (r->place_count == REPORTS_PLACES ||
		    !fixed(place, sizeof(*place), record, size))
			return false;
		r->place_count++;
		return true;
	case REPORT_FAULT:
		if (r->has_fault || !fixed(&r->fault, sizeof(r->fault), record, size))
			return false;
		r->fault.reason[sizeof(r->fault.reason) - 1] = '\0';
		r->has_fault = true;
		return true;
	case REPORT_MEMORY:
		return take_memory(r, record, size);
	default:
		return false;
	}
}

static void stop_reading(struct reports *r)
{
	close(r->fd);
	r->fd = -1;
}

void reports_read(struct reports *r)
{
	while (r->fd >= 0) {
		struct report_header header;
		ssize_t n;

		while (r->buffered >= sizeof(header)) {
			memcpy(&header, r->buffer, sizeof(header));
			size_t whole = sizeof(header) + header.size;
			if (whole > REPORT_SIZE_MOST) {
				stop_reading(r);
				return;
			}
			if (whole > r->buffered)
				break;
			if (!take(r, header.type, r->buffer + sizeof(header),
			          header.size)) {
				stop_reading(r);
				return;
			}
			r->buffered -= whole;
			memmove(r->buffer, r->buffer + whole, r->buffered);
		}
		n = read(r->fd, r->buffer + r->buffered, sizeof(r->buffer) - r->buffered);
		if (n < 0)
			return; /* for now, or for good: poll() says which */
		if (n == 0)
			stop_reading(r);
		else
			r->buffered += (size_t)n;
	}
}

const struct report_place *reports_place(const struct reports *r,
                                         enum report_place_kind kind)
{
	for (unsigned i = 0; i < r->place_count; i++)
		if (r->places[i].kind == kind)
			return &r->places[i];
	return NULL;
}

bool reports_word(const struct reports *r, uint64_t address, uint64_t *word)
{
	uint8_t *to = (uint8_t *)word;

	/* A word may lie across two pieces. */
	for (unsigned n = 0; n < sizeof(*word); n++) {
		const struct reports_piece *piece = r->memory;
		const struct reports_piece *end = piece + r->memory_count;
		uint64_t at = address + n;
		while (piece < end && at - piece->address >= piece->size)
			piece++;
		if (piece == end)
			return false;
		to[n] = piece->bytes[at - piece->address];
	}
	return true;
}
