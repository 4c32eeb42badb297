/*
 * The serial port of an image on QEMU: see serial.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../monitor/image.h"
#include "serial.h"

enum {
	HELD_MOST = 256 << 10, /* more than any report */
	PIECE = 4096,
	STUB_GUARD = 4096,
};

static const char beginning[] = "kiln: fault ";

static void print_held(struct serial *serial, size_t size)
{
	struct text *held = &serial->held;

	if (size == 0)
		return;
	console_print(&serial->console, held->data, size);
	serial->within_line = held->data[size - 1] != '\n';
	held->len -= size;
	memmove(held->data, held->data + size, held->len);
	held->data[held->len] = '\0';
}

/* Where a line begins that is, or may become, the first of a report; else the end. */
static size_t report_at(const struct serial *serial)
{
	const struct text *held = &serial->held;
	size_t at = 0;

	while (at < held->len) {
		size_t left = held->len - at, most = sizeof(beginning) - 1;
		const char *end = memchr(held->data + at, '\n', left);
		if (!(at == 0 && serial->within_line) &&
		    memcmp(held->data + at, beginning, left < most ? left : most) == 0)
			return at;
		if (!end)
			break;
		at = (size_t)(end - held->data) + 1;
	}
	return held->len;
}

bool serial_read(struct serial *serial)
{
	char bytes[PIECE];
	ssize_t n = serial->fd < 0 ? -1 : read(serial->fd, bytes, sizeof(bytes));

	if (n > 0) {
		text_add_bytes(&serial->held, bytes, (size_t)n);
		print_held(serial, serial->held.len > HELD_MOST ? serial->held.len
		                                                : report_at(serial));
	}
	if (n == 0) {
		close(serial->fd);
		serial->fd = -1;
	}
	return n > 0;
}

/* ---- a report ---- */

/* A word of the format at *text, if it is there; then the text goes on behind it. */
static bool expect(const char **text, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*text, word, len) != 0)
		return false;
	*text += len;
	return true;
}

static bool number(const char **text, uint64_t *value)
{
	char *end;

	if (!strchr("0123456789abcdef", **text) || !**text)
		return false;
	*value = strtoull(*text, &end, 16);
	*text = end;
	return true;
}

static bool take_registers(const char **text, struct kiln_fault *f)
{
	uint64_t ignored;
	uint64_t *const order[] = {
	    &f->r15,    &f->r14,  &f->r13, &f->r12,           &f->r11,
	    &f->r10,    &f->r9,   &f->r8,  &f->rbp,           &f->rdi,
	    &f->rsi,    &f->rdx,  &f->rcx, &f->rbx,           &f->rax,
	    &f->vector, &f->code, &f->rip, &ignored /* cs */, &f->rflags,
	    &f->rsp,    &ignored /* ss */};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (!expect(text, " ") || !number(text, order[i]))
			return false;
	return true;
}

static void add_place(struct reports *reports, enum report_place_kind kind,
                      uint64_t start, uint64_t size, uint64_t guard)
{
	reports->places[reports->place_count++] =
	    (struct report_place){start, size, guard, kind, 0};
}

/* Words up to the end of the line, as memory; they end where the stack does. */
static bool take_stack(const char **text, struct reports *reports)
{
	struct text bytes = {0};
	uint64_t start, word;

	if (!number(text, &start))
		return false;
	while (expect(text, " ")) {
		if (!number(text, &word))
			return false;
		text_add_bytes(&bytes, &word, sizeof(word));
	}
	reports->memory[reports->memory_count++] =
	    (struct reports_piece){start, bytes.len, (const uint8_t *)bytes.data};
	add_place(reports, REPORT_PLACE_STACK, start, bytes.len, STUB_GUARD);
	return true;
}

/* Without the stub, whose pages lie behind the image, and are the guard of its stack. */
static uint64_t size_of(const struct image *image)
{
	uint64_t size = 0;

	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct image_segment *s = &image->segments[i];
		if (!(s->flags & KILN_SEGMENT_STUB) && s->address + s->memory_size > size)
			size = s->address + s->memory_size;
	}
	return size;
}

/* The whole text, in the format that stands at stub_fault(). */
static bool parse(const char *text, struct reports *reports, const struct image *image)
{
	struct kiln_fault *f = &reports->fault.fault;
	uint64_t offset;

	if (!expect(&text, beginning) || !number(&text, &f->vector) ||
	    !expect(&text, ", code ") || !number(&text, &f->code) ||
	    !expect(&text, ", at image+") || !number(&text, &offset) ||
	    !expect(&text, ", address ") || !number(&text, &f->address) ||
	    !expect(&text, "\nregisters") || !take_registers(&text, f))
		return false;
	add_place(reports, REPORT_PLACE_IMAGE, f->rip - offset, size_of(image), 0);
	return (!expect(&text, "\nstack ") || take_stack(&text, reports)) &&
	       strcmp(text, "\n") == 0;
}

void serial_end(struct serial *serial, struct reports *reports, const struct image *image)
{
	struct reports found = {.fd = -1};

	while (serial_read(serial))
		continue;
	if (serial->held.len && image && parse(serial->held.data, &found, image)) {
		*reports = found;
		reports->has_fault = true;
		return;
	}
	free((void *)(uintptr_t)found.memory[0].bytes);
	print_held(serial, serial->held.len);
}
