/*
 * `kiln info`: what an image says of itself, how large it is, which system calls it may make,
 * and whether it obeys the seal. Exit status 1 if it does not.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <elf.h>
#include <kiln/abi/param.h>
#include "../monitor/policy.h"
#include "build.h"
#include "seal.h"

struct report {
	struct image_file file;
	struct sections sections, debug;
	struct words broken;
};

static const char *device_type(uint32_t type)
{
	return type == KILN_DEVICE_NET     ? "net"
	       : type == KILN_DEVICE_BLOCK ? "disk"
	                                   : "unknown";
}

static const char *param_type(uint32_t type)
{
	static const char *const names[] = {
	    "unknown",
	    [KILN_PARAM_TYPE_BOOL] = "bool",
	    [KILN_PARAM_TYPE_UINT] = "uint",
	    [KILN_PARAM_TYPE_PORT] = "port",
	    [KILN_PARAM_TYPE_DURATION] = "duration",
	    [KILN_PARAM_TYPE_SIZE] = "size",
	    [KILN_PARAM_TYPE_STRING] = "string",
	    [KILN_PARAM_TYPE_ADDRESS] = "address",
	    [KILN_PARAM_TYPE_PREFIX] = "prefix",
	    [KILN_PARAM_TYPE_LEVEL] = "level",
	    [KILN_PARAM_TYPE_ADDRESS6] = "address6",
	    [KILN_PARAM_TYPE_PREFIX6] = "prefix6",
	    [KILN_PARAM_TYPE_ANY_ADDRESS] = "any-address",
	    [KILN_PARAM_TYPE_ADDRESSES] = "addresses",
	    [KILN_PARAM_TYPE_ROUTES] = "routes",
	};

	return names[type < sizeof(names) / sizeof(names[0]) ? type : 0];
}

/* What the build fixed the parameter to; NULL if it did not. */
static const char *fixed_value(const struct image *image, unsigned param)
{
	for (unsigned i = 0; image->param_fixed[param] && i < image->fixed_count; i++)
		if (strcmp(image->fixed[i].name, image->params[param].name) == 0)
			return image->fixed[i].value;
	return NULL;
}

/* ---- for people ---- */

static void print_params(const struct report *r, uint32_t library, const char *title)
{
	for (unsigned i = 0, shown = 0; i < r->file.image.param_count; i++) {
		const struct image_param *p = &r->file.image.params[i];
		const char *fixed, *value;
		if (p->note.library != library)
			continue;
		if (!shown++)
			printf("%s\n", title);
		fixed = fixed_value(&r->file.image, i);
		value = fixed ? fixed : p->value;
		printf("  --%-16s %-9s %-14s %s%s\n", p->name, param_type(p->note.type),
		       value[0] ? value : "-", p->help,
		       fixed ? " (fixed by the build)" : "");
	}
}

static void print_embed(const struct image_embed *embed)
{
	printf("  %-18s %s", embed->name, embed->path);
	if (strcmp(embed->maker, "site") == 0)
		printf(", also compressed");
	else if (embed->maker[0])
		printf(", as kiln-embed-%s made it", embed->maker);
	putchar('\n');
}

static void print_manifest(const struct report *r)
{
	const struct image *image = &r->file.image;

	printf("%s: %s, %zu bytes\n", r->file.path, r->file.target->what, r->file.size);
	printf("appliance %s, target %s, ABI %u, layout seed %" PRIu64 "\n",
	       image->build.appliance[0] ? image->build.appliance : "(unnamed)",
	       r->file.target->name, image->target.abi, image->build.note.layout_seed);
	if (image->device_count)
		printf("devices\n");
	for (unsigned i = 0; i < image->device_count; i++)
		printf("  %-18s %-9s %s%s\n", image->devices[i].name,
		       device_type(image->devices[i].note.type), image->devices[i].help,
		       image->devices[i].note.optional ? " (may be left out)" : "");
	print_params(r, 0, "parameters");
	print_params(r, 1, "options of its libraries");
	if (image->embed_count)
		printf("embedded folders\n");
	for (unsigned i = 0; i < image->embed_count; i++)
		print_embed(&image->embeds[i]);
	if (image->library_count)
		printf("libraries\n ");
	for (unsigned i = 0; i < image->library_count; i++)
		printf(" %s %s%s", image->libraries[i].name, image->libraries[i].version,
		       i + 1 < image->library_count ? "," : "\n");
}

