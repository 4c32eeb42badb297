/*
 * From master files to compiled zones: see <kiln/dns_load.h>. The mark by which a zone's
 * builder remembers where a record stands is its file's number and its line.
 */
#include <kiln/dns_load.h>
#include "dns_private.h"

enum { LINE_BITS = 24, LINE_MOST = (1 << LINE_BITS) - 1, WEEK = 7 * 86400 };
_Static_assert(DNS_LOAD_FILES < 1 << (32 - LINE_BITS), "a mark names any of them");

bool dns_load_is_zone(struct slice name, struct dns_name *origin)
{
	struct slice ending = SLICE(".zone");
	struct slice stem =
	    slice_take(name, name.len > ending.len ? name.len - ending.len : 0);

	if (stem.len == 0 || stem.data[0] == '.' ||
	    !slice_equal(slice_skip(name, stem.len), ending) ||
	    slice_find(name, '/') < name.len)
		return false;
	return dns_name_parse(slice_equal(stem, SLICE("root")) ? SLICE(".") : stem,
	                      origin);
}

static void tell(struct dns_load *load, bool warning, const struct writer *w)
{
	load->tell(load->context, warning, writer_done(w));
	if (!warning)
		load->mistakes++;
}

/* ---- the reader's calls ---- */

static const char *include(void *context, struct slice path, struct dns_master_file *file)
{
	struct dns_load *load = context;
	unsigned number = 0;

	while (number < load->name_count && !slice_equal(load->names[number], path))
		number++;
	if (number == DNS_LOAD_FILES)
		return "more than 255 files for one zone";
	*file = (struct dns_master_file){.name = path, .number = number};
	load->names[number] = path;
	if (number == load->name_count)
		load->name_count++;
	return load->read(load->context, path, &file->text);
}

static bool problem(void *context, const struct dns_master_problem *problem)
{
	struct dns_load *load = context;
	struct writer w = writer_of(load->line, sizeof(load->line));

	dns_master_format(&w, problem);
	tell(load, problem->warning, &w);
	return load->mistakes < DNS_LOAD_MISTAKES;
}

/* ---- what a record says, and is likely not meant to ---- */

enum doubt { FOREIGN, DOTLESS, EXPIRED, EXPIRING };

static const char *const doubts[] = {
    [FOREIGN] = "nobody asks for this name: one that is not ASCII begins with xn--",
    [DOTLESS] = "a dot is likely missing behind a name: that of the zone is added to it",
    [EXPIRED] = "a signature has expired",
    [EXPIRING] = "a signature expires in a week or less",
};

/* Each is told of once for a zone: there may be one in every line. */
static void doubt(struct dns_load *load, const struct dns_master_record *record,
                  enum doubt which)
{
	struct dns_master_problem told = {
	    .warning = true,
	    .file = record->file,
	    .line = record->line,
	    .owner = record->owner,
	    .type = record->type,
	    .reason = doubts[which],
	};

	if (!(load->doubts & 1u << which))
		(void)problem(load, &told);
	load->doubts |= 1u << which;
}

/* Resolvers ask for internationalised names in letters, digits and hyphens (RFC 5890). */
static void look_at_owner(struct dns_load *load, const struct dns_master_record *record)
{
	struct cursor c = cursor_of(dns_name_slice(record->owner));

	while (cursor_left(&c)) {
		if (cursor_u8(&c) >= 0x80)
			doubt(load, record, FOREIGN);
	}
}

/* "www.example.com" without a dot behind it is www.example.com.example.com. Zones of one label
 * are left alone: com.com is somebody's. */
static void look_at_ends(struct dns_load *load, const struct dns_master_record *record)
{
	struct cursor c = cursor_of(record->data);
	const struct dns_name *in = &load->twice;
	struct dns_name target;

	if (in->size && dns_name_in(record->owner, in))
		doubt(load, record, DOTLESS);
	if (record->type == DNS_PTR && load->reverse)
		in = &load->builder.origin;
	else if (record->type != DNS_CNAME || !in->size)
		return;
	if (dns_name_read(record->data, &c, &target) && dns_name_in(&target, in))
		doubt(load, record, DOTLESS);
}

