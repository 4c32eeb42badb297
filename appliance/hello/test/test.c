/*
 * Tests of an appliance without a network: kiln test appliance/hello
 */
#include <kiln/test.h>

KILN_TEST(greets, "it greets, and ends", .options = {"name=a test"})
{
	test_equal(t, test_wait(t), 0);
	test_contains(t, test_console(t), "Hello from a test: ");
}
