/*
 * The part of a backtrace that reads what the compiler wrote about an image, with libdw, in
 * a confined process: see backtrace.h.
 *
 * libdw walks the frames. Before its first step stands one of ours, for code that has no
 * call frame information (the C library's assembly, a jump to nowhere): the return address
 * is then looked for at the top of the stack.
 */
#include <dwarf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include "backtrace.h"

enum {
	PCS_MOST = 1 << 16, /* what a loop in a broken stack may come to */
	SHOWN_FIRST = 24,
	SHOWN_LAST = 8,
	SCAN_WORDS = 64,
	DWARF_REGISTERS = 17,
};

/* ---- libdw's view of what has stopped ---- */

static const struct backtrace_walk *walk_of(void *argument)
{
	return argument;
}

static pid_t next_thread(Dwfl *dwfl, void *argument, void **thread)
{
	if (*thread)
		return 0;
	*thread = argument;
	return 1;
}

static bool read_word(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *word, void *argument)
{
	const struct backtrace_of *of = walk_of(argument)->of;
	uint64_t value;

	if (!of->read(of->context, address, &value))
		return false;
	*word = value;
	return true;
}

static bool set_registers(Dwfl_Thread *thread, void *argument)
{
	const struct kiln_fault *r = &walk_of(argument)->registers;
	const Dwarf_Word words[DWARF_REGISTERS] = {
	    r->rax, r->rdx, r->rcx, r->rbx, r->rsi, r->rdi, r->rbp, r->rsp, r->r8,
	    r->r9,  r->r10, r->r11, r->r12, r->r13, r->r14, r->r15, r->rip};

	dwfl_thread_state_register_pc(thread, r->rip);
	return dwfl_thread_state_registers(thread, 0, DWARF_REGISTERS, words);
}

/* Debug information stands in the file itself. It is not looked for anywhere else: not on
 * a server above all. */
static int no_debug_file(Dwfl_Module *module, void **user, const char *name,
                         Dwarf_Addr base, const char *file, const char *link,
                         GElf_Word checksum, char **found)
{
	return -1;
}

static const Dwfl_Callbacks file_callbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = no_debug_file,
    .section_address = dwfl_offline_section_address,
};
static const Dwfl_Callbacks process_callbacks = {
    .find_elf = dwfl_linux_proc_find_elf,
    .find_debuginfo = no_debug_file,
};

/* Opens the file of the module: later there are no paths any more. */
static int open_module(Dwfl_Module *module, void **user, const char *name,
                       Dwarf_Addr start, void *argument)
{
	GElf_Addr bias;

	(void)dwfl_module_getelf(module, &bias);
	return DWARF_CB_OK;
}

void backtrace_open(struct backtrace_walk *walk)
{
	const struct backtrace_of *of = walk->of;
	int file;

	walk->dwfl = dwfl_begin(of->pid ? &process_callbacks : &file_callbacks);
	if (!walk->dwfl)
		return;
	dwfl_report_begin(walk->dwfl);
	if (of->pid) {
		walk->opened = dwfl_linux_proc_report(walk->dwfl, of->pid) == 0 &&
		               dwfl_report_end(walk->dwfl, NULL, NULL) == 0;
		(void)dwfl_getmodules(walk->dwfl, open_module, NULL, 0);
		return;
	}
	file = open(walk->file, O_RDONLY | O_CLOEXEC);
	walk->opened = file >= 0;
	walk->descriptor = file;
}

static bool take_file(struct backtrace_walk *walk)
{
	const struct backtrace_of *of = walk->of;

	if (!walk->opened || of->pid)
		return walk->opened;
	return dwfl_report_elf(walk->dwfl, "", walk->file, walk->descriptor, of->base,
	                       true) != NULL &&
	       dwfl_report_end(walk->dwfl, NULL, NULL) == 0;
}

/* ---- walking ---- */

static void add_pc(struct backtrace_walk *walk, uint64_t pc)
{
	if (walk->count == walk->capacity) {
		walk->capacity = walk->capacity ? 2 * walk->capacity : 64;
		walk->pcs = reallocarray(walk->pcs, walk->capacity, sizeof(*walk->pcs));
		if (!walk->pcs)
			fail("out of memory");
	}
	walk->pcs[walk->count++] = pc;
}

static int take_frame(Dwfl_Frame *state, void *argument)
{
	struct backtrace_walk *walk = argument;
	Dwarf_Addr pc;
	bool exact;

	if (walk->count == PCS_MOST || !dwfl_frame_pc(state, &pc, &exact) || !pc)
		return DWARF_CB_ABORT;
	/* A return address: the call is before it. */
	add_pc(walk, exact && walk->count == 0 && !walk->of->behind ? pc : pc - 1);
	return DWARF_CB_OK;
}

