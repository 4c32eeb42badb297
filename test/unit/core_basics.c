/*
 * The core library's pure parts: slices, cursors, writers, the formatter, ChaCha20 and
 * SipHash against their published vectors, parameters' texts.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/abi/address.h>
#include <kiln/bytes.h>
#include <kiln/log.h>
#include <kiln/embed.h>
#include <kiln/error.h>
#include <kiln/list.h>
#include <kiln/random.h>
#include <kiln/slice.h>

static void a_cursor_latches_the_first_read_past_its_end(void **state)
{
	struct cursor c = cursor_of(slice_of("\x01\x02\x03\x04\x05\x06\x07", 7));

	assert_int_equal(cursor_u8(&c), 1);
	assert_int_equal(cursor_u16(&c), 0x0203);
	assert_int_equal(cursor_u32(&c), 0x04050607);
	assert_false(c.failed);
	assert_int_equal(cursor_left(&c), 0);
	assert_int_equal(cursor_bytes(&c, 0).len, 0);
	assert_false(c.failed);
	assert_int_equal(cursor_u8(&c), 0);
	assert_true(c.failed);
	assert_int_equal(cursor_bytes(&c, 0).len, 0);
	assert_true(c.failed);
}

static void a_failed_cursor_stays_failed_with_bytes_left(void **state)
{
	struct cursor c = cursor_of(slice_of("abc", 3));

	assert_int_equal(cursor_u32(&c), 0);
	assert_true(c.failed);
	assert_int_equal(cursor_u8(&c), 0);
	assert_int_equal(cursor_rest(&c).len, 0);
}

static void a_writer_latches_and_keeps_what_fitted(void **state)
{
	uint8_t buffer[4];
	struct writer w = writer_of(buffer, sizeof(buffer));

	writer_u8(&w, 0xaa);
	writer_u16(&w, 0xbbcc);
	writer_u32(&w, 1);
	assert_true(w.failed);
	writer_u8(&w, 0xdd);
	assert_int_equal(writer_done(&w).len, 3);
	assert_memory_equal(buffer, "\xaa\xbb\xcc", 3);
}

static void slices_compare_search_and_trim(void **state)
{
	assert_true(slice_equal_nocase(SLICE("Content-Length"), SLICE("cONTENT-lENGTH")));
	assert_false(slice_equal_nocase(SLICE("a@"), SLICE("a`")));
	assert_true(slice_compare(SLICE("ab"), SLICE("abc")) < 0);
	assert_true(slice_compare(SLICE("b"), SLICE("abc")) > 0);
	assert_int_equal(slice_find(SLICE("a/b"), '/'), 1);
	assert_int_equal(slice_find(SLICE("ab"), '/'), 2);
	assert_true(slice_equal(slice_trim(SLICE("  x y "), ' '), SLICE("x y")));
	assert_int_equal(slice_trim(SLICE("   "), ' ').len, 0);
	assert_int_equal(slice_skip(SLICE("abc"), 9).len, 0);
	assert_true(slice_starts_with(SLICE("abc"), SLICE("")));
	assert_false(slice_starts_with(SLICE("ab"), SLICE("abc")));
}

static void decimals_are_digits_only_and_do_not_overflow(void **state)
{
	uint64_t v = 7;

	assert_true(slice_decimal(SLICE("18446744073709551615"), UINT64_MAX, &v));
	assert_true(v == UINT64_MAX);
	assert_false(slice_decimal(SLICE("18446744073709551616"), UINT64_MAX, &v));
	assert_false(slice_decimal(SLICE(""), 9, &v));
	assert_false(slice_decimal(SLICE("+1"), 9, &v));
	assert_false(slice_decimal(SLICE("1 "), 9, &v));
	assert_false(slice_decimal(SLICE("10"), 9, &v));
}

static void format_as_c(const char *format, ...)
{
	char expected[128], got[128];
	struct writer w = writer_of(got, sizeof(got) - 1);
	va_list a, b;

	va_start(a, format);
	va_copy(b, a);
	vsnprintf(expected, sizeof(expected), format, a);
	writer_vformat(&w, format, b);
	got[w.at] = 0;
	assert_string_equal(got, expected);
	va_end(a);
	va_end(b);
}

static void the_formatter_agrees_with_the_c_library(void **state)
{
	format_as_c("%d %i %u %x %X", -1, 42, 42u, 0xbeefu, 0xbeefu);
	format_as_c("[%5d][%-5d][%05d][%05d]", 42, 42, 42, -42);
	format_as_c("[%.3d][%8.3d][%.10u]", 7, -7, 1u);
	format_as_c("%ld %llu %zx", -5l, 18446744073709551615ull, (size_t)255);
	format_as_c("%lld", (long long)INT64_MIN);
	format_as_c("[%s][%8s][%-8s][%.2s][%.*s]", "abc", "abc", "abc", "abc", 1, "abc");
	format_as_c("%c%%%c", 'a', 'b');
	format_as_c("%-*d|", 6, 5);
}

static void a_text_that_does_not_fit_leaves_the_writer_where_it_was(void **state)
{
	uint8_t buffer[8];
	struct writer w = writer_of(buffer, sizeof(buffer));

	writer_text(&w, "abc");
	writer_format(&w, "%d-%s", 12345, "678");
	assert_true(w.failed);
	assert_int_equal(writer_done(&w).len, 3);
}

/* RFC 8439, 2.3.2 */
static void chacha20_gives_the_block_of_rfc_8439(void **state)
{
	static const uint8_t nonce[12] = {0, 0, 0, 9, 0, 0, 0, 0x4a, 0, 0, 0, 0};
	static const uint8_t expected[64] = {
	    0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3,
	    0x20, 0x71, 0xc4, 0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22,
	    0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e, 0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa,
	    0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2, 0xb5, 0x12, 0x9c, 0xd1,
	    0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e};
	uint8_t key[32], out[64];

	for (unsigned i = 0; i < 32; i++)
		key[i] = (uint8_t)i;
	chacha20_block(key, 1, nonce, out);
	assert_memory_equal(out, expected, 64);
}

