/*
 * The manifest: what an image says of itself, as ELF notes in section .note.kiln.
 *
 * Written by the macros of <kiln/appliance.h> and by the build, read by `kiln info`,
 * `kiln run` and the monitors. Owner name "Kiln", note types below, each with a
 * fixed-size descriptor, so that one can be laid out by a C initialiser. All texts are
 * NUL-terminated within their array; a reader checks that. Integers are little-endian.
 */
#ifndef KILN_ABI_MANIFEST_H
#define KILN_ABI_MANIFEST_H

#include <stdint.h>

#define KILN_NOTE_OWNER "Kiln"
/* The layout of notes and of struct kiln_boot; a monitor refuses any other. */
#define KILN_ABI_VERSION 4

enum kiln_note_type {
	KILN_NOTE_TARGET = 1,
	KILN_NOTE_DEVICE = 2,
	KILN_NOTE_PARAM = 3,
	KILN_NOTE_EMBED = 4,
	KILN_NOTE_LIBRARY = 5,
	KILN_NOTE_BUILD = 6,
	KILN_NOTE_FIXED = 7,
	KILN_NOTE_GATE = 8,
};

enum kiln_target_id {
	KILN_TARGET_HOST = 1,
	KILN_TARGET_SIM = 2,
	KILN_TARGET_JAIL = 3,
	KILN_TARGET_VM = 4,
};

enum kiln_device_type {
	KILN_DEVICE_NET = 1,
	KILN_DEVICE_BLOCK = 2,
	/* In struct kiln_boot of a vm only: no appliance declares them. */
	KILN_DEVICE_RNG = 3,
	KILN_DEVICE_CONSOLE = 4,
};

/*
 * A bit of p_flags (within PF_MASKOS) on the segments of a vm image's ring 0 stub. Only a
 * PVH loader needs them; Kiln's monitor leaves them out of the image's mapping. They are
 * the last segments by address.
 */
#define KILN_SEGMENT_STUB 0x00100000u

/* Parameter types; the texts they take are read by <kiln/abi/param.h>, those of addresses,
 * which only libraries' options have, by <kiln/abi/address.h>. */
enum kiln_param_type {
	KILN_PARAM_TYPE_BOOL = 1,     /* yes no true false on off 1 0 -> bool           */
	KILN_PARAM_TYPE_UINT = 2,     /* decimal, within min..max    -> uint64_t        */
	KILN_PARAM_TYPE_PORT = 3,     /* 1..65535                    -> uint16_t        */
	KILN_PARAM_TYPE_DURATION = 4, /* 500ms, 30s, 5m, 2h, 10us    -> kiln_time       */
	KILN_PARAM_TYPE_SIZE = 5,     /* 4096, 64K, 8M, 1G           -> uint64_t        */
	KILN_PARAM_TYPE_STRING = 6,   /* at most 200 bytes, no NUL   -> const char *    */
	KILN_PARAM_TYPE_ADDRESS = 7,  /* 10.0.0.1                                       */
	KILN_PARAM_TYPE_PREFIX = 8,   /* 10.0.0.2/24, dhcp, off, NAME=... of each net   */
	KILN_PARAM_TYPE_LEVEL = 9,    /* error warn info debug       -> enum log_level  */
	KILN_PARAM_TYPE_ADDRESS6 = 10,    /* 2001:db8::1                                */
	KILN_PARAM_TYPE_PREFIX6 = 11,     /* 2001:db8::2/64, auto, off, NAME=...        */
	KILN_PARAM_TYPE_ANY_ADDRESS = 12, /* of either family                           */
	KILN_PARAM_TYPE_ADDRESSES = 13,   /* several of either family, with commas      */
	KILN_PARAM_TYPE_ROUTES = 14,      /* 10.1.0.0/16=10.0.0.1, with commas          */
	KILN_PARAM_TYPES,
};

