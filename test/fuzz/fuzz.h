/*
 * What the fuzz targets share. A target is one file of test/fuzz: libFuzzer calls its
 * LLVMFuzzerTestOneInput with bytes, over and over, in a program with sanitizers, and
 * keeps those that reach new code. test/fuzzing.py runs them all.
 *
 * A target checks what must hold (FUZZ_CHECK), and says where it has got to (FUZZ_REACH):
 * the runner fails a target whose inputs no longer reach one of these places, for it
 * would pass for ever and test nothing.
 */
#ifndef TEST_FUZZ_H
#define TEST_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <kiln/bytes.h>
#include <kiln/slice.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A place that the inputs must get to. */
struct fuzz_mark {
	const char *name;
	unsigned long long times;
};

/* A statement; the linker puts all marks side by side. The branch stays one, so that the
 * fuzzer keeps an input that takes it. */
#define FUZZ_REACH(condition, text)                                                    \
	do {                                                                           \
		static struct fuzz_mark fuzz_mark                                      \
		    __attribute__((used, aligned(16), section("fuzz_marks"))) = {text, \
		                                                                 0};   \
		if (condition) {                                                       \
			fuzz_mark.times++;                                             \
			__asm__ volatile("" ::: "memory");                             \
		}                                                                      \
	} while (0)

extern const struct fuzz_mark __start_fuzz_marks[], __stop_fuzz_marks[];

/* When libFuzzer is done: a line for each, which the runner reads. */
__attribute__((destructor)) static void fuzz_report(void)
{
	for (const struct fuzz_mark *m = __start_fuzz_marks; m < __stop_fuzz_marks; m++)
		fprintf(stderr, "reached: %llu %s\n", m->times, m->name);
}

_Noreturn static inline void fuzz_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, what);
	abort();
}

#define FUZZ_CHECK(condition) \
	((condition) ? (void)0 : fuzz_failed(#condition, __FILE__, __LINE__))

/* The bytes on the heap at their exact size, so that the sanitizer sees every step over
 * their end. free() it. */
__attribute__((unused)) static uint8_t *fuzz_copy(struct slice bytes)
{
	uint8_t *copy = malloc(bytes.len ? bytes.len : 1);

	if (bytes.len)
		memcpy(copy, bytes.data, bytes.len);
	return copy;
}

/* A failed check of what the unit tests share (cmocka's) is a failure here, too. */
__attribute__((constructor, unused)) static void fuzz_abort_on_failed_assert(void)
{
	setenv("CMOCKA_TEST_ABORT", "1", 1);
}

#endif
