/*
 * Slabs: objects that lie in the chunks of a pool, and what keeps them and other users of
 * the chunks from taking all of it from each other.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <kiln/appliance.h>
#include <kiln/memory.h>

enum { CHUNKS = 20, LEAST = 4, LEAVE = 3, SMALL = 40, LARGE = 960 };

static uint8_t memory[(CHUNKS + 1) * CHUNK_TOTAL] __attribute__((aligned(CHUNK_TOTAL)));
static struct kiln kiln;
static struct pool chunks;
static struct slab_share share;
static struct slab_pool small, large;

static int start(void **state)
{
	arena_init(&kiln.arena, memory, sizeof(memory));
	pool_init(&chunks, &kiln, sizeof(struct chunk), CHUNKS, "the test");
	share = (struct slab_share){.chunks = &chunks, .least = LEAST, .leave = LEAVE};
	slab_pool_init(&small, &share, SMALL);
	slab_pool_init(&large, &share, LARGE);
	return 0;
}

/* Takes objects until there are no more, fills each with its own number. */
static unsigned take_all(struct slab_pool *pool, uint8_t **objects)
{
	unsigned count = 0;

	while (slab_has_room(pool)) {
		objects[count] = slab_get(pool);
		assert_non_null(objects[count]);
		assert_int_equal((uintptr_t)objects[count] % 16, 0);
		memset(objects[count], (int)count, pool->size);
		count++;
	}
	assert_null(slab_get(pool));
	return count;
}

static void assert_intact(const struct slab_pool *pool, uint8_t *const *objects,
                          unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		for (unsigned at = 0; at < pool->size; at++)
			assert_int_equal(objects[i][at], (uint8_t)i);
	}
}

static void as_many_objects_as_fit_lie_in_a_chunk(void **state)
{
	assert_int_equal(small.size, 48);
	assert_int_equal(small.each, SLAB_OBJECT_MOST / 48);
	assert_int_equal(large.each, 2);
	for (unsigned i = 0; i < small.each; i++)
		assert_non_null(slab_get(&small));
	assert_int_equal(chunks.used, 1);
	assert_non_null(slab_get(&small));
	assert_int_equal(chunks.used, 2);
}

static void objects_do_not_overlap(void **state)
{
	uint8_t *some[100], *others[100];
	unsigned count, more = 0;

	for (; more < 10; more++) {
		others[more] = slab_get(&small);
		memset(others[more], (int)more, small.size);
	}
	count = take_all(&large, some);
	assert_int_equal(count, 2 * (CHUNKS - LEAVE - 1));
	assert_intact(&large, some, count);
	assert_intact(&small, others, more);
}

static void a_chunk_goes_back_with_its_last_object(void **state)
{
	uint8_t *objects[100];
	unsigned count = take_all(&large, objects);

	slab_put(&large, objects[0]);
	assert_int_equal(chunks.used, CHUNKS - LEAVE);
	slab_put(&large, objects[1]);
	assert_int_equal(chunks.used, CHUNKS - LEAVE - 1);
	assert_non_null(slab_get(&small)); /* of another kind */
	assert_int_equal(chunks.used, CHUNKS - LEAVE);
	for (unsigned i = 2; i < count; i++)
		slab_put(&large, objects[i]);
	assert_int_equal(chunks.used, 1);
	assert_int_equal(share.used, 1);
	assert_int_equal(large.used, 0);
	assert_int_equal(large.most, count);
}

static void a_chunk_with_a_hole_is_filled_before_another_is_begun(void **state)
{
	uint8_t *objects[6];

	for (unsigned i = 0; i < 6; i++)
		objects[i] = slab_get(&large);
	slab_put(&large, objects[0]);
	slab_put(&large, objects[3]);
	assert_int_equal(chunks.used, 3);
	assert_ptr_equal(slab_get(&large), objects[3]);
	assert_ptr_equal(slab_get(&large), objects[0]);
	assert_int_equal(chunks.used, 3);
	assert_non_null(slab_get(&large));
	assert_int_equal(chunks.used, 4);
}

static void objects_leave_some_chunks_to_others(void **state)
{
	uint8_t *objects[100];

	take_all(&large, objects);
	assert_int_equal(chunks.used, CHUNKS - LEAVE);
	assert_int_equal(large.refused, 1);
	for (unsigned i = 0; i < LEAVE; i++)
		assert_non_null(chunk_get(&chunks));
	assert_null(chunk_get(&chunks));
	/* The least is not more than that, once they have had more. */
	slab_put(&large, objects[0]);
	slab_put(&large, objects[1]);
	assert_false(slab_has_room(&large));
}

static void others_leave_some_chunks_to_objects(void **state)
{
	uint8_t *objects[100];

	assert_int_equal(slab_share_owed(&share), LEAST);
	while (chunks.used + slab_share_owed(&share) < chunks.count)
		assert_non_null(chunk_get(&chunks));
	assert_int_equal(chunks.used, CHUNKS - LEAST);
	assert_int_equal(take_all(&large, objects), 2 * LEAST);
	assert_int_equal(slab_share_owed(&share), 0);
	assert_int_equal(chunks.used, CHUNKS);
	slab_put(&large, objects[0]);
	slab_put(&large, objects[1]);
	assert_int_equal(slab_share_owed(&share), 1);
	assert_true(slab_has_room(&small));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, start)
	const struct CMUnitTest tests[] = {
	    TEST(as_many_objects_as_fit_lie_in_a_chunk),
	    TEST(objects_do_not_overlap),
	    TEST(a_chunk_goes_back_with_its_last_object),
	    TEST(a_chunk_with_a_hole_is_filled_before_another_is_begun),
	    TEST(objects_leave_some_chunks_to_others),
	    TEST(others_leave_some_chunks_to_objects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
