/*
 * `kiln sim FILE`: builds the appliances of a scenario (target/scenario) and runs it;
 * `kiln sim DIR...`: writes a scenario of these appliances, and of clients behind a router,
 * and runs that. kiln-sim does the running; everything that can be wrong with the words of a
 * scenario is found here, before anything is built.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <kiln/abi/param.h>
#include "../target/scenario/scenario.h"
#include "../target/sim/path.h"
#include "build.h"

struct sim_command {
	struct words folders;
	const char *file;
	struct settings link;       /* of the link, as `kiln sim` takes them */
	struct settings parameters; /* of the appliances */
	const char *seed, *time, *clients, *requests, *every, *get, *to, *pcap;
	bool json, show;
};

/* ---- the command line ---- */

static const struct {
	const char *key;
	size_t place;
	bool of_folders; /* and not of a scenario */
	uint32_t type;
} texts[] = {
    {"seed", offsetof(struct sim_command, seed), false, KILN_PARAM_TYPE_UINT},
    {"time", offsetof(struct sim_command, time), false, KILN_PARAM_TYPE_DURATION},
    {"clients", offsetof(struct sim_command, clients), true, KILN_PARAM_TYPE_UINT},
    {"requests", offsetof(struct sim_command, requests), true, KILN_PARAM_TYPE_UINT},
    {"every", offsetof(struct sim_command, every), true, KILN_PARAM_TYPE_DURATION},
    {"get", offsetof(struct sim_command, get), true, KILN_PARAM_TYPE_STRING},
    {"to", offsetof(struct sim_command, to), true, KILN_PARAM_TYPE_PORT},
    {"pcap", offsetof(struct sim_command, pcap), true, KILN_PARAM_TYPE_STRING},
};

static void take_setting(struct sim_command *sim, const struct setting *setting)
{
	const char *key = setting->key, *value = setting->value;
	struct sim_impairment ignored = {0};
	uint64_t number;
	bool known;

	for (size_t i = 0; i < KILN_COUNT_OF(texts); i++) {
		if (strcmp(key, texts[i].key) != 0)
			continue;
		if (!*value || !param_parse(texts[i].type, 0, UINT64_MAX, value,
		                            strlen(value), &number))
			fail_usage("--%s takes %s, not '%s'", key,
			           param_type_text(texts[i].type), value);
		*(const char **)((char *)sim + texts[i].place) = value;
		return;
	}
	if (sim_impairment_option(&ignored, key, value, &known))
		settings_add(&sim->link, key, value);
	else if (known)
		fail_usage("--%s: '%s' makes no sense: give, for example, --loss 2%%, "
		           "--burst 1%%:20, --delay 20ms, --rate 10M or --queue 100",
		           key, value);
	else
		settings_add(&sim->parameters, key, value);
}

static void take_place(struct sim_command *sim, const char *place)
{
	if (folder_exists(place))
		words_add(&sim->folders, place);
	else if (!file_exists(place))
		fail_usage("there is no %s: kiln sim takes folders of appliances, or the "
		           "file of a scenario",
		           place);
	else if (sim->file)
		fail_usage("kiln sim takes one scenario, not both %s and %s", sim->file,
		           place);
	else
		sim->file = place;
}

/* What is said in a scenario is not said a second time. */
static void check_scenario_options(const struct sim_command *sim)
{
	const struct settings *given[] = {&sim->link, &sim->parameters};

	if (sim->folders.count)
		fail_usage("kiln sim takes a scenario or folders, not both: host "
		           "statements in %s name folders",
		           sim->file);
	for (size_t i = 0; i < KILN_COUNT_OF(given); i++)
		if (given[i]->count)
			fail_usage("--%s is not for a scenario: it says so in %s itself",
			           given[i]->item[0].key, sim->file);
	for (size_t i = 0; i < KILN_COUNT_OF(texts); i++)
		if (texts[i].of_folders &&
		    *(const char *const *)((const char *)sim + texts[i].place))
			fail_usage("--%s is not for a scenario: it says so in %s itself",
			           texts[i].key, sim->file);
	if (sim->show)
		fail_usage("--show is for folders: %s is a scenario already", sim->file);
}

