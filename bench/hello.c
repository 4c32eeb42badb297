/* static-binary of kiln bench boot: the least that a program is, statically linked. */
#include <unistd.h>

int main(void)
{
	static const char text[] = "Hello\n";

	return write(STDOUT_FILENO, text, sizeof(text) - 1) != sizeof(text) - 1;
}
