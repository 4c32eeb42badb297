/*
 * Texts of parameters, as a command line gives them: the first byte says the type. What
 * is taken here is what the image takes when it starts, so that nobody is told so late
 * that an address was wrong.
 */
#include "fuzz.h"
#include <kiln/abi/param.h>
#include <kiln/ip.h>

static void try_address(struct slice text, bool taken, uint64_t value)
{
	struct ip4_addr addr;
	uint8_t room[16];
	struct writer w = writer_of(room, sizeof(room));

	FUZZ_CHECK(ip4_parse(text, &addr) == taken);
	if (!taken)
		return;
	FUZZ_REACH(true, "an address");
	FUZZ_CHECK(ip4_value(addr) == value);
	ip4_format(&w, addr);
	FUZZ_CHECK(slice_equal(writer_done(&w), text));
}

/* Each item that is no name or dhcp is an address and a length. */
static void try_prefix(struct slice text, bool taken)
{
	struct slice rest = text;

	while (taken && rest.len) {
		struct slice item = slice_take(rest, slice_find(rest, ','));
		size_t equals = slice_find(item, '=');
		struct slice value =
		    equals == item.len ? item : slice_skip(item, equals + 1);
		size_t slash = slice_find(value, '/');
		struct ip4_addr addr;
		uint64_t bits;

		rest = slice_skip(rest, item.len + 1);
		if (slice_equal(value, SLICE("dhcp")))
			continue;
		FUZZ_REACH(equals < item.len, "a named device's address");
		FUZZ_CHECK(ip4_parse(slice_take(value, slash), &addr));
		FUZZ_CHECK(slice_decimal(slice_skip(value, slash + 1), 32, &bits));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_skip(slice_of(data, size), 1);
	uint32_t type = size ? data[0] % 16u : 0;
	uint8_t *copy = fuzz_copy(text);
	uint64_t value;
	bool taken = param_parse(type, 2, 1000, (char *)copy, text.len, &value);

	text.data = copy;
	switch (type) {
	case KILN_PARAM_TYPE_UINT:
		FUZZ_CHECK(!taken || (value >= 2 && value <= 1000));
		break;
	case KILN_PARAM_TYPE_PORT:
		FUZZ_CHECK(!taken || (value >= 1 && value <= 65535));
		break;
	case KILN_PARAM_TYPE_DURATION:
		FUZZ_REACH(taken && value > 1000000000, "a duration with its unit");
		break;
	case KILN_PARAM_TYPE_SIZE:
		FUZZ_REACH(taken && value > 1 << 20, "a size with its unit");
		break;
	case KILN_PARAM_TYPE_ADDRESS:
		try_address(text, taken, value);
		break;
	case KILN_PARAM_TYPE_PREFIX:
		try_prefix(text, taken);
		break;
	}
	free(copy);
	return 0;
}
