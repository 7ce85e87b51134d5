// SPDX-License-Identifier: MIT
/* `uvmctl image`: load, inspect, ls, rm, prune. */
#include "image_verb.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <json-c/json.h>

#include "cleanup.h"
#include "image.h"
#include "image_cache.h"
#include "json.h"
#include "jsonset.h"
#include "options.h"
#include "progress.h"
#include "size.h"
#include "table.h"

#define DIGEST_SHORT 12

struct arguments {
	struct image_options image;
	bool json, all;
	char **operands;
	int operand_count;
};

static int load(const struct arguments *a, struct gcs_error *err)
{
	struct image image;

	if (image_open(a->operands[0], &a->image, &image, err) < 0)
		return -1;
	if (!image.oci) {
		image_close(&image);
		return gcs_fail(err, 0, HR_FAIL, "image %s: a root file system is not kept: nothing to load", a->operands[0]);
	}
	puts(image.oci->digest);
	image_close(&image);
	return 0;
}

/* --- inspect --- */

static void add(struct json_object *o, const char *key, const char *value)
{
	set_string(o, key, json_str(value));
}

static struct json_object *config_object(const struct image_config *c)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "Entrypoint", strings((const char *const *)c->entrypoint));
	json_object_object_add(o, "Cmd", strings((const char *const *)c->command));
	json_object_object_add(o, "Env", strings((const char *const *)c->env));
	add(o, "WorkingDir", c->cwd);
	add(o, "User", c->user);
	add(o, "StopSignal", c->stop_signal);
	return o;
}

static struct json_object *layers_array(const struct image_cache *cache, char *const *diff_ids)
{
	struct json_object *list = json_object_new_array();

	for (; diff_ids && *diff_ids; diff_ids++) {
		struct json_object *o = json_object_new_object();
		uint64_t size = image_cache_size(cache, *diff_ids);

		add(o, "diff_id", *diff_ids);
		json_object_object_add(o, "cached_bytes", size ? json_object_new_int64((int64_t)size) : NULL);
		json_object_array_add(list, o);
	}
	return list;
}

static int inspect(const struct arguments *a, struct gcs_error *err)
{
	struct json_object *o;
	struct image_cache cache;
	struct image image;

	if (image_cache_open(&cache, err) < 0)
		return -1;
	if (image_open(a->operands[0], &a->image, &image, err) < 0) {
		image_cache_close(&cache);
		return -1;
	}
	o = json_object_new_object();
	add(o, "name", a->operands[0]);
	add(o, "kind", image.oci ? "image" : "root file system");
	if (image.oci) {
		add(o, "digest", image.oci->digest);
		add(o, "platform", image.oci->platform);
		json_object_object_add(o, "config", config_object(&image.config));
		json_object_object_add(o, "layers", layers_array(&cache, image.oci->diff_ids));
	}
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
	image_close(&image);
	image_cache_close(&cache);
	return 0;
}

/* --- the cache --- */

static uint64_t size_of(const struct image_cache *cache, const struct cached_image *image)
{
	uint64_t size = 0;

	for (char **id = image->layers; id && *id; id++)
		size += image_cache_size(cache, *id);
	return size;
}

/* For people the digest is short and the size in MiB; with --json it has all that there is. */
static struct json_object *row(const struct image_cache *cache, const struct cached_image *image, bool json)
{
	struct json_object *o = json_object_new_object(), *layers = layers_array(cache, image->layers);
	char text[32] = "";
	struct tm tm;

	add(o, "digest", image->digest);
	add(o, "name", image->name);
	add(o, "platform", image->platform);
	if (json) {
		set_number(o, "used", image->used);
		set_number(o, "bytes", (int64_t)size_of(cache, image));
		json_object_object_add(o, "layers", layers);
		return o;
	}
	snprintf(text, sizeof(text), "%.*s", DIGEST_SHORT, image->digest + sizeof(DIGEST_PREFIX) - 1);
	add(o, "digest", text);
	snprintf(text, sizeof(text), "%.1f", (double)size_of(cache, image) / (1 << 20));
	add(o, "mib", text);
	if (localtime_r(&image->used, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm))
		add(o, "used", text);
	set_number(o, "layers", (int64_t)json_object_array_length(layers));
	json_object_put(layers);
	return o;
}

