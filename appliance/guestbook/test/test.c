/*
 * Tests of the guestbook: kiln test appliance/guestbook
 */
#include <kiln/test.h>

static const char sign[] = "POST /sign HTTP/1.0\r\nHost: kiln\r\n"
                           "Content-Type: application/x-www-form-urlencoded\r\n"
                           "Content-Length: 25\r\n\r\n"
                           "name=Ada&text=%3Cb%3E+hi!";

KILN_TEST(signs, "an entry is kept, and shown as text, not as HTML")
{
	struct slice page;

	test_equal(t, test_http(t, 80, slice_text(sign)).status, 303);
	page = test_get(t, 80, "/").body;
	test_contains(t, page, "<dt>Ada");
	test_contains(t, page, "&lt;b&gt; hi!");
}

KILN_TEST(forgets, "another one begins empty")
{
	test_check(t, test_get(t, 80, "/").status == 200);
	test_equal(t, test_http(t, 80, SLICE("GET /sign HTTP/1.0\r\n\r\n")).status, 404);
}
