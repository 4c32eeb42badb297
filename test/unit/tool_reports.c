/*
 * What kiln run reads of the ends of images: a monitor's records, and the report of a fault
 * on a serial port, whole, in pieces, and wrong in every way that an attacked writer could
 * think of.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tool/reports.h"
#include "tool/serial.h"
/* Last: it has a macro of the name of one of the tool's functions. */
#include <cmocka.h>

/* ---- records ---- */

struct stream {
	uint8_t bytes[1 << 16];
	size_t size;
};

static void add(struct stream *stream, uint32_t type, const void *record, size_t size)
{
	struct report_header header = {type, (uint32_t)size};

	memcpy(stream->bytes + stream->size, &header, sizeof(header));
	memcpy(stream->bytes + stream->size + sizeof(header), record, size);
	stream->size += sizeof(header) + size;
}

/* Reads the stream in pieces of so many bytes, as they come. */
static struct reports *read_in(const struct stream *stream, size_t piece)
{
	struct reports *r = calloc(1, sizeof(*r));
	int ends[2];

	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	r->fd = ends[0];
	for (size_t at = 0; at < stream->size; at += piece) {
		size_t size = stream->size - at < piece ? stream->size - at : piece;
		if (write(ends[1], stream->bytes + at, size) != (ssize_t)size)
			fail_msg("the pipe is full");
		reports_read(r);
		if (r->fd < 0)
			break;
	}
	close(ends[1]);
	reports_read(r);
	assert_int_equal(r->fd, -1);
	return r;
}

static void records_are_read_in_any_pieces(void **state)
{
	static struct stream stream;
	const struct report_mark mark = {7, "a step"};
	const struct report_place place = {0x1000, 0x2000, 0x100, REPORT_PLACE_STACK, 0};
	struct report_fault fault = {.fault = {.vector = 14, .rip = 5}};
	uint8_t memory[8 + 24] = {0, 0x40};

	add(&stream, REPORT_MARK, &mark, sizeof(mark));
	add(&stream, REPORT_PLACE, &place, sizeof(place));
	add(&stream, REPORT_FAULT, &fault, sizeof(fault));
	memset(memory + 8, 0xab, 24);
	add(&stream, REPORT_MEMORY, memory, sizeof(memory));
	for (size_t piece = 1; piece <= stream.size; piece++) {
		struct reports *r = read_in(&stream, piece);
		uint64_t word;
		assert_int_equal(r->mark_count, 1);
		assert_string_equal(r->marks[0].name, "a step");
		assert_ptr_equal(reports_place(r, REPORT_PLACE_STACK), &r->places[0]);
		assert_null(reports_place(r, REPORT_PLACE_IMAGE));
		assert_true(r->has_fault && r->fault.fault.rip == 5);
		assert_true(reports_word(r, 0x4010, &word) && word == 0xabababababababab);
		assert_false(reports_word(r, 0x4011, &word));
		assert_false(reports_word(r, 0x3fff, &word));
		free((void *)(uintptr_t)r->memory[0].bytes);
		free(r);
	}
}

static void a_word_may_lie_across_two_records(void **state)
{
	static struct stream stream;
	struct {
		uint64_t address;
		uint8_t bytes[12];
	} __attribute__((packed)) first = {0x100, {[8] = 1, 2, 3, 4}},
	                          second = {0x10c, {5, 6, 7, 8}};
	struct reports *r;
	uint64_t word;

	add(&stream, REPORT_MEMORY, &first, sizeof(first));
	add(&stream, REPORT_MEMORY, &second, sizeof(second));
	r = read_in(&stream, stream.size);
	assert_true(reports_word(r, 0x108, &word));
	assert_int_equal(word, 0x0807060504030201);
	assert_false(reports_word(r, UINT64_MAX - 3, &word));
	free((void *)(uintptr_t)r->memory[0].bytes);
	free((void *)(uintptr_t)r->memory[1].bytes);
	free(r);
}

