/*
 * The order of a zone's records before they are compiled: canonical by owner (RFC 4034, 6.1),
 * then by type and data, so that duplicates stand side by side, and that the same records give
 * the same zone in whatever order they came. Those of NSEC3 go last.
 *
 * A merge sort from the bottom up: files are mostly in order already, and what is in order is
 * not moved. It takes n log n whatever a peer sends.
 */
#include "zone_compile.h"

static uint16_t covered(const struct zone_record *record)
{
	const uint8_t *data = record_data(record).data;

	return (uint16_t)(data[0] << 8 | data[1]);
}

bool zone_record_is_nsec3(const struct zone_record *record)
{
	return record->type == DNS_NSEC3 ||
	       (record->type == DNS_RRSIG && covered(record) == DNS_NSEC3);
}

static int compare_owners(struct slice a, struct slice b)
{
	while (a.len && b.len) {
		size_t size_a = a.data[0], size_b = b.data[0];
		int order = memcmp(a.data + 1, b.data + 1, KILN_MIN(size_a, size_b));

		if (order)
			return order;
		if (size_a != size_b)
			return size_a < size_b ? -1 : 1;
		a = slice_skip(a, 1 + size_a);
		b = slice_skip(b, 1 + size_b);
	}
	return (a.len > 0) - (b.len > 0);
}

static int compare(const struct zone_record *a, const struct zone_record *b)
{
	int order = zone_record_is_nsec3(a) - zone_record_is_nsec3(b);

	if (order == 0)
		order = compare_owners(record_owner(a), record_owner(b));
	if (order == 0)
		order = (a->type > b->type) - (a->type < b->type);
	return order ? order : slice_compare(record_data(a), record_data(b));
}

/* c->index[first, middle) and [middle, end) are in order: now [first, end) is. */
static void merge(struct zone_compiler *c, uint32_t *room, uint32_t first,
                  uint32_t middle, uint32_t end)
{
	uint32_t left = middle - first, at = 0, right = middle, to = first;

	if (compare(zone_record_at(c, middle - 1), zone_record_at(c, middle)) <= 0)
		return;
	zone_copy(c, room, c->index + first, left * sizeof(*room));
	while (at < left && right < end) {
		const struct zone_record *a =
		    (const void *)(c->b->base + (size_t)room[at] * 4);

		if (compare(a, zone_record_at(c, right)) <= 0)
			c->index[to++] = room[at++];
		else
			c->index[to++] = c->index[right++];
	}
	zone_copy(c, c->index + to, room + at, (left - at) * sizeof(*room));
}

bool zone_sort(struct zone_compiler *c)
{
	uint32_t count = c->b->count;
	uint32_t *room;
	size_t at = 0;

	c->index = arena_try(c->b->arena, (size_t)count * sizeof(*room), 4);
	room = arena_try(c->b->arena, (size_t)count * sizeof(*room), 4);
	if (!c->index || !room)
		return zone_fault(c, DNS_ZONE_MEMORY, NULL);
	for (uint32_t i = 0; i < count; i++) {
		c->index[i] = (uint32_t)(at / 4);
		at += record_size(zone_record_at(c, i));
	}
	for (uint64_t run = 1; run < count; run *= 2) {
		for (uint64_t first = 0; first + run < count; first += 2 * run) {
			uint64_t end = first + 2 * run;

			merge(c, room, (uint32_t)first, (uint32_t)(first + run),
			      (uint32_t)KILN_MIN(end, (uint64_t)count));
		}
	}
	return true;
}

static bool ends_in(struct slice data, const struct dns_name *name)
{
	return data.len >= name->size &&
	       slice_equal_nocase(slice_skip(data, data.len - name->size),
	                          slice_of(name->bytes, name->size));
}

/* The first of the records that is not below the owner and the type, or behind them all. */
static uint32_t lower_bound(struct zone_compiler *c, struct slice owner, uint16_t type)
{
	uint32_t low = 0, high = c->b->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct zone_record *record = zone_record_at(c, middle);
		int order = zone_record_is_nsec3(record) - (type == DNS_NSEC3);

		if (order == 0)
			order = compare_owners(record_owner(record), owner);
		if (order < 0 || (order == 0 && record->type < type))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint32_t zone_where(struct zone_compiler *c, const struct dns_name *owner, uint16_t type,
                    const struct dns_name *host)
{
	uint8_t bytes[DNS_NAME_SIZE];
	struct slice wanted = slice_of(bytes, (size_t)owner->size - c->b->origin.size);

	zone_owner_put(bytes, wanted.len, owner);
	for (uint32_t i = lower_bound(c, wanted, type); i < c->b->count; i++) {
		const struct zone_record *record = zone_record_at(c, i);

		if (compare_owners(record_owner(record), wanted) != 0 ||
		    (type && record->type != type))
			break;
		if (!host || ends_in(record_data(record), host))
			return record->where;
	}
	return 0;
}
