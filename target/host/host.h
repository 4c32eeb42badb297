/*
 * The inside of the host target: files that epoll watches, and who has work.
 *
 * A file is watched edge-triggered, once, for both directions: its owner reads or writes
 * until the kernel says no, and is told when that changes. What an owner could not finish
 * within its turn it goes on with in the next iteration, having asked for one with
 * host_again. Lists are intrusive, so that a file may be closed from any callback.
 *
 * All memory is from malloc, for valgrind and AddressSanitizer to watch.
 */
#ifndef HOST_H
#define HOST_H

#include <sys/epoll.h>
#include <kiln/appliance.h>
#include <kiln/block.h>
#include <kiln/bytes.h>
#include <kiln/list.h>
#include <kiln/target.h>

struct host_file {
	struct list active; /* on host.active while it has work */
	int fd;             /* -1: none */
	uint32_t events;    /* EPOLL* that have come since the last turn */
	void (*ready)(struct host_file *file, uint32_t events);
};

/* Called at the end of each iteration, and once more when the program ends. */
struct host_hook {
	struct list node;
	void (*flush)(struct host_hook *hook);
	void (*end)(struct host_hook *hook); /* closes and frees all; may be NULL */
};

struct host_disk {
	struct list node;
	struct block block;
	struct host_file file; /* epoll does not watch it: only for its turns */
	struct list completed;
	const char *path;
	char name[20];
	bool open;
};

struct host {
	struct kiln kiln;
	struct kiln_boot boot;
	struct loop_source source;
	int epoll;
	struct host_file stop; /* an eventfd that the signal handler writes to */
	struct list active;
	struct list hooks;
	struct list disks;
	bool fetched; /* epoll was asked in the wait just before */
};

static inline struct host *host_of(struct kiln *k)
{
	return k->target;
}

/* False: the host refuses even that; errno says why. */
bool host_init(struct host *host);
void host_end(struct host *host);

/* Watches file->fd. False: the host has no more of what that takes. */
bool host_watch(struct host *host, struct host_file *file);
/* Gives the file a turn in the next iteration (or later in this one). */
void host_again(struct host *host, struct host_file *file);
/* Closes the descriptor and takes the file off the active list. */
void host_file_close(struct host_file *file);

void host_hook_add(struct host *host, struct host_hook *hook);

/* A --disk option; false: there is no memory. */
bool host_disk_add(struct host *host, const char *name, size_t name_length,
                   const char *path);
void host_disks_end(struct host *host);

/* malloc, zeroed; ends the program when there is none: for constructors. */
void *host_alloc(struct kiln *k, size_t size);

#endif
