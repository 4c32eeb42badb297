/*
 * Backtraces: see backtrace.h. What libdw finds (backtrace_walk.c) comes from a confined
 * process as a head and records of one size, and is believed no more than the files that it
 * was found in.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "backtrace.h"
#include "confined.h"

enum { TEXT_MOST = 400, FRAMES_MOST = 256 };

const char *text_printable(const char *text)
{
	char *clean;

	if (!text)
		return NULL;
	clean = text_format("%.*s", TEXT_MOST, text);
	for (char *p = clean; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
	return clean;
}

/* ---- the companion file ---- */

static bool same_segments(const struct image *image, const uint8_t *debug, size_t size)
{
	Elf64_Ehdr header, own;

	if (size < sizeof(header) || image->size < sizeof(own))
		return false;
	memcpy(&header, debug, sizeof(header));
	memcpy(&own, image->bytes, sizeof(own));
	if (memcmp(header.e_ident, own.e_ident, EI_NIDENT) != 0 ||
	    header.e_entry != own.e_entry || header.e_phnum != own.e_phnum ||
	    header.e_phoff > size ||
	    header.e_phnum > (size - header.e_phoff) / sizeof(Elf64_Phdr))
		return false;
	for (unsigned i = 0; i < own.e_phnum; i++) {
		Elf64_Phdr a, b;
		memcpy(&a, debug + header.e_phoff + i * sizeof(a), sizeof(a));
		memcpy(&b, image->bytes + own.e_phoff + i * sizeof(b), sizeof(b));
		if (a.p_type != b.p_type || a.p_vaddr != b.p_vaddr ||
		    a.p_memsz != b.p_memsz)
			return false;
	}
	return true;
}

const char *debug_file(const char *path, const struct image *image, const char **problem)
{
	const char *debug = text_format("%s.debug", path);
	struct image *manifest = allocate(sizeof(*manifest));
	char error[256];
	size_t size;
	const char *bytes = file_read(debug, &size);

	if (!bytes) {
		*problem = text_format("without names: %s: %s", path_display(debug),
		                       strerror(errno));
		return NULL;
	}
	if (image_parse_notes(manifest, bytes, size, error, sizeof(error)) &&
	    manifest->build.note.layout_seed == image->build.note.layout_seed &&
	    strcmp(manifest->build.appliance, image->build.appliance) == 0 &&
	    same_segments(image, (const uint8_t *)bytes, size))
		return debug;
	*problem = text_format("without names: %s belongs to another build of the image",
	                       path_display(debug));
	return NULL;
}

/* ---- from the confined process ---- */

struct answer_head {
	uint64_t left_out, left_out_at;
	char problem[TEXT_MOST + 1]; /* "": none, as of the texts of a frame */
};

struct answer_frame {
	uint64_t address;
	int32_t line;
	uint32_t repeated;
	bool inlined;
	char function[TEXT_MOST + 1], file[TEXT_MOST + 1], module[TEXT_MOST + 1];
};

static void put_text(char to[TEXT_MOST + 1], const char *text)
{
	if (text)
		strncpy(to, text, TEXT_MOST);
}

/* Whatever the bytes are. */
static const char *take_text(char text[TEXT_MOST + 1])
{
	text[TEXT_MOST] = '\0';
	return text[0] ? text_printable(text) : NULL;
}

static void put(int answer, const void *bytes, size_t size)
{
	while (size) {
		ssize_t n = write(answer, bytes, size);
		if (n <= 0)
			_exit(1);
		bytes = (const char *)bytes + n;
		size -= (size_t)n;
	}
}

static void put_trace(int answer, const struct backtrace *trace)
{
	struct answer_head head = {.left_out = trace->left_out,
	                           .left_out_at = trace->left_out_at};

	put_text(head.problem, trace->problem);
	put(answer, &head, sizeof(head));
	for (size_t i = 0; i < trace->count && i < FRAMES_MOST; i++) {
		const struct frame *f = &trace->frames[i];
		struct answer_frame frame = {.address = f->address,
		                             .line = f->line,
		                             .repeated = f->repeated,
		                             .inlined = f->inlined};
		put_text(frame.function, f->function);
		put_text(frame.file, f->file);
		put_text(frame.module, f->module);
		put(answer, &frame, sizeof(frame));
	}
}

/* False: that is no answer. */
static bool take_trace(struct backtrace *trace, const char *answer, size_t size)
{
	struct answer_head head;

	if (size < sizeof(head))
		return false;
	memcpy(&head, answer, sizeof(head));
	trace->left_out = head.left_out;
	trace->left_out_at = head.left_out_at;
	trace->problem = take_text(head.problem);
	trace->count = (size - sizeof(head)) / sizeof(struct answer_frame);
	trace->frames = allocate(trace->count * sizeof(*trace->frames) + 1);
	for (size_t i = 0; i < trace->count; i++) {
		struct answer_frame frame;
		memcpy(&frame, answer + sizeof(head) + i * sizeof(frame), sizeof(frame));
		trace->frames[i] = (struct frame){
		    .address = frame.address,
		    .function = take_text(frame.function),
		    .file = take_text(frame.file),
		    .module = take_text(frame.module),
		    .line = frame.line,
		    .inlined = frame.inlined,
		    .repeated = frame.repeated,
		};
	}
	return true;
}

static void open_files(void *context)
{
	backtrace_open(context);
}

static void answer_with_trace(void *context, int answer)
{
	struct backtrace trace = {0};

	backtrace_read(context, &trace);
	put_trace(answer, &trace);
}

void backtrace_make(struct backtrace *trace, const struct backtrace_of *of)
{
	struct backtrace_walk walk = {
	    .of = of, .registers = *of->registers, .file = of->path};
	const struct confined task = {
	    .open = open_files,
	    .work = answer_with_trace,
	    .context = &walk,
	    .needed = of->memory,
	    .answer_most =
	        sizeof(struct answer_head) + FRAMES_MOST * sizeof(struct answer_frame),
	};
	const char *debug = NULL, *answer, *no_names = NULL, *problem = NULL;
	size_t size;

	*trace = (struct backtrace){0};
	if (of->image && (debug = debug_file(of->path, of->image, &no_names)) != NULL)
		walk.file = debug;
	answer = confined_run(&task, &size, &problem);
	if (answer && take_trace(trace, answer, size)) {
		trace->problem = no_names ? no_names : trace->problem;
		return;
	}
	trace->problem =
	    text_format("without a backtrace: the process that reads %s %s",
	                path_display(walk.file), answer ? "gave no answer" : problem);
}
