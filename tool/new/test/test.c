/*
 * Tests of @NAME@, on a simulated network: kiln test @NAME@
 */
#include <kiln/test.h>

KILN_TEST(front_page, "the front page is served")
{
	struct test_answer answer = test_get(t, 80, "/");

	test_equal(t, answer.status, 200);
	test_contains(t, answer.head, "Content-Type: text/html");
	test_contains(t, answer.body, "<h1>@NAME@</h1>");
}

KILN_TEST(missing_page, "a page that is not there is said to be missing")
{
	test_equal(t, test_get(t, 80, "/nothing").status, 404);
}

KILN_TEST(bad_link, "the page arrives over a slow link that loses every tenth frame",
	  .link = {.loss = 0.1, .delay = KILN_MS(100)})
{
	test_contains(t, test_get(t, 80, "/").body, "</html>");
}
