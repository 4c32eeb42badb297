/*
 * The manifest: what an image says of itself, as ELF notes in section .note.kiln.
 *
 * Written by the macros of <kiln/appliance.h> and by the build, read by `kiln info`,
 * `kiln run` and the monitors. Owner name "Kiln", note types below. A descriptor is the struct
 * that its type has here, if any, and right behind it the type's texts, each with its NUL:
 * together they are as long as the note's header says, to the byte. A reader checks that.
 * Integers are little-endian.
 */
#ifndef KILN_ABI_MANIFEST_H
#define KILN_ABI_MANIFEST_H

#include <stdint.h>

#define KILN_NOTE_OWNER "Kiln"
/* The layout of notes and of struct kiln_boot; a monitor refuses any other. */
#define KILN_ABI_VERSION 5

enum kiln_note_type {   /* texts behind the struct; the first is not empty */
	KILN_NOTE_TARGET = 1,  /* none */
	KILN_NOTE_DEVICE = 2,  /* name, help */
	KILN_NOTE_PARAM = 3,   /* name, default ("": none), help */
	KILN_NOTE_EMBED = 4,   /* no struct: name, path, maker */
	KILN_NOTE_LIBRARY = 5, /* no struct: name, version */
	KILN_NOTE_BUILD = 6,   /* name of the appliance's folder */
	KILN_NOTE_FIXED = 7,   /* no struct: name, value */
	KILN_NOTE_GATE = 8,    /* none */
};

/* Most bytes of texts, with their NULs: of names, of a value that is fixed, and of one note's
 * together. */
enum {
	KILN_NAME_SIZE = 24,
	KILN_DEVICE_NAME_SIZE = 20, /* as in struct kiln_boot_device */
	KILN_APPLIANCE_NAME_SIZE = 56,
	KILN_VALUE_SIZE = 8001,
	KILN_NOTE_TEXTS_SIZE = 8192,
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
	KILN_PARAM_TYPE_STRING = 6,   /* at most 8000 bytes, no NUL  -> const char *    */
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

/* Notes lie on multiples of 4, whatever is in them. */
#define KILN_NOTE_LAYOUT __attribute__((packed, aligned(4)))

/* A device that the appliance asks for, and the only ones it gets. */
struct kiln_note_device {
	uint32_t type;     /* enum kiln_device_type */
	uint32_t optional; /* 1: the image runs without it, too */
};

/* A parameter that the image takes at start: of the appliance or of a library. */
struct kiln_note_param {
	uint32_t type;    /* enum kiln_param_type */
	uint32_t library; /* 1: an option of a library, looked up with kiln_option() */
	uint64_t min, max;
} KILN_NOTE_LAYOUT;

/*
 * KILN_NOTE_EMBED is a folder to seal into the image under a name. Its path is relative to the
 * appliance's folder. Its maker is "": the folder's files; "site": those, also in content
 * codings, as <kiln/embed.h> says; else what the program kiln-embed-MAKER makes of them.
 *
 * KILN_NOTE_LIBRARY is a library that is linked in; KILN_NOTE_FIXED a parameter fixed at build
 * time, whose KILN_NOTE_PARAM stands too.
 */

/* Written by `kiln build`. */
struct kiln_note_build {
	uint64_t layout_seed; /* the shuffle of the image's functions; 0: none */
} KILN_NOTE_LAYOUT;

/* jail, vm: where the image's only system call instruction is (vm: the way to the stub,
 * unused under Kiln's monitor). */
struct kiln_note_gate {
	int64_t offset; /* from the ELF entry point to the gate's first byte */
	uint64_t size;  /* of the gate's code, in bytes */
} KILN_NOTE_LAYOUT;

struct kiln_note_header {
	uint32_t name_size; /* 5 */
	uint32_t desc_size;
	uint32_t type;
	char name[8]; /* "Kiln", padded */
};

_Static_assert(sizeof(struct kiln_note_header) == 20, "ELF note header");
_Static_assert(sizeof(struct kiln_note_target) == 8, "note layout");
_Static_assert(sizeof(struct kiln_note_device) == 8, "note layout");
_Static_assert(sizeof(struct kiln_note_param) == 24, "note layout");
_Static_assert(sizeof(struct kiln_note_build) == 8, "note layout");
_Static_assert(sizeof(struct kiln_note_gate) == 16, "note layout");

#if defined(__clang__)
#define KILN_NOTE_SECTION ".note.kiln"
#else
/* gcc would call the section @progbits; the assembler comment hides that. */
#define KILN_NOTE_SECTION ".note.kiln,\"a\",@note#"
#endif
/*
 * Puts one note into the object file. `symbol` must be unique in the file. `texts` is one
 * literal: `"a" "\0" "b"` are two texts. The rest are the initialisers of the struct.
 */
#define KILN_NOTE(symbol, note_type, struct_type, ...)                                     \
	KILN_NOTE_OF(symbol, note_type, sizeof(struct struct_type), struct struct_type desc;, \
		     {__VA_ARGS__})
#define KILN_NOTE_TEXTS(symbol, note_type, texts)                                 \
	_Static_assert(sizeof(texts) <= KILN_NOTE_TEXTS_SIZE, "too long a text"); \
	KILN_NOTE_OF(symbol, note_type, sizeof(texts), char text[sizeof(texts)];, texts)
#define KILN_NOTE_WITH_TEXTS(symbol, note_type, struct_type, texts, ...)                \
	_Static_assert(sizeof(texts) <= KILN_NOTE_TEXTS_SIZE, "too long a text");       \
	KILN_NOTE_OF(symbol, note_type, sizeof(struct struct_type) + sizeof(texts),     \
		     struct struct_type desc; char text[sizeof(texts)];, {__VA_ARGS__}, \
		     texts)
#define KILN_NOTE_OF(symbol, note_type, size, members, ...)                         \
	static const struct symbol {                                                \
		struct kiln_note_header header;                                     \
		members                                                             \
	} symbol __attribute__((used, aligned(4), section(KILN_NOTE_SECTION))) = { \
		{5, size, note_type, KILN_NOTE_OWNER}, __VA_ARGS__}

/* For a library's main file: names it in every image that links it. */
#define KILN_LIBRARY(library, version_text)                             \
	KILN_NOTE_TEXTS(kiln_note_library_##library, KILN_NOTE_LIBRARY, \
			#library "\0" version_text)

#endif
