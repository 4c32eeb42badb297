/*
 * What the parts of the `kiln` command share: texts, lists, files, processes, messages.
 *
 * The command is a short-lived process: what it allocates lives until it exits, and no
 * function here returns memory that must be freed. Running out of memory, and every error
 * that the user has to act on, ends the process through fail() (status 1) or fail_usage()
 * (status 2), whose message says what to do next.
 */
#ifndef TOOL_TOOL_H
#define TOOL_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KILN_VERSION "0.1.0"

/* ---- messages (message.c) ---- */

_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void fail_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* One line on the terminal that the next one replaces; nothing where stderr is none. */
void progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void progress_end(void);

/* ---- texts and lists (text.c) ---- */

void *allocate(size_t size); /* zeroed */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A growing text, NUL-terminated at all times once something was added. */
struct text {
	char *data;
	size_t len, capacity;
};
void text_add(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void text_add_bytes(struct text *text, const void *bytes, size_t len);

/* A growing list of texts; item[count] is NULL, so that it serves as an argv. */
struct words {
	const char **item;
	size_t count, capacity;
};
void words_add(struct words *words, const char *word);
void words_add_all(struct words *words, const struct words *more);
/* Splits at blanks. */
void words_split(struct words *words, const char *text);
void words_sort(struct words *words);
bool words_have(const struct words *sorted, const char *word);

/* "--key value" pairs, in the order given. The key is without its dashes, '-' as '_'. */
struct setting {
	const char *key, *value;
};
struct settings {
	struct setting *item;
	size_t count, capacity;
};
void settings_add(struct settings *settings, const char *key, const char *value);

/*
 * Reads the option at argv[*at] if it begins with "--": its value is behind '=' or in the
 * next argument, and *at moves to the last argument used. Ends the process when there is
 * no value.
 */
bool settings_take(struct settings *settings, char **argv, int *at);
/* The value of "-x VALUE" or "-xVALUE" at argv[*at]; NULL if that is another option. */
const char *short_option(char letter, char **argv, int *at);

/* ---- texts from outside in other formats (quote.c) ---- */

/* With its quotes. */
void text_add_json(struct text *text, const char *string);
void text_add_xml(struct text *text, const char *string);

/* ---- files (file.c) ---- */

/* The whole file, with a NUL behind it; NULL with errno set if it cannot be read. */
char *file_read(const char *path, size_t *size);
/* The same, but without a NUL: only what is looked at is read, and it stays until the process
 * ends. For files that are replaced as a whole, as those that Kiln makes are. */
const char *file_map(const char *path, size_t *size);
/* Replaces the file as a whole, or leaves it and its time alone if it has these bytes;
 * ends the process with a message if it cannot. */
void file_write(const char *path, const void *bytes, size_t size);
/* The same; false with errno set if it cannot. */
bool file_replace(const char *path, const void *bytes, size_t size);
bool file_exists(const char *path);
bool folder_exists(const char *path);
size_t file_size(const char *path); /* 0 if there is no such file */
/* Modification time in ns; 0 if there is no such file. */
uint64_t file_time(const char *path);
void folder_make(const char *path); /* with its parents */
/* Absolute, links resolved; NULL if there is no such file. */
const char *path_resolve(const char *path);
const char *path_base(const char *path);
/* Shorter to read: relative to the current folder where the path is below it. */
const char *path_display(const char *path);

/* ---- Kiln's own (place.c) ---- */

/* Where Kiln itself is: $KILN_ROOT, or found from where the command is. */
const char *kiln_root(void);
/* A file of Kiln's by its path in the checkout; "build/..." is what `make` built. */
const char *kiln_path(const char *relative);
/* True where `make install` put it: without sources, tests and demo. */
bool kiln_installed(void);

/* ---- processes (process.c) ---- */

/* Runs the commands, as many at a time as there are processors, and shows what each
 * printed as one piece. False if one failed. `titles` has a line of progress for each. */
bool process_run_all(const struct words *commands, const char *const *titles,
                     size_t count);
/* Runs one command with the caller's own streams; its exit status, 128+n after a signal.
 */
int process_run(const struct words *command);
/* Becomes the command. Ends the process with a message if it cannot. */
_Noreturn void process_become(const struct words *command);

/* Becomes a Python program of Kiln's, with the arguments of the subcommand. */
_Noreturn void run_script(const char *script, int argc, char **argv);

/* ---- targets (target.c) ---- */

struct target {
	const char *name;
	uint32_t id;       /* enum kiln_target_id */
	const char *world; /* folder of the archives below build/ */
	bool sealed;       /* an image of Kiln's own, not a program of the host */
	const char *what;  /* for the help */
};
/* NULL if there is none of that name. */
const struct target *target_find(const char *name);
const struct target *target_by_id(uint32_t id);
/* In the order of the help; NULL behind the last. */
const struct target *target_at(unsigned index);
_Noreturn void target_unknown(const char *name);

/* ---- the subcommands (rows of usage.c) ---- */

int command_new(int argc, char **argv);
int command_build(int argc, char **argv);
int command_run(int argc, char **argv);
int command_info(int argc, char **argv);
int command_link(int argc, char **argv);
int command_map(int argc, char **argv);
int command_sim(int argc, char **argv);
int command_test(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_demo(int argc, char **argv);
int command_help(int argc, char **argv);
int command_complete(int argc, char **argv);

#endif
