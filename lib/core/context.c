/*
 * Contexts: setting up a stack so that context_swap (context_x86_64.S) can return into
 * it.
 */
#include <stdint.h>
#include "context.h"

#if defined(__SANITIZE_ADDRESS__)
#define CONTEXT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CONTEXT_ASAN 1
#endif
#endif

#ifdef CONTEXT_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

/* Pushes the callee-saved registers, stores sp, loads the other and pops. */
void context_swap(void **save_sp, void *load_sp);

/* What AddressSanitizer knows of the stack that was left is learnt on arrival. */
static void arrived(struct context *c)
{
#ifdef CONTEXT_ASAN
	__sanitizer_finish_switch_fiber(c->fake, &c->previous->stack, &c->previous->size);
#else
	(void)c;
#endif
}

/* context_swap "returns" here on a new stack, with the context in the first argument. */
__attribute__((noreturn)) void context_begin(struct context *c);
void context_begin(struct context *c)
{
	arrived(c);
	c->entry(c->arg);
	__builtin_trap();
}

void context_start(void); /* context_x86_64.S: moves rbx to rdi, calls context_begin */

void context_make(struct context *c, void *stack, size_t size, void (*entry)(void *arg),
                  void *arg)
{
	uintptr_t top = ((uintptr_t)stack + size) & ~(uintptr_t)15;
	/* As context_swap leaves it: r15 r14 r13 r12 rbx rbp, return address; behind it zeroes
	 * that end a backtrace and leave sp on 16 bytes when context_start runs. */
	uint64_t *sp = (uint64_t *)top - 9;

	for (unsigned i = 0; i < 9; i++)
		sp[i] = 0;
	sp[4] = (uintptr_t)c;
	sp[6] = (uintptr_t)context_start;
	*c = (struct context){
	    .sp = sp, .stack = stack, .size = size, .entry = entry, .arg = arg};
}

void context_switch(struct context *from, struct context *to)
{
	to->previous = from;
#ifdef CONTEXT_ASAN
	__sanitizer_start_switch_fiber(&from->fake, to->stack, to->size);
#endif
	context_swap(&from->sp, to->sp);
	arrived(from);
}