/* Reading stops there, and what came before stands. */
static void refused_after_a_mark(uint32_t type, uint32_t size, const void *record,
                                 size_t record_size)
{
	static struct stream stream;
	const struct report_mark mark = {1, "before"};
	const struct report_header header = {type, size};
	struct reports *r;

	stream.size = 0;
	add(&stream, REPORT_MARK, &mark, sizeof(mark));
	memcpy(stream.bytes + stream.size, &header, sizeof(header));
	memcpy(stream.bytes + stream.size + sizeof(header), record, record_size);
	stream.size += sizeof(header) + record_size;
	add(&stream, REPORT_MARK, &mark, sizeof(mark));
	r = read_in(&stream, stream.size);
	assert_int_equal(r->mark_count, 1);
	assert_int_equal(r->place_count + r->memory_count + r->has_fault, 0);
	free(r);
}

static void what_makes_no_sense_ends_the_reading(void **state)
{
	static const uint8_t zeroes[REPORT_SIZE_MOST];

	refused_after_a_mark(0, 8, zeroes, 8);
	refused_after_a_mark(REPORT_MEMORY + 1, 8, zeroes, 8);
	refused_after_a_mark(REPORT_MARK, sizeof(struct report_mark) - 1, zeroes,
	                     sizeof(struct report_mark) - 1);
	refused_after_a_mark(REPORT_PLACE, 0, zeroes, 0);
	refused_after_a_mark(REPORT_FAULT, sizeof(struct report_fault) + 1, zeroes,
	                     sizeof(struct report_fault) + 1);
	refused_after_a_mark(REPORT_MEMORY, 7, zeroes, 7);
	refused_after_a_mark(REPORT_MEMORY, REPORT_SIZE_MOST - 7, zeroes, 100);
	refused_after_a_mark(REPORT_MEMORY, UINT32_MAX, zeroes, 100);
}

static void more_records_than_there_is_room_for_end_it(void **state)
{
	static struct stream stream;
	struct report_mark mark = {1, ""};
	struct reports *r;

	memset(mark.name, 'x', sizeof(mark.name)); /* without a NUL */
	for (unsigned i = 0; i < REPORTS_MARKS + 10; i++)
		add(&stream, REPORT_MARK, &mark, sizeof(mark));
	r = read_in(&stream, 1000);
	assert_int_equal(r->mark_count, REPORTS_MARKS);
	assert_int_equal(strlen(r->marks[0].name), sizeof(mark.name) - 1);
	free(r);
}

static void a_second_fault_ends_it(void **state)
{
	static struct stream stream;
	struct report_fault fault = {.reason = "first"};
	struct report_mark mark = {1, "after both"};
	struct reports *r;

	add(&stream, REPORT_FAULT, &fault, sizeof(fault));
	strcpy(fault.reason, "second");
	add(&stream, REPORT_FAULT, &fault, sizeof(fault));
	add(&stream, REPORT_MARK, &mark, sizeof(mark));
	r = read_in(&stream, 1000);
	assert_string_equal(r->fault.reason, "first");
	assert_int_equal(r->mark_count, 0);
	free(r);
}

/* ---- the serial port ---- */

#define REPORT                                                                  \
	"kiln: fault e, code 6, at image+4017, address 10\n"                    \
	"registers 15 14 13 12 11 10 9 8 b d 5 d0 c b0 a0 e 6 7000004017 33 2 " \
	"7000010000 2b\n"                                                       \
	"stack 7000010000 1 0 ffffffffffffffff\n"

static const struct image image = {
    .span = 0x8000,
    .segments = {{.memory_size = 0x6000, .flags = PF_R | PF_X},
                 {.address = 0x6000, .memory_size = 0x2000, .flags = KILN_SEGMENT_STUB}},
    .segment_count = 2,
};

/* Hands the text over in pieces; what is printed goes to `printed`. True: a report. */
static bool serial(const char *text, size_t piece, char *printed, size_t room,
                   struct reports *reports)
{
	int in[2], out[2], standard = dup(STDOUT_FILENO);
	struct serial s = {.fd = -1};
	ssize_t n;