static void print_sections(const struct report *r)
{
	struct section_sizes sizes = sections_sizes(&r->sections);

	printf("sections\n");
	for (size_t i = 0; i < r->sections.count; i++) {
		const struct section *s = &r->sections.item[i];
		if (s->flags & SHF_ALLOC)
			printf("  %-18s %9" PRIu64 "  r%c%c\n", s->name, s->size,
			       section_is_writable(s) ? 'w' : '-',
			       s->flags & SHF_EXECINSTR ? 'x' : '-');
	}
	printf("text %" PRIu64 ", constants %" PRIu64 ", data %" PRIu64
	       ", zeroed %" PRIu64 ", notes %" PRIu64 "\n",
	       sizes.text, sizes.constants, sizes.data, sizes.zeroed, sizes.notes);
}

/* The type of device that a call is for; 0: for none. */
static uint32_t call_type(const struct policy_call *call)
{
	switch (call->on) {
	case POLICY_ON_NET:
	case POLICY_ON_NET_ALONE:
	case POLICY_ON_RING:
	case POLICY_ON_XDP:
		return KILN_DEVICE_NET;
	case POLICY_ON_DISK:
	case POLICY_ON_WRITABLE_DISK:
		return KILN_DEVICE_BLOCK;
	default:
		return 0;
	}
}

/* The devices of the image on which a call may be made. */
static struct words call_devices(const struct report *r, const struct policy_call *call)
{
	struct words names = {0};

	for (unsigned i = 0; i < r->file.image.device_count; i++)
		if (r->file.image.devices[i].note.type == call_type(call))
			words_add(&names, r->file.image.devices[i].name);
	return names;
}

/* A call on devices is left out of the filter where the image has none of them. */
static bool may_call(const struct report *r, const struct policy_call *call)
{
	return !call_type(call) || call_devices(r, call).count;
}

static void print_calls(const struct report *r, const struct policy_call *call)
{
	for (; call->name; call++) {
		struct words devices = call_devices(r, call);
		struct text text = {0};
		if (!may_call(r, call))
			continue;
		for (size_t i = 0; i < devices.count; i++)
			text_add(&text, "%s%s", i ? ", " : "on ", devices.item[i]);
		if (call->words[0])
			text_add(&text, "%s%s", text.len ? ", " : "", call->words);
		printf("  %-18s %s\n", call->name, text.data);
	}
}

static void print_policy(const struct report *r)
{
	if (r->file.target->id == KILN_TARGET_JAIL) {
		printf("system calls, from one instruction; any other ends the image\n");
		print_calls(r, policy_jail);
	} else if (r->file.target->id == KILN_TARGET_VM) {
		printf("system calls: none; while it runs, kiln-kvm itself may make\n");
		print_calls(r, policy_kvm);
	}
}

static void print_seal(const struct report *r)
{
	if (!r->file.target->sealed) {
		printf("seal: none (target %s is a program of this machine)\n",
		       r->file.target->name);
		return;
	}
	printf("seal: %s\n", r->broken.count ? "BROKEN" : "obeyed");
	for (size_t i = 0; i < r->broken.count; i++)
		printf("  %s\n", r->broken.item[i]);
}

/* ---- for programs ---- */

static void json_string(const char *value)
{
	struct text text = {0};

	text_add_json(&text, value);
	fputs(text.data, stdout);
}

static void json_text(const char *key, const char *value)
{
	json_string(key);
	putchar(':');
	json_string(value);
}

static void json_lists(const struct report *r)
{
	const struct image *image = &r->file.image;

	printf(",\"devices\":[");
	for (unsigned i = 0; i < image->device_count; i++) {
		printf(i ? ",{" : "{");
		json_text("name", image->devices[i].name);
		putchar(',');
		json_text("type", device_type(image->devices[i].note.type));
		putchar(',');
		json_text("help", image->devices[i].help);
		printf(",\"optional\":%s}",
		       image->devices[i].note.optional ? "true" : "false");
	}
	printf("],\"parameters\":[");
	for (unsigned i = 0; i < image->param_count; i++) {
		const struct image_param *p = &image->params[i];
		printf(i ? ",{" : "{");
		json_text("name", p->name);
		putchar(',');
		json_text("type", param_type(p->note.type));
		putchar(',');
		json_text("default", p->value);
		printf(",\"library\":%s,", p->note.library ? "true" : "false");
		if (fixed_value(image, i)) {
			json_text("fixed", fixed_value(image, i));
			putchar(',');
		}
		json_text("help", p->help);
		putchar('}');
	}
	printf("],\"embeds\":[");
	for (unsigned i = 0; i < image->embed_count; i++) {
		printf(i ? ",{" : "{");
		json_text("name", image->embeds[i].name);
		putchar(',');
		json_text("path", image->embeds[i].path);
		putchar(',');
		json_text("maker", image->embeds[i].maker);
		putchar('}');
	}
	printf("],\"libraries\":[");
	for (unsigned i = 0; i < image->library_count; i++) {
		printf(i ? ",{" : "{");
		json_text("name", image->libraries[i].name);
		putchar(',');
		json_text("version", image->libraries[i].version);
		putchar('}');
	}
	putchar(']');
}

