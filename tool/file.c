/*
 * Files and paths. Files are replaced by rename, so that a reader (or an interrupt) never
 * sees half of one.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tool.h"

/* A file, open for reading; -1: errno says why not. */
static int open_file(const char *path, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (fstat(fd, st) == 0 && S_ISREG(st->st_mode)))
		return fd;
	close(fd);
	errno = S_ISDIR(st->st_mode) ? EISDIR : EINVAL;
	return -1;
}

char *file_read(const char *path, size_t *size)
{
	struct stat st;
	char *bytes;
	size_t len = 0;
	int fd = open_file(path, &st);

	if (fd < 0)
		return NULL;
	bytes = allocate((size_t)st.st_size + 1);
	while (len < (size_t)st.st_size) {
		ssize_t n = read(fd, bytes + len, (size_t)st.st_size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	bytes[len] = 0;
	if (size)
		*size = len;
	return bytes;
}

const char *file_map(const char *path, size_t *size)
{
	struct stat st;
	void *bytes;
	int fd = open_file(path, &st);

	if (fd < 0)
		return NULL;
	*size = (size_t)st.st_size;
	/* There is no mapping of nothing, and on some file systems none at all. */
	bytes = *size ? mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
	close(fd);
	return bytes == MAP_FAILED ? file_read(path, size) : bytes;
}

/* Linux keeps what is written in one call in pages of up to 2 MB. An image whose constants are
 * mapped from such pages takes longer for each look into them: as a name server with 1,000,000
 * names, half as long again for a query as out of smaller ones. */
static bool write_pieces(FILE *file, const void *bytes, size_t size)
{
	enum { PIECE = 64 << 10 };
	const char *at = bytes;

	for (size_t left = size, piece; left; left -= piece, at += piece) {
		piece = left < PIECE ? left : PIECE;
		if (fwrite(at, 1, piece, file) != piece)
			return false;
	}
	return true;
}

bool file_replace(const char *path, const void *bytes, size_t size)
{
	size_t old_size;
	const char *old = file_map(path, &old_size);
	bool same = old && old_size == size && memcmp(old, bytes, size) == 0, written;
	char *temporary;
	FILE *file;
	int error;

	if (same)
		return true;
	temporary = text_format("%s.new", path);
	file = fopen(temporary, "we");
	if (!file)
		return false;
	written = write_pieces(file, bytes, size) && fflush(file) == 0;
	error = errno;
	fclose(file);
	errno = error;
	if (written && rename(temporary, path) == 0)
		return true;
	error = errno;
	unlink(temporary); /* half of a file, on a disk that is full */
	errno = error;
	return false;
}

void file_write(const char *path, const void *bytes, size_t size)
{
	if (!file_replace(path, bytes, size))
		fail("cannot write %s: %s", path, strerror(errno));
}

bool file_exists(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

size_t file_size(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (size_t)st.st_size : 0;
}

bool folder_exists(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

uint64_t file_time(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return 0;
	return (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
}

void folder_make(const char *path)
{
	char *copy = text_format("%s", path);

	for (char *p = copy + 1;; p++) {
		char c = *p;
		if (c != '/' && c)
			continue;
		*p = 0;
		if (mkdir(copy, 0777) < 0 && errno != EEXIST)
			fail("cannot make the folder %s: %s", copy, strerror(errno));
		*p = c;
		if (!c)
			return;
	}
}

const char *path_resolve(const char *path)
{
	return realpath(path, NULL);
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

const char *path_display(const char *path)
{
	char here[PATH_MAX];
	size_t len;

	if (!getcwd(here, sizeof(here)))
		return path;
	len = strlen(here);
	if (strncmp(path, here, len) == 0 && path[len] == '/')
		return path + len + 1;
	return path;
}
