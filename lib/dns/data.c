/*
 * The data of records as bytes, by the fields of their type: see <kiln/dns_types.h>. A walk
 * goes through a message up to the data's end, which ends the message for it, so that names
 * can point back; what it reads is written again with names uncompressed, or only looked at.
 */
#include <kiln/dns_types.h>
#include "dns_private.h"

struct walk {
	struct slice message; /* up to the data's end */
	struct cursor c;
	struct writer
	    *w;       /* NULL: the data is only looked at, and names in it are whole */
	uint8_t last; /* the byte before the field */
};

static void take(struct walk *walk, size_t size)
{
	struct slice bytes = cursor_bytes(&walk->c, size);

	if (bytes.len)
		walk->last = bytes.data[bytes.len - 1];
	if (walk->w)
		writer_bytes(walk->w, bytes);
}

static void take_rest(struct walk *walk)
{
	take(walk, cursor_left(&walk->c));
}

static void take_name(struct walk *walk)
{
	size_t before = cursor_left(&walk->c);
	struct dns_name name;

	if (!dns_name_read(walk->message, &walk->c, &name))
		return;
	if (walk->w)
		writer_bytes(walk->w, dns_name_slice(&name));
	else if (before - cursor_left(&walk->c) != name.size)
		walk->c.failed = true;
}

static void take_string(struct walk *walk)
{
	take(walk, 1u + cursor_peek(&walk->c));
}

/* RFC 4034, 4.1.2: windows in their order, each 1 to 32 bytes. */
static void take_types(struct walk *walk)
{
	int window = -1;

	while (cursor_left(&walk->c) && !walk->c.failed) {
		struct cursor head = walk->c;
		int next = cursor_u8(&head);
		uint8_t size = cursor_u8(&head);

		if (next <= window || size == 0 || size > 32)
			walk->c.failed = true;
		window = next;
		take(walk, 2u + size);
	}
}

/* RFC 3123, 4. */
static void take_prefixes(struct walk *walk)
{
	while (cursor_left(&walk->c) && !walk->c.failed) {
		take(walk, 4);
		take(walk, walk->last & 0x7f);
	}
}

/* Who stands for a host: nobody, an address of either family, a name: RFC 4025, 2.5. */
static void take_gateway(struct walk *walk, uint8_t kind)
{
	static const uint8_t sizes[] = {0, 4, 16};

	if (kind == 3)
		take_name(walk);
	else if (kind < 3)
		take(walk, sizes[kind]);
	else
		walk->c.failed = true;
}

static void take_hip(struct walk *walk) /* RFC 8005, 5 */
{
	struct cursor head = walk->c;
	uint8_t tag = cursor_u8(&head);

	cursor_skip(&head, 1);
	uint16_t key = cursor_u16(&head);
	if (tag == 0 || key == 0)
		walk->c.failed = true;
	take(walk, 4u + tag + key);
	while (cursor_left(&walk->c) && !walk->c.failed)
		take_name(walk);
}

/* RFC 9460, 2.2: keys in ascending order. */
static void take_parameters(struct walk *walk)
{
	int key = -1;

	while (cursor_left(&walk->c) && !walk->c.failed) {
		struct cursor head = walk->c;
		int next = cursor_u16(&head);
		uint16_t size = cursor_u16(&head);

		if (next <= key)
			walk->c.failed = true;
		key = next;
		take(walk, 4u + size);
	}
}

static void take_a6(struct walk *walk) /* RFC 2874, 3.1 */
{
	take(walk, 1);
	uint8_t bits = walk->last;
	if (bits > 128)
		walk->c.failed = true;
	else
		take(walk, (128u - bits + 7) / 8);
	if (bits)
		take_name(walk);
}

size_t dns_digest_size(char field, uint8_t kind)
{
	static const uint8_t ds[] = {0, 20, 32, 32, 48}, sshfp[] = {0, 20, 32},
	                     zonemd[] = {0, 48, 64};

	if (field == 'F')
		return kind < sizeof(ds) ? ds[kind] : 0;
	if (field == 'K')
		return kind < sizeof(sshfp) ? sshfp[kind] : 0;
	return kind < sizeof(zonemd) ? zonemd[kind] : 0;
}

static void take_digest(struct walk *walk, char field)
{
	size_t size = dns_digest_size(field, walk->last);

	if (size && cursor_left(&walk->c) != size)
		walk->c.failed = true;
	take_rest(walk);
}

/* The size of a field that has always the same; 0: it is another. */
static size_t fixed_size(char field)
{
	static const char one[] = "1gpdr", two[] = "2ycf", four[] = "4tTa",
	                  eight[] = "Ei", sixteen[] = "AL";

	return strchr(one, field)       ? 1
	       : strchr(two, field)     ? 2
	       : strchr(four, field)    ? 4
	       : field == 'e'           ? 6
	       : strchr(eight, field)   ? 8
	       : strchr(sixteen, field) ? 16
	                                : 0;
}

static void take_odd(struct walk *walk, char field)
{
	switch (field) {
	case 'W':
		take(walk, 5);
		take(walk, KILN_MIN(cursor_left(&walk->c), (size_t)8192));
		break;
	case 'P':
		take_prefixes(walk);
		break;
	case 'I':
		take(walk, 1);
		uint8_t kind = walk->last;
		take(walk, 1);
		take_gateway(walk, kind);
		break;
	case 'R':
		take(walk, 1);
		take_gateway(walk, walk->last & 0x7f);
		break;
	case 'H':
		take_hip(walk);
		break;
	case 'V':
		take_parameters(walk);
		break;
	case '6':
		take_a6(walk);
		break;
	default: /* opaque */
		take_rest(walk);
	}
}

static void take_field(struct walk *walk, char field)
{
	size_t size = fixed_size(field);

	if (strchr("xbm", field) && cursor_left(&walk->c) == 0)
		walk->c.failed = true;
	switch (field) {
	case 'n':
	case 'N':
		take_name(walk);
		break;
	case 'S':
		do {
			take_string(walk);
		} while (cursor_left(&walk->c) && !walk->c.failed);
		break;
	case 's':
	case 'q':
	case 'z':
	case 'h':
		take_string(walk);
		break;
	case 'o':
		if (cursor_left(&walk->c))
			take_string(walk);
		break;
	case 'm':
	case 'M':
		take_types(walk);
		break;
	case 'F':
	case 'K':
	case 'O':
		take_digest(walk, field);
		break;
	default:
		if (size)
			take(walk, size);
		else
			take_odd(walk, field);
	}
}

static bool walk_data(struct walk *walk, uint16_t type, size_t size)
{
	const struct dns_type_info *info = dns_type_find(type);
	const char *fields = info ? info->fields : "";

	walk->c = cursor_of(walk->message);
	cursor_skip(&walk->c, walk->message.len - size);
	if (*fields == '\0')
		take_rest(walk);
	for (; *fields && !walk->c.failed; fields++)
		take_field(walk, *fields);
	return !walk->c.failed && cursor_left(&walk->c) == 0;
}

bool dns_data_check(uint16_t type, struct slice data)
{
	struct walk walk = {.message = data};

	return walk_data(&walk, type, data.len);
}

bool dns_data_copy(struct writer *w, const struct dns_record *record)
{
	struct walk walk = {.message = record->message, .w = w};

	return walk_data(&walk, record->type, record->data.len) && !w->failed;
}
