/*
 * The command line as data: every command of `kiln` and every option it takes, in one
 * table. `kiln help` prints it and `kiln complete` (the shells' completion) looks words up
 * in it; a test holds the manual page against it. Whoever adds an option to a command's
 * read_arguments() adds its row in usage.c.
 */
#ifndef TOOL_USAGE_H
#define TOOL_USAGE_H

#include <stdio.h>

/* One option. Names in capitals, such as --KEY, stand for many. */
struct usage_option {
	const char *name;  /* "-t", "--net" */
	const char *value; /* what stands behind it: "TARGET"; NULL: nothing */
	const char *what;  /* one line */
	const char
	    *values; /* for completion: words, or "@file" and its like; NULL: none */
};

/* Options under one heading; ends with an option without a name. */
struct usage_group {
	const char *title; /* "" stands for the command's own */
	const struct usage_option *options;
};

enum { USAGE_GROUPS = 5 };

struct usage_command {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the command */
	const char *arguments;             /* "DIR -t TARGET [-o IMAGE]" */
	const char *what;                  /* one line */
	const char *words; /* completes the arguments, as `values` above */
	struct usage_group groups[USAGE_GROUPS + 1]; /* ends with one without options */
};

/* Ends with one without a name. */
extern const struct usage_command usage_commands[];

/* NULL if there is none of that name. */
const struct usage_command *usage_find(const char *name);

/* The first page of the help, and that of one command. */
void usage_print(FILE *out);
void usage_print_command(const struct usage_command *command);

#endif
