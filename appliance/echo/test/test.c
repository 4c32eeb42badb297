/*
 * Tests of the echo service, over TCP and UDP: kiln test appliance/echo
 */
#include <kiln/test.h>

static void write_and_read(struct test *t, struct stream *s, struct slice text)
{
	uint8_t answer[64];
	size_t got = 0, n;

	test_check(t, stream_write(s, text) == KILN_OK);
	while (got < text.len) {
		test_check(t,
		           stream_read(s, answer + got, text.len - got, &n) == KILN_OK);
		test_check(t, n > 0);
		got += n;
	}
	test_check(t, slice_equal(slice_of(answer, got), text));
}

KILN_TEST(datagram, "a datagram comes back")
{
	test_is(t, test_datagram(t, 7, SLICE("hello"), KILN_SECONDS(1)), "hello");
	test_equal(t, test_datagram(t, 8, SLICE("hello"), KILN_SECONDS(1)).len, 0);
}

KILN_TEST(stream, "bytes come back in order over a link that loses and reorders",
          .link = {.loss = 0.05, .reorder = 0.2, .delay = KILN_MS(20)})
{
	struct stream s;

	test_connect(t, &s, 7);
	write_and_read(t, &s, SLICE("one"));
	write_and_read(t, &s, SLICE("and another"));
	stream_close(&s);
}

KILN_TEST(idle, "a silent connection is closed", .options = {"idle=10"})
{
	struct stream s;
	uint8_t byte;
	size_t got;

	test_connect(t, &s, 7);
	test_sleep(t, KILN_SECONDS(9));
	write_and_read(t, &s, SLICE("still there"));
	test_sleep(t, KILN_SECONDS(11));
	test_check(t, stream_read(&s, &byte, 1, &got) == KILN_OK && got == 0);
}