static bool has_cfi(Dwfl_Module *module, uint64_t pc)
{
	Dwarf_Addr bias;
	Dwarf_Frame *frame;
	Dwarf_CFI *cfi = dwfl_module_dwarf_cfi(module, &bias);
	bool found = cfi && dwarf_cfi_addrframe(cfi, pc - bias, &frame) == 0;

	if (found) {
		free(frame);
		return true;
	}
	cfi = dwfl_module_eh_cfi(module, &bias);
	found = cfi && dwarf_cfi_addrframe(cfi, pc - bias, &frame) == 0;
	if (found)
		free(frame);
	return found;
}

/* The image's bytes at an address of its own, from its file. */
static const uint8_t *text_at(const struct image *image, uint64_t address, size_t size)
{
	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct image_segment *s = &image->segments[i];
		if (s->flags & PF_X && address >= s->address &&
		    address - s->address <= s->file_size &&
		    size <= s->file_size - (address - s->address))
			return image->bytes + s->file_offset + (address - s->address);
	}
	return NULL;
}

/* Does this word of the stack return behind a call of `function`? Of any, if that is 0. */
static bool returns_from(const struct backtrace_walk *walk, uint64_t word,
                         uint64_t function)
{
	const struct backtrace_of *of = walk->of;
	const uint8_t *call;
	int32_t distance;

	if (!of->image)
		return !function && dwfl_addrmodule(walk->dwfl, word) != NULL;
	call = text_at(of->image, word - of->base - 5, 5);
	if (!call)
		return false;
	if (!function)
		return true;
	memcpy(&distance, call + 1, sizeof(distance));
	return call[0] == 0xe8 && word + (uint64_t)(int64_t)distance == function;
}

/*
 * Where nothing tells how to unwind: out of the text, the caller is what a call has just
 * pushed; in a function without information, the return address that a call of this very
 * function has left on the stack.
 */
static void step_out(struct backtrace_walk *walk)
{
	struct kiln_fault *r = &walk->registers;
	Dwfl_Module *module = dwfl_addrmodule(walk->dwfl, r->rip);
	uint64_t function = 0, word;
	unsigned words = 1;

	if (walk->of->image && !text_at(walk->of->image, r->rip - walk->of->base, 1))
		module = NULL;
	if (module) {
		GElf_Off offset;
		GElf_Sym symbol;
		if (has_cfi(module, r->rip) ||
		    !dwfl_module_addrinfo(module, r->rip, &offset, &symbol, NULL, NULL,
		                          NULL))
			return;
		function = r->rip - offset;
		words = SCAN_WORDS;
	}
	for (unsigned i = 0; i < words; i++) {
		uint64_t at = r->rsp + 8 * i;
		if (!walk->of->read(walk->of->context, at, &word))
			return;
		if (!returns_from(walk, word, function))
			continue;
		add_pc(walk, r->rip);
		r->rip = word;
		r->rsp = at + 8;
		return;
	}
}

static void walk_frames(struct backtrace_walk *walk)
{
	static const Dwfl_Thread_Callbacks callbacks = {
	    .next_thread = next_thread,
	    .memory_read = read_word,
	    .set_initial_registers = set_registers,
	};

	step_out(walk);
	if (dwfl_attach_state(walk->dwfl, NULL, 1, &callbacks, walk))
		(void)dwfl_getthread_frames(walk->dwfl, 1, take_frame, walk);
	if (walk->count == 0)
		add_pc(walk, walk->registers.rip);
}

/* ---- names ---- */

/* The compilation unit that an address belongs to. Not by .debug_aranges, which clang does
 * not write. */
static Dwarf_Die *unit_of(Dwfl_Module *module, uint64_t pc, Dwarf_Addr *bias)
{
	Dwarf_Die *unit = NULL;

	while ((unit = dwfl_module_nextcu(module, unit, bias)) != NULL)
		if (dwarf_haspc(unit, pc - *bias) > 0)
			return unit;
	return NULL;
}

static const char *file_number(Dwarf_Die *unit, Dwarf_Attribute *attribute)
{
	Dwarf_Files *files;
	Dwarf_Word number;
	size_t count;

	if (!attribute || dwarf_formudata(attribute, &number) != 0 ||
	    dwarf_getsrcfiles(unit, &files, &count) != 0 || number >= count)
		return NULL;
	return dwarf_filesrc(files, number, NULL, NULL);
}

