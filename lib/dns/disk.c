/*
 * Zones from a block device: see <kiln/dns_disk.h>. How long the archive is, its headers tell,
 * one sector each; then it is read as a whole, to the end of the image's arena, which ends
 * before it meanwhile.
 */
#include <kiln/bytes.h>
#include <kiln/dns_disk.h>

enum { PIECE = 256 }; /* sectors of a request */

static void read_sectors(struct kiln *k, struct block *block, uint64_t sector, void *data,
                         uint32_t sectors)
{
	enum kiln_error error = block_read(block, sector, data, sectors);

	if (error)
		kiln_fail(k, "dns", "the zones' device cannot be read: %s",
		          kiln_error_text(error));
}

/* The archive's size in sectors, its end included. */
static uint64_t measure(struct kiln *k, struct block *block)
{
	static const char none[] =
	    "the zones' device holds no tar archive, or not all of it";
	uint8_t *header = arena_try(&k->arena, BLOCK_SECTOR, 16);
	uint64_t sector = 0, size;

	if (!header)
		kiln_fail(k, "dns", "no memory to look at the zones' device");
	do {
		if (sector >= block->sectors)
			kiln_fail(k, "dns", none);
		read_sectors(k, block, sector, header, 1);
		if (!dns_archive_size(slice_of(header, BLOCK_SECTOR), &size) ||
		    size > block->sectors * BLOCK_SECTOR)
			kiln_fail(k, "dns", none);
		sector += 1 + (size + BLOCK_SECTOR - 1) / BLOCK_SECTOR;
	} while (!dns_archive_ends(slice_of(header, BLOCK_SECTOR)));
	memset(header, 0, BLOCK_SECTOR);
	k->arena.at = header;
	return sector;
}

static void tell(void *context, bool warning, struct slice line)
{
	struct dns_disk *disk = context;

	if (warning)
		log_warn(disk->kiln, "dns", "%.*s", SLICE_ARG(line));
	else
		log_error(disk->kiln, "dns", "%.*s", SLICE_ARG(line));
}

static const char *read_file(void *context, struct slice path, struct slice *text)
{
	struct dns_disk *disk = context;

	return dns_archive_read(&disk->bytes, path, text);
}

/* Takes from the end of the arena. */
static void *take_end(struct kiln *k, size_t size)
{
	uint8_t *end = k->arena.end;
	size_t more = ((uintptr_t)end - size) % 16;

	if (size + more > arena_left(&k->arena))
		kiln_fail(k, "dns",
		          "memory: %zu KiB for the zones' archive do not fit; give the "
		          "image more with -m",
		          (size + 1023) / 1024);
	k->arena.end = end - size - more;
	return k->arena.end;
}

struct dns_disk *dns_disk_open(struct kiln *k, struct block *block)
{
	uint8_t *end = k->arena.end, *bytes;
	uint64_t sectors = measure(k, block);
	struct dns_name origin;
	struct dns_disk *disk;

	bytes = take_end(k, (size_t)sectors * BLOCK_SECTOR);
	for (uint64_t at = 0; at < sectors; at += PIECE)
		read_sectors(k, block, at, bytes + at * BLOCK_SECTOR,
		             (uint32_t)KILN_MIN(sectors - at, (uint64_t)PIECE));
	disk = take_end(k, sizeof(*disk));
	*disk = (struct dns_disk){
	    .kiln = k,
	    .bytes = slice_of(bytes, (size_t)sectors * BLOCK_SECTOR),
	    .end = end,
	    .load = {.arena = &k->arena,
	             .now = (uint32_t)(kiln_wall(k) / KILN_SECONDS(1)),
	             .read = read_file,
	             .tell = tell,
	             .context = disk},
	};
	dns_archive_open(&disk->archive, disk->bytes);
	while (dns_archive_next(&disk->archive))
		disk->zones += dns_load_is_zone(disk->archive.path, &origin);
	disk->failed = disk->archive.failed;
	if (disk->zones == 0 && !disk->failed)
		kiln_fail(
		    k, "dns",
		    "the archive on the zones' device has no zone: NAME.zone has to "
		    "be at its top, as 'tar -C FOLDER -cf FILE .' has it");
	dns_archive_open(&disk->archive, disk->bytes);
	return disk;
}

bool dns_disk_next(struct dns_disk *disk, struct slice *compiled)
{
	struct dns_name origin;

	while (!disk->failed && dns_archive_next(&disk->archive)) {
		if (!dns_load_is_zone(disk->archive.path, &origin))
			continue;
		disk->failed = !dns_load_zone(&disk->load, disk->archive.path, compiled);
		return !disk->failed;
	}
	return false;
}

bool dns_disk_close(struct dns_disk *disk)
{
	struct arena *arena = &disk->kiln->arena;
	bool good = !disk->failed;
	uint8_t *end = disk->end, *start = arena->end;

	arena->end = end;
	memset(start, 0, (size_t)(end - start));
	return good;
}
