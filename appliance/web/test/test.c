/*
 * Tests of the web site: kiln test appliance/web
 */
#include <stdio.h>
#include <kiln/test.h>

KILN_TEST(pages, "pages and what they refer to are served, each with its type")
{
	test_contains(t, test_get(t, 80, "/").body, "</html>");
	test_contains(t, test_get(t, 80, "/style.css").head, "Content-Type: text/css");
}

KILN_TEST(missing, "what is not there is answered with the site's own page")
{
	struct test_answer answer = test_get(t, 80, "/nothing");

	test_equal(t, answer.status, 404);
	test_contains(t, answer.body, "</html>");
}

KILN_TEST(conditional, "a page that has not changed is not sent again")
{
	struct test_answer page = test_get(t, 80, "/");
	char request[256];
	int length = snprintf(request, sizeof(request),
	                      "GET / HTTP/1.0\r\nIf-None-Match: %.*s\r\n\r\n",
	                      SLICE_ARG(test_field(&page, "ETag")));

	test_equal(t, test_http(t, 80, slice_of(request, (size_t)length)).status, 304);
}

KILN_TEST(bad_link, "pages arrive whole over a link that loses and corrupts frames",
          .link = {.loss = 0.1, .corrupt = 0.05, .delay = KILN_MS(50)})
{
	test_contains(t, test_get(t, 80, "/").body, "</html>");
}
