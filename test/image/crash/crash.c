/*
 * An image that crashes in the way that --how names; test/e2e/crash.py runs it once for each
 * on every target, and looks for the functions and the marked lines of this file in what is
 * reported.
 */
#include <kiln/appliance.h>
#include <kiln/task.h>

KILN_PARAM_STRING(how, "none", "how to crash");

static volatile uint64_t word;

static bool is(const char *name)
{
	return slice_equal(slice_text(how), slice_text(name));
}

__attribute__((noinline)) static void write_null(volatile uint64_t *nothing)
{
	nothing[2] = word; /* line: null */
}

/* Inlined into its caller, and reported as a frame of its own. */
__attribute__((always_inline)) static inline void write_inlined(
    volatile uint64_t *nothing)
{
	nothing[4] = word; /* line: inlined */
}

__attribute__((noinline)) static void through_inlined(void)
{
	write_inlined((volatile uint64_t *)(uintptr_t)word); /* line: inlined into */
	word++;
}

__attribute__((noinline)) static uint64_t recurse(uint64_t depth)
{
	volatile uint64_t frame[16];

	frame[depth % 16] = depth;
	if (depth == ~word)
		return 0;
	return recurse(depth + 1) + frame[0]; /* line: overflow */
}

__attribute__((noinline)) static void check(uint64_t value)
{
	kiln_assert(value == 1); /* line: assert */
}

__attribute__((noinline)) static uint64_t divide(uint64_t by)
{
	return (by + 7) / by; /* line: divide */
}

__attribute__((noinline)) static void jump(void (*to)(void))
{
	to(); /* line: jump */
	word++;
}

__attribute__((noinline)) static void overrun(uint64_t size)
{
	volatile uint8_t local[16] = {0};

	for (uint64_t i = 0; i < size; i++)
		local[i] = 0x41;
	word = local[0];
}

/* In code of the C library, which has no debug information. */
__attribute__((noinline)) static void in_library(uint8_t *nothing)
{
	memset(nothing, 0, 4096 + word); /* line: library */
	word++;
}

__attribute__((noinline)) static void take_memory(struct kiln *k)
{
	uint8_t *memory = kiln_alloc(k, (size_t)1 << 40, "tests"); /* line: memory */

	word = memory[0];
}

static void in_task(void *argument)
{
	write_null(argument); /* line: task */
	word++;
}

static int run_task(struct kiln *k)
{
	struct task_pool *pool = task_pool_new(k, 1, 16 << 10);

	if (task_start(pool, in_task, NULL) != KILN_OK)
		return 1;
	return kiln_run(k);
}

/* Rests first, so that a console that is served in turns shows what was printed. */
_Noreturn static void loop_for_ever(struct kiln *k)
{
	kiln_printf(k, "busy\n");
	loop_step(&k->loop, kiln_now(k) + KILN_MS(1));
	for (;;)
		word++;
}

_Noreturn static void print_for_ever(struct kiln *k)
{
	for (;;)
		kiln_printf(k, "busy\n");
}

/* All that the image was given: more than the host has for it. */
static void fill_memory(struct kiln *k)
{
	size_t size = arena_left(&k->arena) - 4096;
	volatile uint8_t *memory = kiln_alloc(k, size, "all there is");

	for (size_t i = 0; i < size; i += 4096)
		memory[i] = 1;
}

int appliance(struct kiln *k)
{
	if (is("null"))
		write_null((volatile uint64_t *)(uintptr_t)word); /* line: caller */
	else if (is("inlined"))
		through_inlined();
	else if (is("overflow"))
		word = recurse(0);
	else if (is("assert"))
		check(word);
	else if (is("divide"))
		word = divide(word);
	else if (is("jump"))
		jump((void (*)(void))(uintptr_t)word);
	else if (is("trap"))
		__builtin_trap(); /* line: trap */
	else if (is("overrun"))
		overrun(word + 64);
	else if (is("library"))
		in_library((uint8_t *)(uintptr_t)(word + 16));
	else if (is("memory"))
		take_memory(k);
	else if (is("fill"))
		fill_memory(k);
	else if (is("task"))
		return run_task(k);
	else if (is("loop"))
		loop_for_ever(k);
	else if (is("print"))
		print_for_ever(k);
	else if (is("wait")) {
		kiln_printf(k, "waiting\n");
		return kiln_run(k);
	} else if (is("exit"))
		return 3;
	return 0;
}
