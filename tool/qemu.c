#include "run.h"
void run_qemu(struct run *run)
{
	fail("not yet");
}
