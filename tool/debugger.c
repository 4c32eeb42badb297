/*
 * gdb beside an image: see debugger.h.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "backtrace.h"
#include "debugger.h"
#include "sections.h"

/* Where image.ld lets a PVH loader put a vm image. */
enum { IMAGE_PHYSICAL = 0x100000 };

void debugger_listen(struct debugger *d)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char folder[] = "/tmp/kiln-gdb.XXXXXX";

	if (!mkdtemp(folder))
		fail("cannot make a folder for gdb's socket: %s", strerror(errno));
	d->socket = text_format("%s/socket", folder);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", d->socket);
	d->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (d->listener < 0 ||
	    bind(d->listener, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(d->listener, 1) < 0) {
		const char *why = strerror(errno);
		debugger_end(d);
		fail("cannot make a socket for gdb: %s", why);
	}
}

/* ---- the command ---- */

static void execute(struct debugger *d, const char *command)
{
	words_add(&d->command, "-ex");
	words_add(&d->command, command);
}

static void begin(struct debugger *d)
{
	words_add(&d->command, "gdb");
	words_add(&d->command, "-q");
	execute(d, "set confirm off");
}

static const char *debug_file_of(const char *path, const struct image *image)
{
	const char *problem, *debug = debug_file(path, image, &problem);

	if (!debug)
		fail("gdb is of no use %s", problem);
	return path_resolve(debug);
}

/* It is stopped by a SIGSTOP, which has done its work then; but would stop it again when gdb
 * leaves, unless it is continued before. */
static void attach(struct debugger *d, pid_t pid)
{
	begin(d);
	words_add(&d->command, "-p");
	words_add(&d->command, text_format("%d", pid));
	execute(d, "handle SIGSTOP SIGCONT nostop noprint nopass");
	execute(d, text_format("shell kill -CONT %d", pid));
}

void debugger_for_program(struct debugger *d, pid_t pid)
{
	attach(d, pid);
}

/* What the process was made of, the monitor, is not there any more. */
void debugger_for_jail(struct debugger *d, const char *path, const struct image *image,
                       pid_t pid, uint64_t base)
{
	attach(d, pid);
	execute(d, "file");
	execute(d, text_format("add-symbol-file %s -o 0x%llx", debug_file_of(path, image),
	                       (unsigned long long)base));
}

/* The monitor tells gdb where the image lies. It is no Linux that gdb would find there. */
void debugger_for_kvm(struct debugger *d, const char *path, const struct image *image)
{
	begin(d);
	words_add(&d->command, debug_file_of(path, image));
	execute(d, "set osabi none");
	execute(d, text_format("target remote %s", d->socket));
}

static unsigned long long symbol(const char *debug, const char *name)
{
	struct sections sections = {0};
	uint64_t address;
	size_t size;
	const char *bytes = file_read(debug, &size);

	if (!bytes || !sections_read(&sections, bytes, size) ||
	    !sections_address(&sections, name, &address))
		fail("%s does not tell where %s is: build the image again", debug, name);
	return address;
}

/* The image's stub chooses where it lies: it is left to run until it has, at its physical
 * address still, and asked. */
void debugger_for_qemu(struct debugger *d, const char *path, const struct image *image)
{
	const char *debug = debug_file_of(path, image);

	begin(d);
	execute(d, text_format("target remote %s", d->socket));
	execute(d, text_format("thbreak *0x%llx",
	                       IMAGE_PHYSICAL + symbol(debug, "stub_booted")));
	execute(d, "continue");
	execute(d, text_format("symbol-file %s -o *(long*)0x%llx", debug,
	                       IMAGE_PHYSICAL + symbol(debug, "stub_image_base")));
	execute(d, "thbreak _start");
	execute(d, "continue");
}

/* ---- running it ---- */

/* As a shell takes it. */
static const char *shown(const struct words *command)
{
	struct text text = {0};

	for (size_t i = 0; i < command->count; i++) {
		const char *word = command->item[i];
		const char *quote = word[strcspn(word, " *()'\"$\\")] ? "'" : "";
		text_add(&text, "%s%s%s%s", i ? " " : "", quote, word, quote);
	}
	return text.data;
}

void debugger_start(struct debugger *d)
{
	bool start = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);

	fprintf(stderr,
	        "kiln: the image waits for a debugger, before its first instruction%s\n"
	        "%s\n",
	        start ? "" : ":", shown(&d->command));
	if (!start)
		return;
	d->pid = fork();
	if (d->pid < 0)
		fail("cannot start gdb: %s", strerror(errno));
	if (d->pid == 0) {
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		process_become(&d->command);
	}
}

void debugger_end(struct debugger *d)
{
	char *folder;

	if (!d->socket)
		return;
	(void)unlink(d->socket);
	folder =
	    text_format("%.*s", (int)(strrchr(d->socket, '/') - d->socket), d->socket);
	(void)rmdir(folder);
}
