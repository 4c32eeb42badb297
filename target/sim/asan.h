/*
 * What AddressSanitizer is told where it is linked in: that a frame's bytes are out of
 * bounds once its receiver has returned, and that a freed stack is memory like any other.
 */
#ifndef SIM_ASAN_H
#define SIM_ASAN_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define SIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_ASAN 1
#endif
#endif
#ifndef SIM_ASAN
#define SIM_ASAN 0
#endif

#if SIM_ASAN
#include <sanitizer/asan_interface.h>
#endif

static inline void sim_asan_poison(const void *memory, size_t size)
{
#if SIM_ASAN
	__asan_poison_memory_region(memory, size);
#endif
}

static inline void sim_asan_unpoison(const void *memory, size_t size)
{
#if SIM_ASAN
	__asan_unpoison_memory_region(memory, size);
#endif
}

#endif