static void begin_doubts(struct dns_load *load, const struct dns_name *origin)
{
	struct dns_name arpa;

	load->doubts = 0;
	load->reverse =
	    dns_name_parse(SLICE("arpa"), &arpa) && dns_name_in(origin, &arpa);
	if (dns_name_labels(origin) < 2 || !dns_name_join(origin, origin, &load->twice))
		load->twice.size = 0;
}

/* Times of signatures are compared as serial numbers (RFC 4034, 3.1.5). */
static void look_at_signature(struct dns_load *load,
                              const struct dns_master_record *record)
{
	struct cursor c = cursor_of(record->data);

	cursor_skip(&c, 8);
	int32_t left = (int32_t)(cursor_u32(&c) - load->now);
	if (left <= WEEK)
		doubt(load, record, left < 0 ? EXPIRED : EXPIRING);
}

static bool record(void *context, const struct dns_master_record *record)
{
	struct dns_load *load = context;
	uint32_t mark = record->file->number << LINE_BITS |
	                KILN_MIN(record->line, (uint32_t)LINE_MOST);
	enum dns_zone_fault fault = dns_zone_add(
	    &load->builder, record->owner, record->type, record->ttl, record->data, mark);

	if (fault == DNS_ZONE_OK) {
		look_at_owner(load, record);
		look_at_ends(load, record);
		if (load->now && record->type == DNS_RRSIG)
			look_at_signature(load, record);
		return true;
	}
	struct dns_master_problem told = {
	    .file = record->file,
	    .line = record->line,
	    .owner = record->owner,
	    .type = record->type,
	    .reason = dns_zone_fault_text(fault),
	};
	return problem(load, &told) && fault != DNS_ZONE_MEMORY;
}

/* ---- the zone as a whole ---- */

/* "zones/example.com.zone:7: www.example.com CNAME: CNAME and other data" */
static void tell_error(struct dns_load *load, bool warning,
                       const struct dns_zone_error *error)
{
	struct writer w = writer_of(load->line, sizeof(load->line));
	unsigned number = error->where >> LINE_BITS, line = error->where & LINE_MOST;

	writer_format(&w, "%.*s:", SLICE_ARG(load->names[number]));
	if (line && line < LINE_MOST)
		writer_format(&w, "%u:", line);
	writer_text(&w, " ");
	if (error->owner.size) {
		dns_name_format(&w, &error->owner);
		if (error->type) {
			writer_text(&w, " ");
			dns_type_format(&w, error->type);
		}
		writer_text(&w, ": ");
	}
	writer_text(&w, dns_zone_fault_text(error->fault));
	tell(load, warning, &w);
}

static void warn(void *context, const struct dns_zone_error *warning)
{
	tell_error(context, true, warning);
}

static bool read_all(struct dns_load *load, struct slice name,
                     const struct dns_name *origin)
{
	static const struct dns_master_calls calls = {record, problem, include};
	struct dns_master_file file = {.name = name};
	struct dns_master_problem missing = {.file = &file, .line = 0};

	missing.reason = load->read(load->context, name, &file.text);
	if (missing.reason)
		return problem(load, &missing) && false;
	return dns_master_read(&load->master, &calls, load, origin, &file);
}

/* What was taken, zeroed as an arena's memory is. */
static void give_back(struct dns_load *load)
{
	uint8_t *base = load->builder.base;

	memset(base, 0, (size_t)(load->arena->at - base));
	load->arena->at = base;
}

bool dns_load_zone(struct dns_load *load, struct slice name, struct slice *compiled)
{
	struct dns_zone_error error = {.fault = DNS_ZONE_MEMORY};
	struct dns_name origin;

	load->names[0] = name;
	load->name_count = 1;
	load->mistakes = 0;
	if (!dns_load_is_zone(name, &origin))
		return false;
	begin_doubts(load, &origin);
	if (!dns_zone_begin(&load->builder, load->arena, &origin)) {
		tell_error(load, false, &error);
		return false;
	}
	load->builder.warn = warn;
	load->builder.context = load;
	if (!read_all(load, name, &origin)) {
		give_back(load);
		return false;
	}
	if (dns_zone_end(&load->builder, compiled, &error))
		return true;
	tell_error(load, false, &error);
	return false;
}