static const char *shown_file(const char *file)
{
	return file ? text_printable(path_display(file)) : NULL;
}

static struct frame *next_frame(struct backtrace *trace)
{
	trace->frames =
	    reallocarray(trace->frames, trace->count + 1, sizeof(*trace->frames));
	if (!trace->frames)
		fail("out of memory");
	trace->frames[trace->count] = (struct frame){0};
	return &trace->frames[trace->count++];
}

/* A frame for the function and for each that it was inlined into; false: none is known. */
static bool add_functions(struct backtrace *trace, Dwarf_Die *unit, uint64_t pc,
                          uint64_t address)
{
	Dwarf_Line *line = dwarf_getsrc_die(unit, pc);
	const char *file = line ? dwarf_linesrc(line, NULL, NULL) : NULL;
	Dwarf_Die *innermost = NULL, *scopes = NULL;
	int number = 0, count;
	bool found = false;

	if (line)
		(void)dwarf_lineno(line, &number);
	/* By where they lie in the code, which is not how they are nested in the source. */
	if (dwarf_getscopes(unit, pc, &innermost) <= 0)
		return false;
	count = dwarf_getscopes_die(&innermost[0], &scopes);
	for (int i = 0; i < count && !found; i++) {
		bool inlined = dwarf_tag(&scopes[i]) == DW_TAG_inlined_subroutine;
		Dwarf_Attribute attribute;
		Dwarf_Word value;
		struct frame *frame;

		if (!inlined && dwarf_tag(&scopes[i]) != DW_TAG_subprogram)
			continue;
		frame = next_frame(trace);
		*frame = (struct frame){
		    .address = address,
		    .function = text_printable(dwarf_diename(&scopes[i])),
		    .file = shown_file(file),
		    .line = number,
		    .inlined = inlined,
		};
		file = file_number(unit,
		                   dwarf_attr(&scopes[i], DW_AT_call_file, &attribute));
		number = 0;
		if (dwarf_attr(&scopes[i], DW_AT_call_line, &attribute) &&
		    dwarf_formudata(&attribute, &value) == 0)
			number = (int)value;
		found = !inlined;
	}
	free(innermost);
	free(scopes);
	return found;
}

static const char *other_module(const struct backtrace_walk *walk, Dwfl_Module *module)
{
	const char *path =
	    dwfl_module_info(module, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

	if (!walk->of->pid || !path || strcmp(path, walk->of->path) == 0)
		return NULL;
	return text_printable(path_base(path));
}

static void add_frame(struct backtrace *trace, const struct backtrace_walk *walk,
                      uint64_t pc)
{
	Dwfl_Module *module = dwfl_addrmodule(walk->dwfl, pc);
	Dwarf_Addr bias = 0, start = 0;
	Dwarf_Die *unit = module ? unit_of(module, pc, &bias) : NULL;
	struct frame *frame;

	if (module)
		(void)dwfl_module_info(module, NULL, &start, NULL, NULL, NULL, NULL,
		                       NULL);
	if (unit && add_functions(trace, unit, pc - bias, pc - start))
		return;
	frame = next_frame(trace);
	frame->address = pc - start;
	if (!module)
		return;
	frame->function = text_printable(dwfl_module_addrname(module, pc));
	frame->module = other_module(walk, module);
}

static void name_frames(struct backtrace *trace, const struct backtrace_walk *walk)
{
	size_t distinct = 0, seen = 0;
	bool shown = false;

	for (size_t i = 0; i < walk->count; i++)
		distinct += i == 0 || walk->pcs[i] != walk->pcs[i - 1];
	for (size_t i = 0; i < walk->count; i++) {
		if (i && walk->pcs[i] == walk->pcs[i - 1]) {
			if (shown)
				trace->frames[trace->count - 1].repeated++;
			else
				trace->left_out++;
			continue;
		}
		seen++;
		shown = seen <= SHOWN_FIRST || seen + SHOWN_LAST > distinct;
		if (shown) {
			add_frame(trace, walk, walk->pcs[i]);
			continue;
		}
		trace->left_out_at = trace->count;
		trace->left_out++;
	}
}

void backtrace_read(struct backtrace_walk *walk, struct backtrace *trace)
{
	if (!take_file(walk)) {
		trace->problem = text_format("without names: %s", dwfl_errmsg(-1));
		return;
	}
	walk_frames(walk);
	name_frames(trace, walk);
}
