/*
 * What every appliance includes: its entry point, its context, and the macros by which it
 * declares devices, parameters and embedded folders. The declarations become the image's
 * manifest (<kiln/abi/manifest.h>).
 *
 *	KILN_NET(net0, "serves the site");
 *	KILN_PARAM_PORT(port, 80, "TCP port to listen on");
 *	KILN_EMBED(site, "site");
 *
 *	int appliance(struct kiln *k) { ... return kiln_run(k); }
 */
#ifndef KILN_APPLIANCE_H
#define KILN_APPLIANCE_H

#include <stdbool.h>
#include <stdint.h>
#include <kiln/abi/boot.h>
#include <kiln/abi/manifest.h>
#include <kiln/error.h>
#include <kiln/log.h>
#include <kiln/loop.h>
#include <kiln/memory.h>
#include <kiln/random.h>
#include <kiln/slice.h>
#include <kiln/time.h>

/*
 * The context: all that a service has under it hangs off this. Made by the target's
 * start-up code; one an image, many in `sim`. The fields are for libraries to read.
 */
struct kiln {
	struct arena arena;
	struct loop loop;
	struct kiln_random random;
	const struct kiln_boot *boot;
	void *target; /* the target's own */
	struct moderation *moderation; /* NULL: the loop never rests */
	enum log_level log_level;
	kiln_time started_at; /* monotonic, when kiln_start() ran */
	kiln_time (*wall)(void *context); /* see kiln_set_wall; NULL: the target's */
	void *wall_context;
};

/* The service. Returns its exit status: 0 after a clean stop. */
int appliance(struct kiln *k);

/* Runs the event loop until the target asks to stop (Ctrl-C, SIGTERM) or kiln_stop() is
 * called; returns 0 then. */
int kiln_run(struct kiln *k);
void kiln_stop(struct kiln *k);

/* Monotonic time now, not the loop's cached one; wall time as ns since 1970. */
kiln_time kiln_now(struct kiln *k);
kiln_time kiln_wall(struct kiln *k);

/* Has kiln_wall() ask a better clock than the target's: <kiln/ntp.h> does. */
void kiln_set_wall(struct kiln *k, kiln_time (*wall)(void *context), void *context);