static int ls(const struct arguments *a, struct image_cache *cache, struct cached_images *images, struct gcs_error *err)
{
	static const struct table_column columns[] = { { "DIGEST", "digest" }, { "PLATFORM", "platform" }, { "LAYERS", "layers" },
						       { "MIB", "mib" }, { "LAST USED", "used" }, { "NAME", "name" } };
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < images->count; i++)
		json_object_array_add(list, row(cache, &images->list[i], a->json));
	table_print(stdout, list, columns, sizeof(columns) / sizeof(columns[0]), a->json);
	json_object_put(list);
	return 0;
}

static int prune_layers(const struct image_cache *cache, struct gcs_error *err)
{
	unsigned int removed;
	uint64_t bytes;

	if (image_cache_prune(cache, &removed, &bytes, err) < 0)
		return -1;
	printf("%u layers removed, %.1f MiB\n", removed, (double)bytes / (1 << 20));
	return 0;
}

/* Its name, or its digest or the begin of it. */
static bool is_meant(const struct cached_image *image, const char *text)
{
	const char *digits = strncmp(text, DIGEST_PREFIX, sizeof(DIGEST_PREFIX) - 1) ? text : text + sizeof(DIGEST_PREFIX) - 1;

	if (image->name && !strcmp(image->name, text))
		return true;
	return strlen(digits) >= 4 && !strncmp(image->digest + sizeof(DIGEST_PREFIX) - 1, digits, strlen(digits));
}

static int rm(const struct arguments *a, struct image_cache *cache, struct cached_images *images, struct gcs_error *err)
{
	for (int k = 0; k < a->operand_count; k++) {
		_cleanup_free_ char *path = realpath(a->operands[k], NULL);
		const char *name = path ? path : a->operands[k];
		unsigned int found = 0;

		/* A path may have been several images, the begin of a digest must be that of one. */
		for (size_t i = 0; i < images->count; i++)
			found += is_meant(&images->list[i], name);
		if (!path && found > 1)
			return gcs_fail(err, 0, HR_FAIL, "image %s: %u images in the cache begin so", name, found);
		for (size_t i = 0; i < images->count; i++)
			if (is_meant(&images->list[i], name) && image_cache_forget(cache, &images->list[i], err) < 0)
				return -1;
		if (!found)
			return gcs_fail(err, 0, HR_FAIL, "image %s: not in the cache; `uvmctl image ls` lists what is", a->operands[k]);
	}
	return prune_layers(cache, err);
}

static int prune(const struct arguments *a, struct image_cache *cache, struct cached_images *images, struct gcs_error *err)
{
	for (size_t i = 0; a->all && i < images->count; i++)
		if (image_cache_forget(cache, &images->list[i], err) < 0)
			return -1;
	return prune_layers(cache, err);
}

/* --- the command line --- */

static const struct action {
	const char *name, *usage;
	int min_operands, max_operands;
	int (*image)(const struct arguments *a, struct gcs_error *err); /* of an image, or */
	int (*cache)(const struct arguments *a, struct image_cache *cache, struct cached_images *images, struct gcs_error *err);
} actions[] = {
	{ "load", "IMAGE: make the disks of its layers now, and print its digest", 1, 1, load, NULL },
	{ "inspect", "IMAGE: what it says and what of it is in the cache, as JSON", 1, 1, inspect, NULL },
	{ "ls", "the images in the cache, the last used first", 0, 0, NULL, ls },
	{ "rm", "IMAGE...: remove from the cache; by path, or begin of the digest", 1, 1000, NULL, rm },
	{ "prune", "remove layers that no image in the cache has; with --all: everything", 0, 0, NULL, prune },
};