/* One image, target and ABI: emitted by the target's start-up code. */
struct kiln_note_target {
	uint32_t abi;    /* KILN_ABI_VERSION */
	uint32_t target; /* enum kiln_target_id */
};

/* A device that the appliance asks for, and the only ones it gets. */
struct kiln_note_device {
	uint32_t type; /* enum kiln_device_type */
	char name[20];
	char help[100];
	uint32_t optional; /* 1: the image runs without it, too */
};

/* A parameter that the image takes at start: of the appliance or of a library. */
struct kiln_note_param {
	uint32_t type;    /* enum kiln_param_type */
	uint32_t library; /* 1: an option of a library, looked up with kiln_option() */
	uint64_t min, max;
	char name[24];
	char value[104]; /* the default, as text; "" means none */
	char help[112];
};

/* A folder to seal into the image under this name. */
struct kiln_note_embed {
	char name[24];
	char path[100]; /* relative to the appliance's folder */
	char maker[20]; /* "": its files; "site": also in content codings, as <kiln/embed.h>
			 * says; else what the program kiln-embed-MAKER makes of them */
};

/* A library that is linked in. */
struct kiln_note_library {
	char name[24];
	char version[24];
};

/* Written by `kiln build`. */
struct kiln_note_build {
	uint64_t layout_seed; /* the shuffle of the image's functions; 0: none */
	char appliance[56];   /* name of the appliance's folder */
};

/* A parameter fixed at build time; its KILN_NOTE_PARAM stands too. */
struct kiln_note_fixed {
	char name[24];
	char value[204];
	uint32_t reserved;
};

/* jail, vm: where the image's only system call instruction is (vm: the way to the stub,
 * unused under Kiln's monitor). */
struct kiln_note_gate {
	int64_t offset; /* from the ELF entry point to the gate's first byte */
	uint64_t size;  /* of the gate's code, in bytes */
};

struct kiln_note_header {
	uint32_t name_size; /* 5 */
	uint32_t desc_size;
	uint32_t type;
	char name[8]; /* "Kiln", padded */
};

_Static_assert(sizeof(struct kiln_note_header) == 20, "ELF note header");
_Static_assert(sizeof(struct kiln_note_target) == 8, "note layout");
_Static_assert(sizeof(struct kiln_note_device) == 128, "note layout");
_Static_assert(sizeof(struct kiln_note_param) == 264, "note layout");
_Static_assert(sizeof(struct kiln_note_embed) == 144, "note layout");
_Static_assert(sizeof(struct kiln_note_library) == 48, "note layout");
_Static_assert(sizeof(struct kiln_note_build) == 64, "note layout");
_Static_assert(sizeof(struct kiln_note_fixed) == 232, "note layout");
_Static_assert(sizeof(struct kiln_note_gate) == 16, "note layout");

/*
 * Puts one note into the object file. `symbol` must be unique in the file; the rest are
 * the initialisers of the descriptor. The descriptor is packed to 4 bytes, as in ELF.
 */
#if defined(__clang__)
#define KILN_NOTE_SECTION ".note.kiln"
#else
/* gcc would call the section @progbits; the assembler comment hides that. */
#define KILN_NOTE_SECTION ".note.kiln,\"a\",@note#"
#endif
#define KILN_NOTE(symbol, note_type, struct_type, ...)                           \
	static const struct symbol {                                             \
		struct kiln_note_header header;                                  \
		struct struct_type desc;                                         \
	} __attribute__((packed))                                                \
	symbol __attribute__((used, aligned(4), section(KILN_NOTE_SECTION))) = { \
		{5, sizeof(struct struct_type), note_type, KILN_NOTE_OWNER},     \
		{__VA_ARGS__}}

/* For a library's main file: names it in every image that links it. */
#define KILN_LIBRARY(library, version_text)                                       \
	KILN_NOTE(kiln_note_library_##library, KILN_NOTE_LIBRARY, kiln_note_library, \
		  #library, version_text)

#endif