/* The reference implementation's first vectors: key 00..0f, input 00, 00 01, ... */
static void siphash_gives_its_published_vectors(void **state)
{
	uint8_t key[16], in[16];

	for (unsigned i = 0; i < 16; i++)
		key[i] = in[i] = (uint8_t)i;
	assert_true(siphash(key, in, 0) == 0x726fdb47dd0e0e31);
	assert_true(siphash(key, in, 1) == 0x74f839c593dc67fd);
	assert_true(siphash(key, in, 15) == 0xa129ca6149be45e5);
}

static void a_seed_repeats_its_numbers_and_another_does_not(void **state)
{
	struct kiln_random a, b, c;
	uint8_t x[1000], y[1000], z[1000];

	random_init(&a, "0123456789012345678901234567890123456789", 40, 0);
	random_init(&b, "0123456789012345678901234567890123456789", 40, 0);
	random_init(&c, "0123456789012345678901234567890123456780", 40, 0);
	random_bytes(&a, x, sizeof(x));
	for (unsigned i = 0; i < sizeof(y); i += 100)
		random_bytes(&b, y + i, 100);
	random_bytes(&c, z, sizeof(z));
	assert_memory_equal(x, y, sizeof(x));
	assert_memory_not_equal(x, z, sizeof(x));
}

static void random_below_is_within_its_bound_and_reaches_all_of_it(void **state)
{
	struct kiln_random r;
	unsigned seen[10] = {0};

	random_init(&r, "seed", 4, 0);
	for (unsigned i = 0; i < 10000; i++) {
		uint32_t v = random_below(&r, 10);
		assert_true(v < 10);
		seen[v]++;
	}
	for (unsigned i = 0; i < 10; i++)
		assert_in_range(seen[i], 800, 1200);
}

static bool takes(uint32_t type, const char *text, uint64_t *value)
{
	return param_parse(type, 5, 10, text, strlen(text), value);
}

static void parameters_take_the_texts_of_their_type_only(void **state)
{
	uint64_t v;

	assert_true(takes(KILN_PARAM_TYPE_BOOL, "on", &v) && v == 1);
	assert_true(takes(KILN_PARAM_TYPE_BOOL, "no", &v) && v == 0);
	assert_false(takes(KILN_PARAM_TYPE_BOOL, "maybe", &v));
	assert_true(takes(KILN_PARAM_TYPE_UINT, "10", &v) && v == 10);
	assert_false(takes(KILN_PARAM_TYPE_UINT, "11", &v));
	assert_false(takes(KILN_PARAM_TYPE_UINT, "4", &v));
	assert_true(takes(KILN_PARAM_TYPE_PORT, "65535", &v));
	assert_false(takes(KILN_PARAM_TYPE_PORT, "0", &v));
	assert_false(takes(KILN_PARAM_TYPE_PORT, "65536", &v));
	assert_false(takes(KILN_PARAM_TYPE_PORT, "80x", &v));
	assert_true(takes(KILN_PARAM_TYPE_DURATION, "500ms", &v) && v == 500000000);
	assert_true(takes(KILN_PARAM_TYPE_DURATION, "2m", &v) && v == 120000000000);
	assert_false(takes(KILN_PARAM_TYPE_DURATION, "2 m", &v));
	assert_true(takes(KILN_PARAM_TYPE_SIZE, "8M", &v) && v == 8 << 20);
	assert_false(takes(KILN_PARAM_TYPE_SIZE, "99999999999999999999", &v));
	assert_false(takes(KILN_PARAM_TYPE_SIZE, "17179869184G", &v));
	static char text[8002];
	memset(text, 'x', 8001);
	assert_false(takes(KILN_PARAM_TYPE_STRING, text, &v));
	text[8000] = '\0';
	assert_true(takes(KILN_PARAM_TYPE_STRING, text, &v));
	assert_true(takes(KILN_PARAM_TYPE_STRING, "", &v));
	assert_true(takes(KILN_PARAM_TYPE_LEVEL, "error", &v) && v == LOG_ERROR);
	assert_true(takes(KILN_PARAM_TYPE_LEVEL, "debug", &v) && v == LOG_DEBUG);
	assert_false(takes(KILN_PARAM_TYPE_LEVEL, "debugs", &v));
	assert_false(takes(KILN_PARAM_TYPE_LEVEL, "", &v));
}