static void json_calls(const struct report *r, const char *key,
                       const struct policy_call *call)
{
	const char *separator = "";

	printf(",\"%s\":[", key);
	for (; call && call->name; call++) {
		struct words devices = call_devices(r, call);
		if (!may_call(r, call))
			continue;
		printf("%s{", separator);
		json_text("name", call->name);
		printf(",\"number\":%d,\"devices\":[", call->number);
		for (size_t i = 0; i < devices.count; i++) {
			printf(i ? "," : "");
			json_string(devices.item[i]);
		}
		printf("],");
		json_text("restriction", call->words);
		putchar('}');
		separator = ",";
	}
	putchar(']');
}

static void print_json(const struct report *r)
{
	struct section_sizes sizes = sections_sizes(&r->sections);
	bool first = true;

	putchar('{');
	json_text("image", r->file.path);
	printf(",\"bytes\":%zu,", r->file.size);
	json_text("appliance", r->file.image.build.appliance);
	putchar(',');
	json_text("target", r->file.target->name);
	/* A text: readers take numbers beyond 2^53 for others. */
	printf(",\"abi\":%u,\"layout_seed\":\"%" PRIu64 "\"", r->file.image.target.abi,
	       r->file.image.build.note.layout_seed);
	json_lists(r);
	printf(",\"sections\":[");
	for (size_t i = 0; i < r->sections.count; i++) {
		const struct section *s = &r->sections.item[i];
		if (!(s->flags & SHF_ALLOC))
			continue;
		printf(first ? "{" : ",{");
		first = false;
		json_text("name", s->name);
		printf(",\"bytes\":%" PRIu64 ",\"writable\":%s,\"executable\":%s}",
		       s->size, section_is_writable(s) ? "true" : "false",
		       s->flags & SHF_EXECINSTR ? "true" : "false");
	}
	printf("],\"sizes\":{\"text\":%" PRIu64 ",\"constants\":%" PRIu64
	       ",\"data\":%" PRIu64 ",\"zeroed\":%" PRIu64 ",\"notes\":%" PRIu64 "}",
	       sizes.text, sizes.constants, sizes.data, sizes.zeroed, sizes.notes);
	if (r->file.target->sealed) {
		bool jail = r->file.target->id == KILN_TARGET_JAIL;
		json_calls(r, "system_calls", jail ? policy_jail : NULL);
		json_calls(r, "monitor_system_calls", jail ? NULL : policy_kvm);
		printf(",\"seal\":{\"obeyed\":%s,\"broken\":[",
		       r->broken.count ? "false" : "true");
		for (size_t i = 0; i < r->broken.count; i++) {
			printf(i ? ",{" : "{");
			json_text("what", r->broken.item[i]);
			putchar('}');
		}
		printf("]}");
	}
	printf("}\n");
}

/* ---- the command ---- */

static void read_image(struct report *r, const char *path)
{
	const char *debug;
	size_t debug_size;

	image_read(&r->file, path);
	if (!sections_read(&r->sections, r->file.bytes, r->file.size))
		fail("%s has no section headers, so its seal cannot be checked: build it "
		     "again",
		     path);
	debug = file_read(text_format("%s.debug", path), &debug_size);
	if (debug)
		(void)sections_read(&r->debug, debug, debug_size);
	if (r->file.target->sealed)
		seal_check(&r->broken, &r->file.image, &r->sections, &r->debug);
}

int command_info(int argc, char **argv)
{
	struct report *r = allocate(sizeof(*r));
	const char *path = NULL;
	bool json = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (argv[i][0] == '-')
			fail_usage(
			    "kiln info does not know %s: it takes IMAGE and --json",
			    argv[i]);
		else if (path)
			fail_usage("kiln info takes one image, not both %s and %s", path,
			           argv[i]);
		else
			path = argv[i];
	}
	if (!path)
		fail_usage("which image? kiln info IMAGE [--json]");
	read_image(r, path);
	if (json) {
		print_json(r);
	} else {
		print_manifest(r);
		print_sections(r);
		print_policy(r);
		print_seal(r);
	}
	return r->broken.count ? 1 : 0;
}
