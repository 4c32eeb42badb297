/*
 * The timer wheel: hierarchical, five levels of 64 slots, a tick of 1 ms (Varghese and
 * Lauck, "Hashed and hierarchical timing wheels", 1987).
 *
 * Level 0 has a slot for each of the next 64 ticks, level n one for each of the next 64
 * runs of 64^n ticks. When the clock enters a run, its slot is spread over the levels
 * below. A bit for each occupied slot lets the wheel skip idle time at once.
 */
#include <kiln/bytes.h>
#include <kiln/loop.h>

enum { TICK = 1000000, SLOT_BITS = 6 };
#define WHEEL_SPAN (1ull << (SLOT_BITS * TIMER_LEVELS))

void timer_wheel_init(struct timer_wheel *wheel)
{
	wheel->tick = 0;
	wheel->count = 0;
	list_init(&wheel->due);
	for (unsigned level = 0; level < TIMER_LEVELS; level++) {
		wheel->occupied[level] = 0;
		for (unsigned slot = 0; slot < TIMER_SLOTS; slot++)
			list_init(&wheel->slots[level][slot]);
	}
}

void timer_init(struct timer *timer, void (*fire)(struct timer *))
{
	list_init(&timer->node);
	timer->deadline = KILN_NEVER;
	timer->fire = fire;
}

/* The first tick that is not before the instant. */
static uint64_t tick_of(kiln_time deadline)
{
	return deadline / TICK + (deadline % TICK != 0);
}

/* Into the slot for its tick, which may be the current one (while cascading). */
static void place(struct timer_wheel *wheel, struct timer *timer)
{
	uint64_t tick = KILN_MAX(tick_of(timer->deadline), wheel->tick);
	uint64_t delta = tick - wheel->tick;
	unsigned level = 0;

	if (delta >= WHEEL_SPAN) {
		tick = wheel->tick + WHEEL_SPAN - 1;
		delta = WHEEL_SPAN - 1;
	}
	while (delta >> (SLOT_BITS * (level + 1)))
		level++;
	unsigned slot = (unsigned)(tick >> (SLOT_BITS * level)) % TIMER_SLOTS;
	list_append(&wheel->slots[level][slot], &timer->node);
	wheel->occupied[level] |= 1ull << slot;
}

void timer_cancel(struct loop *loop, struct timer *timer)
{
	struct timer_wheel *wheel = &loop->wheel;
	struct list *head = timer->node.next;

	if (timer->deadline == KILN_NEVER)
		return;
	bool last = head == timer->node.prev;
	list_remove(&timer->node);
	timer->deadline = KILN_NEVER;
	wheel->count--;
	/* The last of a slot takes the slot's bit with it. */
	uintptr_t offset = (uintptr_t)head - (uintptr_t)&wheel->slots[0][0];
	if (last && offset < sizeof(wheel->slots)) {
		size_t index = offset / sizeof(struct list);
		wheel->occupied[index / TIMER_SLOTS] &= ~(1ull << index % TIMER_SLOTS);
	}
}

void timer_set(struct loop *loop, struct timer *timer, kiln_time deadline)
{
	timer_cancel(loop, timer);
	if (deadline == KILN_NEVER)
		return;
	timer->deadline = deadline;
	loop->wheel.count++;
	if (deadline <= loop->now || tick_of(deadline) <= loop->wheel.tick)
		list_append(&loop->wheel.due, &timer->node);
	else
		place(&loop->wheel, timer);
}

/* The next tick at which a slot of this level is to be fired or spread; UINT64_MAX if
 * none. */
static uint64_t next_of_level(const struct timer_wheel *wheel, unsigned level)
{
	uint64_t bits = wheel->occupied[level];
	uint64_t run = wheel->tick >> (SLOT_BITS * level);
	unsigned shift = (unsigned)(run + 1) % TIMER_SLOTS;

	if (!bits)
		return UINT64_MAX;
	bits = shift ? bits >> shift | bits << (TIMER_SLOTS - shift) : bits;
	return (run + 1 + (unsigned)__builtin_ctzll(bits)) << (SLOT_BITS * level);
}

static uint64_t next_tick(const struct timer_wheel *wheel)
{
	uint64_t next = UINT64_MAX;

	for (unsigned level = 0; level < TIMER_LEVELS; level++)
		next = KILN_MIN(next, next_of_level(wheel, level));
	return next;
}

kiln_time timer_wheel_next(const struct timer_wheel *wheel)
{
	if (!list_empty(&wheel->due))
		return 0;
	uint64_t tick = next_tick(wheel);
	return tick > UINT64_MAX / TICK ? KILN_NEVER : tick * TICK;
}

/* Takes all timers of a slot over to `list`. */
static void empty_slot(struct timer_wheel *wheel, unsigned level, unsigned slot,
                       struct list *list)
{
	list_splice(list, &wheel->slots[level][slot]);
	wheel->occupied[level] &= ~(1ull << slot);
}

/* Spreads, from the top, each slot whose run begins with the current tick. */
static void cascade(struct timer_wheel *wheel)
{
	for (unsigned level = TIMER_LEVELS - 1; level > 0; level--) {
		struct list moving;
		struct list *node;
		unsigned shift = SLOT_BITS * level;

		if (wheel->tick & ((1ull << shift) - 1))
			continue;
		list_init(&moving);
		empty_slot(wheel, level, (unsigned)(wheel->tick >> shift) % TIMER_SLOTS,
		           &moving);
		while ((node = list_pop(&moving)))
			place(wheel, kiln_container(node, struct timer, node));
	}
}

/* Timers that a callback sets meanwhile go elsewhere: this ends. */
static unsigned fire_all(struct loop *loop, struct list *list)
{
	unsigned fired = 0;
	struct list *node;

	while ((node = list_pop(list))) {
		struct timer *timer = kiln_container(node, struct timer, node);
		timer->deadline = KILN_NEVER;
		loop->wheel.count--;
		timer->fire(timer);
		fired++;
	}
	return fired;
}

unsigned timer_wheel_advance(struct loop *loop, kiln_time now)
{
	struct timer_wheel *wheel = &loop->wheel;
	uint64_t target = now / TICK;
	struct list firing;
	unsigned fired;

	list_init(&firing);
	list_splice(&firing, &wheel->due);
	fired = fire_all(loop, &firing);
	while (wheel->tick < target) {
		uint64_t tick = next_tick(wheel);
		if (tick > target) {
			wheel->tick = target;
			break;
		}
		wheel->tick = tick;
		cascade(wheel);
		empty_slot(wheel, 0, (unsigned)tick % TIMER_SLOTS, &firing);
		fired += fire_all(loop, &firing);
	}
	return fired;
}