static void addresses_are_taken_as_their_type_says(void **state)
{
	static const struct {
		uint32_t type;
		bool taken;
		const char *text;
	} texts[] = {
	    {KILN_PARAM_TYPE_ADDRESS, true, "192.0.2.1"},
	    {KILN_PARAM_TYPE_ADDRESS, true, "0.0.0.10"},
	    {KILN_PARAM_TYPE_ADDRESS, false, "192.0.2.256"},
	    {KILN_PARAM_TYPE_ADDRESS, false, "192.0.2"},
	    {KILN_PARAM_TYPE_ADDRESS, false, "192.0.2.01"},
	    {KILN_PARAM_TYPE_ADDRESS, false, "00.0.2.1"},
	    {KILN_PARAM_TYPE_ADDRESS, false, "2001:db8::1"},
	    {KILN_PARAM_TYPE_PREFIX, true, "10.0.0.2/24"},
	    {KILN_PARAM_TYPE_PREFIX, true, "dhcp"},
	    {KILN_PARAM_TYPE_PREFIX, true, "off"},
	    {KILN_PARAM_TYPE_PREFIX, true, "net0=10.0.0.2/24,net1=dhcp"},
	    {KILN_PARAM_TYPE_PREFIX, false, "192.0.02.1/24"},
	    {KILN_PARAM_TYPE_PREFIX, false, "10.0.0.2"},
	    {KILN_PARAM_TYPE_PREFIX, false, "10.0.0.2/"},
	    {KILN_PARAM_TYPE_PREFIX, false, "10.0.0.2/33"},
	    {KILN_PARAM_TYPE_PREFIX, false, "dhcp,"},
	    {KILN_PARAM_TYPE_PREFIX, false, "dhcpd"},
	    {KILN_PARAM_TYPE_PREFIX, false, "=dhcp"},
	    {KILN_PARAM_TYPE_PREFIX, false, "net0="},
	    {KILN_PARAM_TYPE_PREFIX, false, ""},
	    {KILN_PARAM_TYPE_ADDRESS6, true, "2001:db8::1"},
	    {KILN_PARAM_TYPE_ADDRESS6, false, "192.0.2.1"},
	    {KILN_PARAM_TYPE_ADDRESS6, false, "::ffff:192.0.2.1"},
	    {KILN_PARAM_TYPE_PREFIX6, true, "auto"},
	    {KILN_PARAM_TYPE_PREFIX6, true, "off"},
	    {KILN_PARAM_TYPE_PREFIX6, true, "2001:db8::2/64"},
	    {KILN_PARAM_TYPE_PREFIX6, true, "net0=fd00::2/128,net1=auto"},
	    {KILN_PARAM_TYPE_PREFIX6, false, "2001:db8::2"},
	    {KILN_PARAM_TYPE_PREFIX6, false, "2001:db8::2/129"},
	    {KILN_PARAM_TYPE_PREFIX6, false, "10.0.0.2/24"},
	    {KILN_PARAM_TYPE_PREFIX6, false, "dhcp"},
	    {KILN_PARAM_TYPE_ANY_ADDRESS, true, "::"},
	    {KILN_PARAM_TYPE_ANY_ADDRESS, true, "0.0.0.0"},
	    {KILN_PARAM_TYPE_ANY_ADDRESS, false, "localhost"},
	    {KILN_PARAM_TYPE_ADDRESSES, true, "10.0.0.1"},
	    {KILN_PARAM_TYPE_ADDRESSES, true, "10.0.0.1,fe80::1,10.0.0.2"},
	    {KILN_PARAM_TYPE_ADDRESSES, false, "10.0.0.1, 10.0.0.2"},
	    {KILN_PARAM_TYPE_ADDRESSES, false, "10.0.0.1,"},
	    {KILN_PARAM_TYPE_ADDRESSES, false, "net0=10.0.0.1"},
	    {KILN_PARAM_TYPE_ROUTES, true, "10.1.0.0/16=10.0.0.1"},
	    {KILN_PARAM_TYPE_ROUTES, true, "0.0.0.0/0=10.0.0.1,2001:db8::/32=fe80::1"},
	    {KILN_PARAM_TYPE_ROUTES, true, "2001:db8::1/128=fe80::1"},
	    {KILN_PARAM_TYPE_ROUTES, false, "10.1.0.1/16=10.0.0.1"},
	    {KILN_PARAM_TYPE_ROUTES, false, "2001:db8::1/127=fe80::1"},
	    {KILN_PARAM_TYPE_ROUTES, false, "10.1.0.0/16=fe80::1"},
	    {KILN_PARAM_TYPE_ROUTES, false, "10.1.0.0=10.0.0.1"},
	    {KILN_PARAM_TYPE_ROUTES, false, "10.1.0.0/16"},
	};

	for (size_t i = 0; i < KILN_COUNT_OF(texts); i++) {
		const char *text = texts[i].text;
		/* What stands behind the text is not for the reader. */
		char *exact = malloc(strlen(text) ? strlen(text) : 1);
		memcpy(exact, text, strlen(text));
		if (param_takes(texts[i].type, 0, 0, exact, strlen(text)) !=
		    texts[i].taken)
			fail_msg("type %u, '%s'", texts[i].type, text);
		free(exact);
		assert_null(strstr(param_takes_text(texts[i].type), "unknown"));
	}
}