static void read_arguments(struct sim_command *sim, int argc, char **argv)
{
	struct settings settings = {0};

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			sim->json = true;
		else if (strcmp(argv[i], "--show") == 0)
			sim->show = true;
		else if (settings_take(&settings, argv, &i))
			take_setting(sim, &settings.item[settings.count - 1]);
		else if (argv[i][0] == '-')
			fail_usage("kiln sim does not know %s: kiln help sim lists its "
			           "options",
			           argv[i]);
		else
			take_place(sim, argv[i]);
	}
	if (sim->file)
		check_scenario_options(sim);
	else if (!sim->folders.count)
		fail_usage(
		    "what is to run? kiln sim DIR --clients 100, or kiln sim FILE");
}

/* ---- images ---- */

/* Once: a folder is locked from its build to the end of this process. */
static const char *build_folder(const char *folder)
{
	static struct settings built;
	struct build build = {.folder = folder,
	                      .target = target_find("sim"),
	                      .fix_nothing = true,
	                      .shared = true};

	for (size_t i = 0; i < built.count; i++)
		if (strcmp(built.item[i].key, folder) == 0)
			return built.item[i].value;
	settings_add(&built, folder, path_resolve(build_image(&build)));
	return built.item[built.count - 1].value;
}

/* Folders in a scenario are found from where its file is. */
static const char *from_file(const char *file, const char *folder)
{
	const char *slash = strrchr(file, '/');

	if (*folder == '/' || !slash)
		return folder;
	return text_format("%.*s/%s", (int)(slash - file), file, folder);
}

static void add_images(const struct sim_command *sim, const struct scenario *scenario,
                       struct words *command)
{
	for (unsigned i = 0; i < scenario->host_count; i++) {
		const struct scenario_host *host = &scenario->hosts[i];
		bool named = false;

		for (unsigned j = 0; j < i; j++)
			named |= strcmp(scenario->hosts[j].folder, host->folder) == 0;
		if (named)
			continue;
		if (sim->file && !folder_exists(from_file(sim->file, host->folder)))
			fail("%s:%u: there is no folder %s: a host's folder is found "
			     "from where the scenario is",
			     sim->file, host->line, from_file(sim->file, host->folder));
		words_add(command, "--image");
		words_add(command,
		          text_format(
		              "%s=%s", host->folder,
		              build_folder(sim->file ? from_file(sim->file, host->folder)
		                                     : host->folder)));
	}
}

/* ---- a scenario of folders ---- */

/* What is said of the port, else what the image has. NULL: it has none. */
static const char *port_of(const struct sim_command *sim, const struct image *image)
{
	const struct image_param *port = NULL;

	if (sim->to)
		return sim->to;
	for (unsigned i = 0; i < image->param_count && !port; i++)
		if (image->params[i].note.type == KILN_PARAM_TYPE_PORT)
			port = &image->params[i];
	for (size_t i = 0; port && i < sim->parameters.count; i++)
		if (strcmp(sim->parameters.item[i].key, port->name) == 0)
			return sim->parameters.item[i].value;
	return port ? port->value : NULL;
}

static bool speaks_http(const struct image *image)
{
	for (unsigned i = 0; i < image->library_count; i++)
		if (strcmp(image->libraries[i].name, "http") == 0)
			return true;
	return false;
}

static void read_notes(struct image *image, const char *path)
{
	char error[256];
	size_t size;
	const char *bytes = file_read(path, &size);

	if (!bytes || !image_parse_notes(image, bytes, size, error, sizeof(error)))
		fail("%s: %s", path_display(path), bytes ? error : strerror(errno));
}