	fflush(stdout);
	assert_int_equal(pipe2(in, O_NONBLOCK), 0);
	assert_int_equal(pipe2(out, O_NONBLOCK), 0);
	dup2(out[1], STDOUT_FILENO);
	s.fd = in[0];
	for (size_t at = 0, size = strlen(text); at < size; at += piece) {
		size_t now = size - at < piece ? size - at : piece;
		if (write(in[1], text + at, now) != (ssize_t)now)
			break;
		serial_read(&s);
	}
	close(in[1]);
	*reports = (struct reports){.fd = -1};
	serial_end(&s, reports, &image);
	dup2(standard, STDOUT_FILENO);
	close(standard);
	close(out[1]);
	n = read(out[0], printed, room - 1);
	printed[n > 0 ? n : 0] = '\0';
	close(out[0]);
	free(s.held.data);
	return reports->has_fault;
}

static void a_report_is_taken_out_of_what_an_image_prints(void **state)
{
	static const char text[] = "hello\nkiln: is not one\n kiln: fault\n\n" REPORT;
	static struct reports r;
	char printed[4096];
	uint64_t word;

	for (size_t piece = 1; piece < sizeof(text); piece++) {
		assert_true(serial(text, piece, printed, sizeof(printed), &r));
		assert_string_equal(printed, "hello\nkiln: is not one\n kiln: fault\n\n");
		assert_int_equal(r.fault.fault.vector, 14);
		assert_int_equal(r.fault.fault.rip, 0x7000004017);
		assert_int_equal(r.fault.fault.r15, 0x15);
		assert_int_equal(r.fault.fault.rax, 0xa0);
		assert_int_equal(r.fault.fault.rsp, 0x7000010000);
		assert_int_equal(r.places[0].start, 0x7000000000);
		assert_int_equal(r.places[0].size, 0x6000);
		assert_true(reports_word(&r, 0x7000010010, &word) && word == UINT64_MAX);
		free((void *)(uintptr_t)r.memory[0].bytes);
	}
}

static void what_is_no_report_is_printed(void **state)
{
	static const char *const texts[] = {
	    "",
	    "no end of line",
	    "kiln: ",
	    "kiln: fault ",
	    "kiln: fault e, code 6",
	    "kiln: fault e, code 6, at image+4017, address 10\nregisters 1 2\n",
	    "kiln: fault -1, code 6, at image+1, address 1\n",
	    REPORT "and on it goes\n",
	    "x" REPORT,
	};
	static struct reports r;
	char printed[4096];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		for (size_t piece = 1; piece <= strlen(texts[i]) + 1; piece += 7) {
			assert_false(
			    serial(texts[i], piece, printed, sizeof(printed), &r));
			assert_string_equal(printed, texts[i]);
		}
	}
}

static void what_never_ends_is_not_held_back(void **state)
{
	enum { SIZE = 300 << 10 };
	static char text[SIZE + 1], printed[SIZE + 1];
	static struct reports r;

	memset(text, '7', SIZE);
	memcpy(text, "kiln: fault ", 12);
	assert_false(serial(text, 4096, printed, sizeof(printed), &r));
	/* As much as a pipe that nobody reads takes: the rest is dropped, not waited for. */
	assert_true(strlen(printed) >= 4096);
	assert_memory_equal(printed, text, strlen(printed));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(records_are_read_in_any_pieces),
	    cmocka_unit_test(a_word_may_lie_across_two_records),
	    cmocka_unit_test(what_makes_no_sense_ends_the_reading),
	    cmocka_unit_test(more_records_than_there_is_room_for_end_it),
	    cmocka_unit_test(a_second_fault_ends_it),
	    cmocka_unit_test(a_report_is_taken_out_of_what_an_image_prints),
	    cmocka_unit_test(what_is_no_report_is_printed),
	    cmocka_unit_test(what_never_ends_is_not_held_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