/* Text to the console as it is, no newline added. */
void kiln_print(struct kiln *k, struct slice text);
void kiln_printf(struct kiln *k, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Ends the image with exit status 1 after logging the message: for what cannot be gone on
 * from, at start above all. Constructors use it, so that an appliance need not check. */
_Noreturn void kiln_fail(struct kiln *k, const char *library, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A check that stays in every build: ends the image, naming file and line. */
_Noreturn void kiln_assert_failed(const char *what, const char *file, int line);
#define kiln_assert(condition)                                             \
	do {                                                               \
		if (__builtin_expect(!(condition), 0))                     \
			kiln_assert_failed(#condition, __FILE__, __LINE__); \
	} while (0)

/* ---- devices ---- */

/* What a KILN_NET or KILN_BLOCK declares: a name to hand to net_up() or block_open(). */
struct kiln_device {
	uint32_t type; /* enum kiln_device_type */
	const char *name;
};

#define KILN_NAME_FITS(name, size) _Static_assert(sizeof(#name) <= (size), "too long a name")

#define KILN_DEVICE_DECLARE(name, device_type, help, optional)                 \
	KILN_NAME_FITS(name, KILN_DEVICE_NAME_SIZE);                           \
	KILN_NOTE_WITH_TEXTS(kiln_note_device_##name, KILN_NOTE_DEVICE,        \
			     kiln_note_device, #name "\0" help, device_type,   \
			     optional);                                        \
	static const struct kiln_device name __attribute__((unused)) = {       \
		device_type, #name}

#define KILN_NET(name, help)   KILN_DEVICE_DECLARE(name, KILN_DEVICE_NET, help, 0)
#define KILN_BLOCK(name, help) KILN_DEVICE_DECLARE(name, KILN_DEVICE_BLOCK, help, 0)
/* One that the image runs without, too: for block_find(). Behind all others of its type, for hypervisors other than Kiln's monitor know devices by their order alone. */
#define KILN_BLOCK_OPTIONAL(name, help) \
	KILN_DEVICE_DECLARE(name, KILN_DEVICE_BLOCK, help, 1)

/* ---- parameters ---- */

struct kiln_param_kind; /* see <kiln/abi/param.h> */

/* Joins a parameter's name to where its value is kept; read once, before appliance(). */
struct kiln_param_binding {
	const struct kiln_note_param *note; /* its name is right behind it */
	void *storage;                      /* NULL: kiln_option() looks it up */
	const struct kiln_param_kind *kind; /* NULL: param_parse knows the type */
};

/*
 * `kiln build --port 8080` defines KILN_FIXED_port as `~, 8080`: the parameter is then a
 * constant that the compiler folds. Else it is a variable, set from the start options.
 */
#define KILN_SECOND_(a, b, ...)   b
#define KILN_SECOND(...)          KILN_SECOND_(__VA_ARGS__)
#define KILN_THIRD_(a, b, c, ...) c
#define KILN_THIRD(...)           KILN_THIRD_(__VA_ARGS__)
#define KILN_IS_FIXED(name) \
	KILN_THIRD(KILN_FIXED_##name, KILN_PARAM_FIXED, KILN_PARAM_OPEN, ~)
#define KILN_PARAM_FIXED(name, c_type, initial)            \
	static const c_type name __attribute__((unused)) = \
		KILN_SECOND(KILN_FIXED_##name, ~)
#define KILN_PARAM_OPEN(name, c_type, initial) \
	static c_type name = initial;          \
	KILN_PARAM_BIND(name, &name, NULL)

#define KILN_PARAM_BIND(name, storage, kind)                                  \
	static const struct kiln_param_binding kiln_param_##name              \
		__attribute__((used, aligned(8), section("kiln_params"))) = { \
			&kiln_note_param_##name.desc, storage, kind}
#define KILN_PARAM_NOTE(name, param_type, library, text, min, max, help)    \
	KILN_NAME_FITS(name, KILN_NAME_SIZE);                               \
	KILN_NOTE_WITH_TEXTS(kiln_note_param_##name, KILN_NOTE_PARAM,       \
			     kiln_note_param, #name "\0" text "\0" help,    \
			     param_type, library, min, max)

#define KILN_PARAM_DECLARE(name, c_type, param_type, initial, text, min, max, help) \
	KILN_PARAM_NOTE(name, param_type, 0, text, min, max, help);                 \
	KILN_IS_FIXED(name)(name, c_type, initial)

#define KILN_PARAM_PORT(name, initial, help)                                           \
	KILN_PARAM_DECLARE(name, uint16_t, KILN_PARAM_TYPE_PORT, initial, #initial, 1, \
			   65535, help)
#define KILN_PARAM_UINT(name, initial, min, max, help)                              \
	KILN_PARAM_DECLARE(name, uint64_t, KILN_PARAM_TYPE_UINT, initial, #initial, \
			   min, max, help)
/* `initial` is yes or no */
#define KILN_PARAM_BOOL(name, initial, help)                                      \
	KILN_PARAM_DECLARE(name, bool, KILN_PARAM_TYPE_BOOL, KILN_BOOL_##initial, \
			   #initial, 0, 0, help)
#define KILN_BOOL_yes true
#define KILN_BOOL_no  false
/* `initial` is a string literal; so is every value: const char *. */
#define KILN_PARAM_STRING(name, initial, help)                                  \
	KILN_PARAM_DECLARE(name, const char *, KILN_PARAM_TYPE_STRING, initial, \
			   initial, 0, 0, help)
/* `initial` in whole seconds; the value is a kiln_time. */
#define KILN_PARAM_SECONDS(name, initial, help)                                        \
	KILN_PARAM_DECLARE(name, kiln_time, KILN_PARAM_TYPE_DURATION,                  \
			   KILN_SECONDS(initial), #initial "s", 0, 0, help)
/* `initial` in bytes. */
#define KILN_PARAM_SIZE(name, initial, help)                                        \
	KILN_PARAM_DECLARE(name, uint64_t, KILN_PARAM_TYPE_SIZE, initial, #initial, \
			   0, 0, help)

/*
 * An option of a library: in the manifest of every image that links the file it stands
 * in, looked up by name, so that two stacks in one process can differ.
 */
#define KILN_OPTION(name, param_type, text, help) \
	KILN_OPTION_OF(name, param_type, NULL, text, help)
/* The same of a type that not every image knows: `kind` says how it is read, such as
 * ip_kind_address of <kiln/ip.h>. */
#define KILN_OPTION_OF(name, param_type, kind, text, help)              \
	KILN_PARAM_NOTE(name, param_type, 1, text, 0, UINT64_MAX, help); \
	KILN_PARAM_BIND(name, NULL, kind)

/* The option's text: given at build or at start. False if it was not given. */
bool kiln_option(struct kiln *k, const char *name, struct slice *value);

/* ---- embedded folders ---- */

struct embed;

/* The folder becomes part of the image: `kiln build` makes the symbol. */
#define KILN_EMBED(name, path) KILN_EMBED_MADE(name, path, "")
/* The same for a folder that http_files() serves: next to each file that is smaller so
 * lies its content compressed, by gzip and by brotli, for the clients that take it. */
#define KILN_EMBED_SITE(name, path) KILN_EMBED_MADE(name, path, "site")
/* What a program makes of the folder: `kiln build` runs kiln-embed-MAKER FOLDER OUT, one of
 * Kiln's own or one in the appliance's folder, and embeds the files that it wrote to OUT. A
 * program that fails, or writes nothing, ends the build. Its texts go to its standard error. */
#define KILN_EMBED_MADE(name, path, maker)                        \
	KILN_NAME_FITS(name, KILN_NAME_SIZE);                     \
	KILN_NOTE_TEXTS(kiln_note_embed_##name, KILN_NOTE_EMBED, \
			#name "\0" path "\0" maker);              \
	extern const struct embed name

#endif