#define ACTION_COUNT (sizeof(actions) / sizeof(actions[0]))

static int usage(FILE *to, int code)
{
	fprintf(to, "usage: uvmctl image ACTION [OPTION]... [IMAGE]...\n");
	for (size_t i = 0; i < ACTION_COUNT; i++)
		fprintf(to, "  %-8s %s\n", actions[i].name, actions[i].usage);
	fprintf(to, "      --platform P   of IMAGE, as OS/ARCHITECTURE[/VARIANT] (linux/amd64)\n"
		    "      --max-size S   what a layer may have unpacked, with suffix K, M, G or T (64G)\n"
		    "  -q, --quiet        no progress bar\n"
		    "      --json         ls: as JSON\n"
		    "      --all          prune: everything\n");
	return code;
}

static int run_action(const struct action *action, const struct arguments *a, struct gcs_error *err)
{
	struct image_cache cache;
	struct cached_images images;
	int ret;

	if (action->image)
		return action->image(a, err);
	if (image_cache_open(&cache, err) < 0)
		return -1;
	ret = image_cache_list(&cache, &images, err);
	if (ret == 0) {
		ret = action->cache(a, &cache, &images, err);
		cached_images_free(&images);
	}
	image_cache_close(&cache);
	return ret;
}

static const struct action *find_action(const char *name)
{
	for (size_t i = 0; i < ACTION_COUNT; i++)
		if (!strcmp(actions[i].name, name))
			return &actions[i];
	return NULL;
}

int image_verb(int argc, char **argv)
{
	enum { OPT_PLATFORM = 256, OPT_MAX_SIZE, OPT_JSON, OPT_ALL, OPT_HELP };
	static const struct option options[] = {
		{ "platform", required_argument, NULL, OPT_PLATFORM },
		{ "max-size", required_argument, NULL, OPT_MAX_SIZE },
		{ "quiet", no_argument, NULL, 'q' },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "all", no_argument, NULL, OPT_ALL },
		{ "help", no_argument, NULL, OPT_HELP },
		{ 0 }
	};
	const struct action *action = argc > 1 ? find_action(argv[1]) : NULL;
	struct arguments a = { .json = false };
	struct gcs_error err = { 0 };
	const char *wrong;
	int opt;

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")))
		return usage(stdout, 0);
	if (!action) {
		fprintf(stderr, argc > 1 ? "uvmctl: image: unknown action '%s'\n" : "uvmctl: image: no action given%s\n",
			argc > 1 ? argv[1] : "");
		return usage(stderr, EXIT_OWN);
	}
	argc--;
	argv++;
	while ((opt = getopt_long(argc, argv, "q", options, NULL)) != -1) {
		switch (opt) {
		case OPT_PLATFORM:
			a.image.platform = optarg;
			break;
		case OPT_MAX_SIZE:
			wrong = size_parse(optarg, 1, &a.image.max_size);
			if (wrong) {
				fprintf(stderr, "uvmctl: image: --max-size %s: %s\n", optarg, wrong);
				return EXIT_OWN;
			}
			break;
		case 'q':
			progress_quiet();
			break;
		case OPT_JSON:
			a.json = true;
			break;
		case OPT_ALL:
			a.all = true;
			break;
		case OPT_HELP:
			return usage(stdout, 0);
		default:
			return usage(stderr, EXIT_OWN);
		}
	}
	a.operands = argv + optind;
	a.operand_count = argc - optind;
	a.image.documents = action->image == inspect;
	if (a.operand_count < action->min_operands || a.operand_count > action->max_operands) {
		fprintf(stderr, "uvmctl: image %s: %s\n", action->name, a.operand_count ? "too many operands" : "no IMAGE given");
		return usage(stderr, EXIT_OWN);
	}
	if (run_action(action, &a, &err) == 0)
		return 0;
	fprintf(stderr, "uvmctl: %s\n", err.text);
	return EXIT_OWN;
}
