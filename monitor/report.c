/*
 * The records of report.h, written, and the registers in them as text. One write() each: the only call that kiln-kvm's filter
 * leaves for it.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "monitor.h"
#include "report.h"

static void send(const struct monitor_options *o, enum report_type type,
                 const void *record, size_t size, const void *bytes, size_t bytes_size)
{
	struct report_header header = {type, (uint32_t)(size + bytes_size)};
	uint8_t whole[REPORT_SIZE_MOST];

	if (o->report < 0)
		return;
	memcpy(whole, &header, sizeof(header));
	memcpy(whole + sizeof(header), record, size);
	if (bytes_size)
		memcpy(whole + sizeof(header) + size, bytes, bytes_size);
	if (write(o->report, whole, sizeof(header) + header.size) < 0)
		return; /* nobody reads it: then nobody wants to know */
}

static void mark_at(const struct monitor_options *o, uint64_t time, const char *name)
{
	struct report_mark mark = {.time = time};

	snprintf(mark.name, sizeof(mark.name), "%s", name);
	send(o, REPORT_MARK, &mark, sizeof(mark), NULL, 0);
}

void report_mark(const struct monitor_options *o, const char *name)
{
	if (o->report >= 0)
		mark_at(o, monitor_now(), name);
}

void report_began(const struct monitor_options *o)
{
	if (o->report >= 0)
		mark_at(o, o->started, REPORT_BEGAN);
}

void report_place(const struct monitor_options *o, enum report_place_kind kind,
                  uint64_t start, uint64_t size, uint64_t guard)
{
	const struct report_place place = {start, size, guard, kind, 0};

	send(o, REPORT_PLACE, &place, sizeof(place), NULL, 0);
}

void report_fault(const struct monitor_options *o, const struct report_fault *fault)
{
	send(o, REPORT_FAULT, fault, sizeof(*fault), NULL, 0);
}

void report_memory(const struct monitor_options *o, uint64_t address, const void *bytes,
                   size_t size)
{
	enum {
		MOST = REPORT_SIZE_MOST - sizeof(struct report_header) -
		       sizeof(struct report_memory),
	};
	const uint8_t *at = bytes;

	while (size) {
		size_t piece = size < MOST ? size : MOST;
		const struct report_memory memory = {address};
		send(o, REPORT_MEMORY, &memory, sizeof(memory), at, piece);
		address += piece;
		at += piece;
		size -= piece;
	}
}

const char *report_registers_text(char text[REPORT_REGISTERS_SIZE],
                                  const struct kiln_fault *f)
{
	const struct {
		const char *name;
		uint64_t value;
	} registers[] = {{"rax", f->rax}, {"rbx", f->rbx}, {"rcx", f->rcx},
	                 {"rdx", f->rdx}, {"rsi", f->rsi}, {"rdi", f->rdi},
	                 {"rbp", f->rbp}, {"rsp", f->rsp}, {"r8", f->r8},
	                 {"r9", f->r9},   {"r10", f->r10}, {"r11", f->r11},
	                 {"r12", f->r12}, {"r13", f->r13}, {"r14", f->r14},
	                 {"r15", f->r15}, {"rip", f->rip}, {"flags", f->rflags}};
	const unsigned count = sizeof(registers) / sizeof(registers[0]), columns = 4;
	size_t at = 0;

	/* Twice two blanks, a name of at most five letters, sixteen digits, a new line. */
	_Static_assert(sizeof(registers) / sizeof(registers[0]) * 25 <
	                   REPORT_REGISTERS_SIZE,
	               "room for all");
	for (unsigned i = 0; i < count; i++)
		at += (size_t)sprintf(text + at, "  %-3s %016llx%s", registers[i].name,
		                      (unsigned long long)registers[i].value,
		                      i % columns == columns - 1 || i == count - 1 ? "\n"
		                                                                   : "");
	return text;
}
