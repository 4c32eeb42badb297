/*
 * A test image: what <kiln/block.h> promises, on a disk of at least 1 MiB whose content
 *may be lost. Run on every target; it prints a line for each thing it proves, "ok N what"
 *or "not ok N what", and ends with 0 only if all hold.
 *
 *	truncate -s 1M /tmp/disk
 *	kiln run test/image/block -t TARGET --disk disk0=/tmp/disk
 *
 * --pass second, on the same disk, proves that what the first pass flushed is there.
 */
#include <kiln/appliance.h>
#include <kiln/block.h>

KILN_BLOCK(disk0, "is written all over");
KILN_PARAM_STRING(pass, "first", "first writes, second reads it back");

enum { SECTORS_LEAST = 2048, MANY = 64, LARGE = 128 };

struct test {
	struct kiln *kiln;
	struct block *disk;
	unsigned count, failed;
	unsigned outstanding, good;
	uint8_t *out, *in;
	struct block_request requests[MANY];
};

static void check(struct test *t, bool holds, const char *what)
{
	t->count++;
	t->failed += !holds;
	kiln_printf(t->kiln, "%s %u %s\n", holds ? "ok" : "not ok", t->count, what);
}

/* Bytes that say which sector they belong to, so that a misplaced one is seen. */
static void pattern(uint8_t *data, uint64_t sector, uint32_t sectors, uint8_t salt)
{
	for (uint32_t i = 0; i < sectors * BLOCK_SECTOR; i++) {
		uint64_t at = sector * BLOCK_SECTOR + i;
		data[i] = (uint8_t)((at * 2654435761u >> 13) + salt);
	}
}

static bool reads_back(struct test *t, uint64_t sector, uint32_t sectors, uint8_t salt)
{
	pattern(t->out, sector, sectors, salt);
	memset(t->in, 0x55, (size_t)sectors * BLOCK_SECTOR);
	return !block_read(t->disk, sector, t->in, sectors) &&
	       memcmp(t->in, t->out, (size_t)sectors * BLOCK_SECTOR) == 0;
}

static bool writes(struct test *t, uint64_t sector, uint32_t sectors, uint8_t salt)
{
	pattern(t->out, sector, sectors, salt);
	return !block_write(t->disk, sector, t->out, sectors);
}

static void test_one(struct test *t)
{
	uint64_t last = t->disk->sectors - 1;

	check(t, writes(t, 0, 1, 1) && reads_back(t, 0, 1, 1), "the first sector");
	check(t, writes(t, last, 1, 2) && reads_back(t, last, 1, 2), "the last sector");
	check(t, writes(t, 100, LARGE, 3) && reads_back(t, 100, LARGE, 3),
	      "64 KiB in one request");
	check(t,
	      writes(t, 110, 1, 4) && reads_back(t, 110, 1, 4) &&
	          reads_back(t, 109, 1, 3) && reads_back(t, 111, 1, 3),
	      "a write changes its own sectors only");
	check(t, reads_back(t, 0, 1, 1) && reads_back(t, last, 1, 2),
	      "earlier sectors are as they were");
	check(t, block_flush(t->disk) == KILN_OK, "a flush");
}

static void test_bounds(struct test *t)
{
	uint64_t end = t->disk->sectors;

	check(t, block_read(t->disk, end, t->in, 1) == KILN_ERR_INVALID,
	      "no read behind the end");
	check(t, block_write(t->disk, end - 1, t->out, 2) == KILN_ERR_INVALID,
	      "no write across the end");
	check(t, block_read(t->disk, UINT64_MAX, t->in, 2) == KILN_ERR_INVALID,
	      "no wrap-around of sector numbers");
	check(t, block_read(t->disk, 0, t->in, 0) == KILN_ERR_INVALID,
	      "no empty request");
}

static struct test *the_test; /* done() has no context of its own */

static void done(struct block_request *request)
{
	the_test->outstanding--;
	the_test->good += request->error == KILN_OK;
}

/* As many at once as no device has slots for. */
static bool run_many(struct test *t, enum block_kind kind)
{
	t->outstanding = MANY;
	t->good = 0;
	for (unsigned i = 0; i < MANY; i++) {
		uint8_t *data = (kind == BLOCK_READ ? t->in : t->out) + i * BLOCK_SECTOR;
		t->requests[i] = (struct block_request){.kind = kind,
		                                        .sector = 512 + 3 * i,
		                                        .data = data,
		                                        .sectors = 1,
		                                        .done = done};
		if (kind == BLOCK_WRITE)
			pattern(data, 512 + 3 * i, 1, 7);
	}
	for (unsigned i = 0; i < MANY; i++)
		block_submit(t->disk, &t->requests[i]);
	while (t->outstanding)
		loop_step(&t->kiln->loop, KILN_NEVER);
	return t->good == MANY;
}

static void test_many(struct test *t)
{
	check(t, run_many(t, BLOCK_WRITE), "many writes at once");
	memset(t->in, 0, MANY * BLOCK_SECTOR);
	check(t,
	      run_many(t, BLOCK_READ) && memcmp(t->in, t->out, MANY * BLOCK_SECTOR) == 0,
	      "many reads at once bring what was written");
	check(t, block_flush(t->disk) == KILN_OK, "a flush after them");
}

static void test_second_pass(struct test *t)
{
	check(t, reads_back(t, 0, 1, 1), "the first sector outlived the image");
	check(t,
	      reads_back(t, 100, 10, 3) && reads_back(t, 110, 1, 4) &&
	          reads_back(t, 111, LARGE - 11, 3),
	      "so did the large request");
	check(t, reads_back(t, t->disk->sectors - 1, 1, 2), "so did the last sector");
}

static void test_read_only(struct test *t)
{
	check(t, block_read(t->disk, 0, t->in, 1) == KILN_OK, "a read-only disk is read");
	check(t, block_write(t->disk, 0, t->in, 1) == KILN_ERR_READ_ONLY,
	      "a read-only disk is not written");
}

int appliance(struct kiln *k)
{
	struct test *t = kiln_alloc(k, sizeof(*t), "test");

	the_test = t;
	t->kiln = k;
	t->disk = block_open(k, &disk0);
	t->out = kiln_alloc(k, LARGE * BLOCK_SECTOR, "written data");
	t->in = kiln_alloc(k, LARGE * BLOCK_SECTOR, "read data");
	check(t, t->disk->sectors >= SECTORS_LEAST, "a disk of at least 1 MiB");
	if (t->disk->read_only) {
		test_read_only(t);
	} else if (pass[0] == 's') {
		test_second_pass(t);
	} else {
		test_one(t);
		test_bounds(t);
		test_many(t);
	}
	kiln_printf(k, "1..%u\n", t->count);
	return t->failed ? 1 : 0;
}
