/*
 * The compressed copies of a folder embedded by KILN_EMBED_SITE: each a file in the state
 * folder, named by the digest of what it was made from and by the library that made it, so
 * that only new content is compressed. An empty file says that it was not worth it.
 *
 * Both libraries give the same bytes for the same content; the header that gzip adds has no
 * name and no time in it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <brotli/encode.h>
#include <zlib.h>
#include "build.h"

enum {
	/* Where brotli's best quality (about 1 s a MiB) gives way to its second best. */
	LARGE = 4 << 20,
	/* What a copy has to save, at the least: the header lines that it needs take some
	 * 50 bytes. And an eighth of the file: it takes the image's room. */
	SAVED_BYTES = 100,
	SAVED_PART = 8,
};

/* What is compressed already: not even tried. */
static bool is_compressed(const char *path)
{
	static const char *const extensions[] = {
	    "7z",    "aac",  "apk", "avif", "br",  "bz2",  "docx", "epub",
	    "flac",  "gif",  "gz",  "heic", "jar", "jpeg", "jpg",  "jxl",
	    "lz4",   "m4a",  "mkv", "mov",  "mp3", "mp4",  "odt",  "ogg",
	    "opus",  "pdf",  "png", "pptx", "tgz", "webm", "webp", "woff",
	    "woff2", "xlsx", "xz",  "zip",  "zst",
	};
	const char *dot = strrchr(path_base(path), '.');

	for (size_t i = 0; dot && i < sizeof(extensions) / sizeof(extensions[0]); i++)
		if (strcasecmp(dot + 1, extensions[i]) == 0)
			return true;
	return false;
}

/* Into `out` of `room` bytes; 0 if it does not fit. */
static size_t by_gzip(const uint8_t *bytes, size_t size, uint8_t *out, size_t room)
{
	z_stream z = {.next_in = (uint8_t *)(uintptr_t)bytes, .next_out = out};
	size_t left = size, space = room;
	int status;

	/* 15 bits of window, and 16 for gzip's own header in place of zlib's. */
	if (deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 9,
	                 Z_DEFAULT_STRATEGY) != Z_OK)
		fail("zlib does not start: %s", z.msg ? z.msg : "no memory?");
	do { /* its counts are 32 bits wide */
		z.avail_in = left < INT32_MAX ? (uInt)left : INT32_MAX;
		z.avail_out = space < INT32_MAX ? (uInt)space : INT32_MAX;
		left -= z.avail_in;
		space -= z.avail_out;
		status = deflate(&z, left ? Z_NO_FLUSH : Z_FINISH);
		left += z.avail_in;
		space += z.avail_out;
	} while (status == Z_OK && space);
	deflateEnd(&z);
	return status == Z_STREAM_END ? room - space : 0;
}

static size_t by_brotli(const uint8_t *bytes, size_t size, uint8_t *out, size_t room)
{
	int quality = size > LARGE ? BROTLI_MAX_QUALITY - 2 : BROTLI_MAX_QUALITY;

	if (!BrotliEncoderCompress(quality, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_GENERIC,
	                           size, bytes, &room, out))
		return 0;
	return room;
}

static const char *copy_path(const struct build *build, enum embed_coding coding,
                             const char *name)
{
	if (coding == EMBED_GZIP)
		return text_format("%s/coded/%s.%s.gz", build->state, name,
		                   zlibVersion());
	return text_format("%s/coded/%s.%x.br", build->state, name,
	                   BrotliEncoderVersion());
}

const char *coding_write(const struct build *build, enum embed_coding coding,
                         const char *source, const char *name, const uint8_t *bytes,
                         size_t size)
{
	const char *path = copy_path(build, coding, name);
	size_t room, coded = 0;
	uint8_t *out;

	if (is_compressed(source) || size <= SAVED_BYTES)
		return NULL;
	if (file_exists(path))
		return file_size(path) ? path : NULL;
	progress("compressing %s", path_base(source));
	room = size - size / SAVED_PART;
	if (room > size - SAVED_BYTES)
		room = size - SAVED_BYTES;
	out = allocate(room);
	coded = coding == EMBED_GZIP ? by_gzip(bytes, size, out, room)
	                             : by_brotli(bytes, size, out, room);
	folder_make(text_format("%s/coded", build->state));
	file_write(path, out, coded);
	free(out);
	return coded ? path : NULL;
}