static void add_folder(const struct sim_command *sim, struct text *text, unsigned number)
{
	const char *folder = sim->folders.item[number];
	struct image *image = allocate(sizeof(*image));
	const char *port;
	unsigned nets = 0;

	if (strpbrk(folder, " \t#"))
		fail("the path of '%s' has blanks in it, which a scenario cannot have",
		     folder);
	read_notes(image, build_folder(folder));
	for (unsigned i = 0; i < image->device_count; i++)
		nets += image->devices[i].note.type == KILN_DEVICE_NET;
	if (nets != 1)
		fail(
		    "%s has %u network devices, and kiln sim joins those with one: write "
		    "a scenario that says which is on which link (kiln help sim)",
		    folder, nets);
	text_add(text, "host host%u %s lan=10.0.0.%u/24 gateway 10.0.0.1", number + 1,
	         folder, number + 2);
	for (size_t i = 0; i < sim->parameters.count; i++)
		text_add(text, " --%s %s", sim->parameters.item[i].key,
		         sim->parameters.item[i].value);
	port = port_of(sim, image);
	if (!port)
		fail("%s has no parameter that is a port: say where clients connect to "
		     "with --to PORT",
		     folder);
	if (speaks_http(image))
		text_add(text, "\nclients %s wan get http://10.0.0.%u:%s%s",
		         sim->clients ? sim->clients : "10", number + 2, port,
		         sim->get ? sim->get : "/");
	else
		text_add(text, "\nclients %s wan echo 10.0.0.%u:%s",
		         sim->clients ? sim->clients : "10", number + 2, port);
	text_add(text, " every %s times %s\n", sim->every ? sim->every : "1s",
	         sim->requests ? sim->requests : "10");
}

static const char *write_scenario(const struct sim_command *sim)
{
	struct text text = {0};
	bool delayed = false;

	text_add(&text, "seed %s\nrun %s\nlink lan\nlink wan",
	         sim->seed ? sim->seed : "1", sim->time ? sim->time : "60s");
	for (size_t i = 0; i < sim->link.count; i++) {
		text_add(&text, " %s %s", sim->link.item[i].key, sim->link.item[i].value);
		delayed |= strcmp(sim->link.item[i].key, "delay") == 0;
	}
	if (!delayed)
		text_add(&text, " delay 10ms");
	if (sim->pcap)
		text_add(&text, " pcap %s", sim->pcap);
	text_add(&text, "\nrouter r lan=10.0.0.1/24 wan=10.1.0.1/16\n");
	for (unsigned i = 0; i < sim->folders.count; i++)
		add_folder(sim, &text, i);
	text_add(&text, "expect failures = 0\n");
	return text.data;
}

/* ---- running ---- */

static void read_scenario(struct scenario *scenario, const char *name, const char *text)
{
	/* It is changed while it is read. */
	if (!scenario_read(scenario, name, text_format("%s", text)))
		fail_usage("%s", scenario->error);
}

int command_sim(int argc, char **argv)
{
	struct sim_command sim = {0};
	struct scenario scenario;
	struct words command = {0};
	const char *text, *path;

	read_arguments(&sim, argc, argv);
	if (sim.file) {
		path = sim.file;
		text = file_read(path, NULL);
		if (!text)
			fail("cannot read %s: %s", path, strerror(errno));
	} else {
		text = write_scenario(&sim);
		path = text_format("%s-shared/kiln.sim",
		                   build_state_path(path_resolve(sim.folders.item[0]),
		                                    target_find("sim")));
	}
	if (sim.show) {
		fputs(text, stdout);
		return 0;
	}
	read_scenario(&scenario, sim.file ? sim.file : "kiln sim", text);
	if (!sim.file)
		file_write(path, text, strlen(text));
	words_add(&command, kiln_path("build/bin/kiln-sim"));
	words_add(&command, path);
	words_add(&command, "--name");
	words_add(&command, scenario.file);
	add_images(&sim, &scenario, &command);
	if (sim.seed) {
		words_add(&command, "--seed");
		words_add(&command, sim.seed);
	}
	if (sim.time) {
		words_add(&command, "--time");
		words_add(&command, sim.time);
	}
	if (sim.json)
		words_add(&command, "--json");
	progress_end();
	process_become(&command);
}
