/*
 * Texts of parameters, as a command line gives them: the first byte says the type. What
 * is taken here is what the image takes when it starts, so that nobody is told so late
 * that an address was wrong.
 */
#include "fuzz.h"
#include <arpa/inet.h>
#include <kiln/abi/address.h>
#include <kiln/ip.h>

/* What is taken is what the library's own readers take, and is written back the same. */
static void try_address(struct slice text, bool taken)
{
	struct ip4_addr addr;
	uint8_t room[16];
	struct writer w = writer_of(room, sizeof(room));

	FUZZ_CHECK(ip4_parse(text, &addr) == taken);
	if (!taken)
		return;
	FUZZ_REACH(true, "an address");
	ip4_format(&w, addr);
	FUZZ_CHECK(slice_equal(writer_done(&w), text));
}

/* The C library reads IPv6 as we do. */
static void try_address6(struct slice text, bool taken)
{
	char *string = calloc(1, text.len + 1);
	struct ip_addr addr, expected;

	if (text.len)
		memcpy(string, text.data, text.len);
	bool is =
	    !memchr(string, 0, text.len) && inet_pton(AF_INET6, string, &expected) == 1;
	FUZZ_CHECK(ip6_parse(text, &addr) == is);
	FUZZ_CHECK(!is || ip_equal(&addr, &expected));
	FUZZ_CHECK(taken == (is && !ip_is4(&addr)));
	FUZZ_REACH(taken, "an IPv6 address");
	free(string);
}

/* Each item is a word or an address and a length, perhaps behind a name. */
static void try_prefix(struct slice text, bool taken, bool v4)
{
	struct slice rest = text;

	while (taken && rest.len) {
		struct slice item = slice_take(rest, slice_find(rest, ','));
		size_t equals = slice_find(item, '=');
		struct slice value =
		    equals == item.len ? item : slice_skip(item, equals + 1);
		struct ip_prefix prefix;

		rest = slice_skip(rest, item.len + 1);
		if (slice_equal(value, v4 ? SLICE("dhcp") : SLICE("auto")) ||
		    slice_equal(value, SLICE("off")))
			continue;
		FUZZ_REACH(equals < item.len, "a named device's address");
		FUZZ_CHECK(ip_prefix_parse(value, &prefix));
		FUZZ_CHECK(ip_is4(&prefix.addr) == v4);
	}
}

static void try_routes(struct slice text, bool taken)
{
	struct slice rest = text;

	while (taken && rest.len) {
		struct slice item = slice_take(rest, slice_find(rest, ','));
		size_t equals = slice_find(item, '=');
		struct ip_prefix prefix;
		struct ip_addr gateway;

		rest = slice_skip(rest, item.len + 1);
		FUZZ_REACH(true, "a route");
		FUZZ_CHECK(ip_prefix_parse(slice_take(item, equals), &prefix));
		FUZZ_CHECK(ip_parse(slice_skip(item, equals + 1), &gateway));
		FUZZ_CHECK(ip_is4(&prefix.addr) == ip_is4(&gateway));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_skip(slice_of(data, size), 1);
	uint32_t type = size ? data[0] % 16u : 0;
	uint8_t *copy = fuzz_copy(text);
	uint64_t value = 0;
	bool taken = param_kind(type)
	                 ? param_takes(type, 2, 1000, (char *)copy, text.len)
	                 : param_parse(type, 2, 1000, (char *)copy, text.len, &value);

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
		try_address(text, taken);
		break;
	case KILN_PARAM_TYPE_PREFIX:
	case KILN_PARAM_TYPE_PREFIX6:
		try_prefix(text, taken, type == KILN_PARAM_TYPE_PREFIX);
		break;
	case KILN_PARAM_TYPE_ADDRESS6:
		try_address6(text, taken);
		break;
	case KILN_PARAM_TYPE_ROUTES:
		try_routes(text, taken);
		break;
	}
	free(copy);
	return 0;
}