static void every_error_has_a_text_of_its_own(void **state)
{
	for (int i = 0; i < KILN_ERR_COUNT; i++) {
		assert_string_not_equal(kiln_error_text((enum kiln_error)i),
		                        "unknown error");
		for (int j = 0; j < i; j++)
			assert_string_not_equal(kiln_error_text((enum kiln_error)i),
			                        kiln_error_text((enum kiln_error)j));
	}
	assert_string_equal(kiln_error_text((enum kiln_error)KILN_ERR_COUNT),
	                    "unknown error");
	assert_string_equal(kiln_error_text((enum kiln_error) - 1), "unknown error");
}

static void an_embedded_file_is_found_by_its_path_only(void **state)
{
	static const struct embed_file files[] = {
	    {.path = {(const uint8_t *)"a", 1}},
	    {.path = {(const uint8_t *)"a/b", 3}},
	    {.path = {(const uint8_t *)"ab", 2}},
	};
	const struct embed e = {files, 3}, none = {files, 0};

	for (unsigned i = 0; i < 3; i++)
		assert_ptr_equal(embed_find(&e, files[i].path), &files[i]);
	assert_null(embed_find(&e, SLICE("")));
	assert_null(embed_find(&e, SLICE("a/")));
	assert_null(embed_find(&e, SLICE("b")));
	assert_null(embed_find(&none, SLICE("a")));
}

static void lists_splice_and_pop_in_order(void **state)
{
	struct list a, b, n[4];

	list_init(&a);
	list_init(&b);
	for (unsigned i = 0; i < 4; i++) {
		list_init(&n[i]);
		list_append(i < 2 ? &a : &b, &n[i]);
	}
	list_splice(&a, &b);
	assert_true(list_empty(&b));
	list_remove(&n[1]);
	assert_false(list_linked(&n[1]));
	assert_ptr_equal(list_pop(&a), &n[0]);
	assert_ptr_equal(list_pop(&a), &n[2]);
	assert_ptr_equal(list_pop(&a), &n[3]);
	assert_null(list_pop(&a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_cursor_latches_the_first_read_past_its_end),
	    cmocka_unit_test(a_failed_cursor_stays_failed_with_bytes_left),
	    cmocka_unit_test(a_writer_latches_and_keeps_what_fitted),
	    cmocka_unit_test(slices_compare_search_and_trim),
	    cmocka_unit_test(decimals_are_digits_only_and_do_not_overflow),
	    cmocka_unit_test(the_formatter_agrees_with_the_c_library),
	    cmocka_unit_test(a_text_that_does_not_fit_leaves_the_writer_where_it_was),
	    cmocka_unit_test(chacha20_gives_the_block_of_rfc_8439),
	    cmocka_unit_test(siphash_gives_its_published_vectors),
	    cmocka_unit_test(a_seed_repeats_its_numbers_and_another_does_not),
	    cmocka_unit_test(random_below_is_within_its_bound_and_reaches_all_of_it),
	    cmocka_unit_test(parameters_take_the_texts_of_their_type_only),
	    cmocka_unit_test(addresses_are_taken_as_their_type_says),
	    cmocka_unit_test(every_error_has_a_text_of_its_own),
	    cmocka_unit_test(an_embedded_file_is_found_by_its_path_only),
	    cmocka_unit_test(lists_splice_and_pop_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
