/*
 * The images of a scenario's hosts: shared objects, each an appliance with Kiln's libraries,
 * which need nothing but the functions of <kiln/target.h>, and export nothing but
 * kiln_start(). The names of one do not meet those of another, and a debugger sees them all.
 */
#ifndef SCENARIO_IMAGE_H
#define SCENARIO_IMAGE_H

#include <kiln/sim.h>

enum { IMAGE_NETS = 8, IMAGE_DISKS = 8 };

struct image {
	uintptr_t at; /* where it is loaded */
	int (*start)(struct kiln *k);
	const char *nets[IMAGE_NETS], *disks[IMAGE_DISKS]; /* names of its devices */
	unsigned net_count, disk_count;
};

/* Loads it. An appliance's parameters are variables of its image: each host has an image
 * of its own, and those that are loaded again are copies. False: `error` says why. */
bool image_open(struct image *image, const char *path, char *error, size_t error_size);

/* Whether the image takes the parameter. */
bool image_takes(const struct image *image, const char *name);

#endif
