/*
 * pthread of kiln bench boot: what bench/image/tasks does, with what the kernel has for it.
 *
 *	threads create COUNT    threads, each joined before the next
 *	threads switch COUNT    between two threads that wake each other by semaphores
 *	threads timer COUNT     timer_settime(2): set, and cancelled
 */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include "load.h"

enum { STACK = 64 << 10 };

static unsigned long count;

static void *nothing(void *arg)
{
	return arg;
}

static void create_all(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	for (unsigned long i = 0; i < count; i++) {
		errno = pthread_create(&thread, &attributes, nothing, NULL);
		if (errno)
			fail("pthread_create");
		pthread_join(thread, NULL);
	}
}

static sem_t turn[2];

static void *take_turns(void *arg)
{
	unsigned own = arg != NULL;

	for (unsigned long i = 0; i < count / 2; i++) {
		sem_wait(&turn[own]);
		sem_post(&turn[!own]);
	}
	return NULL;
}

static void switch_all(void)
{
	pthread_t other;

	sem_init(&turn[0], 0, 1);
	sem_init(&turn[1], 0, 0);
	errno = pthread_create(&other, NULL, take_turns, turn);
	if (errno)
		fail("pthread_create");
	take_turns(NULL);
	pthread_join(other, NULL);
}

static void set_all(void)
{
	const struct itimerspec off = {0};
	struct sigevent silent = {.sigev_notify = SIGEV_NONE};
	timer_t timer;

	if (timer_create(CLOCK_MONOTONIC, &silent, &timer) < 0)
		fail("timer_create");
	for (unsigned long i = 0; i < count; i++) {
		const struct itimerspec in = {.it_value.tv_sec = 1 + (time_t)(i % 5)};

		timer_settime(timer, 0, &in, NULL);
		timer_settime(timer, 0, &off, NULL);
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} all[] = {{"create", create_all}, {"switch", switch_all}, {"timer", set_all}};

	count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	for (size_t i = 0; count && i < sizeof(all) / sizeof(all[0]); i++) {
		uint64_t began = now_ns(), cycles = __builtin_ia32_rdtsc();

		if (strcmp(all[i].name, argv[1]) != 0)
			continue;
		all[i].run();
		cycles = __builtin_ia32_rdtsc() - cycles;
		printf("count %lu\nns %llu\ncycles %llu\n", count,
		       (unsigned long long)(now_ns() - began),
		       (unsigned long long)cycles);
		return 0;
	}
	fprintf(stderr, "usage: %s create|switch|timer COUNT\n", argv[0]);
	return 2;
}
