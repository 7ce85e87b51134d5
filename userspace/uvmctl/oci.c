// SPDX-License-Identifier: MIT
/* The documents of an image. */
#include "oci.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "image_config.h"
#include "json.h"

#define NESTED_MAX 4 /* of an index in an index */
#define MANIFESTS_MAX 1024
#define REFERENCE_OCI "org.opencontainers.image.ref.name"
#define REFERENCE_CONTAINERD "io.containerd.image.name"

struct platform {
	char *os, *architecture, *variant;
};

struct descriptor {
	char *digest;
	struct platform platform;
	struct json_map annotations;
};

/* An index has manifests, a manifest has a configuration and layers. */
struct document {
	struct json_objects manifests, layers;
	struct descriptor config;
};

struct rootfs {
	char **diff_ids;
};

struct config_document {
	struct platform platform;
	struct image_config config;
	struct rootfs rootfs;
};

struct docker_image {
	char *config;
	char **tags, **layers;
};

struct docker_document {
	struct json_objects images;
};

static const struct json_field platform_table[] = {
	JSON_STRING(struct platform, os, "os", .max = 32),
	JSON_STRING(struct platform, architecture, "architecture", .max = 32),
	JSON_STRING(struct platform, variant, "variant", .max = 32),
	JSON_END
};

static const struct json_field descriptor_table[] = {
	JSON_STRING(struct descriptor, digest, "digest"),
	JSON_OBJECT(struct descriptor, platform, "platform", platform_table),
	JSON_MAP(struct descriptor, annotations, "annotations"),
	JSON_END
};

static const struct json_field document_table[] = {
	JSON_OBJECTS(struct document, manifests, "manifests", descriptor_table, struct descriptor, .max = MANIFESTS_MAX),
	JSON_OBJECT(struct document, config, "config", descriptor_table),
	JSON_OBJECTS(struct document, layers, "layers", descriptor_table, struct descriptor, .max = MANIFESTS_MAX),
	JSON_END
};

static const struct json_field rootfs_table[] = {
	JSON_STRINGS(struct rootfs, diff_ids, "diff_ids", .max = MANIFESTS_MAX),
	JSON_END
};

static const struct json_field config_document_table[] = {
	JSON_BASE(struct config_document, platform, platform_table),
	JSON_OBJECT(struct config_document, config, "config", image_config_table),
	JSON_OBJECT(struct config_document, rootfs, "rootfs", rootfs_table),
	JSON_END
};

static const struct json_field docker_image_table[] = {
	JSON_STRING(struct docker_image, config, "Config"),
	JSON_STRINGS(struct docker_image, tags, "RepoTags"),
	JSON_STRINGS(struct docker_image, layers, "Layers", .max = MANIFESTS_MAX),
	JSON_END
};

static const struct json_field docker_document_table[] = {
	JSON_OBJECTS(struct docker_document, images, "images", docker_image_table, struct docker_image, .max = MANIFESTS_MAX),
	JSON_END
};

static int decode(const struct json_field *table, void *out, const struct store *store, const char *name, const char *digest,
		  struct gcs_error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t length = 0;

	text = blob_text(store, name, digest, &length, err);
	if (!text)
		return -1;
	if (json_decode(table, out, text, length, err) == 0)
		return 0;
	json_free(table, out);
	return gcs_fail_prefix(err, "%s", name);
}

/* @what of the image has to have a digest that we know how to check. */
static int blob_name(const char *digest, const char *what, char **name, struct gcs_error *err)
{
	if (!digest_valid(digest))
		return gcs_fail(err, 0, HR_FAIL, "%s: the digest \"%.100s\" is no sha256:...", what, json_str(digest));
	if (asprintf(name, "blobs/sha256/%s", digest + sizeof(DIGEST_PREFIX) - 1) < 0) {
		*name = NULL;
		return gcs_fail(err, ENOMEM, HR_FAIL, "%s", what);
	}
	return 0;
}

static int decode_blob(const struct json_field *table, void *out, const struct store *store, const char *digest,
		       const char *what, struct gcs_error *err)
{
	_cleanup_free_ char *name = NULL;

	if (blob_name(digest, what, &name, err) < 0)
		return -1;
	return decode(table, out, store, name, digest, err) < 0 ? gcs_fail_prefix(err, "%s", what) : 0;
}

static void platform_name(const struct platform *p, char name[64])
{
	snprintf(name, 64, "%.20s/%.20s%s%.20s", json_str(p->os), json_str(p->architecture), p->variant ? "/" : "",
		 json_str(p->variant));
}

/* @wanted may leave out the variant, and so may the image. */
static bool platform_fits(const struct platform *p, const char *wanted)
{
	char is[64];
	size_t base = strlen(json_str(p->os)) + 1 + strlen(json_str(p->architecture));

	platform_name(p, is);
	if (!strcmp(is, wanted))
		return true;
	return !strncmp(is, wanted, base) && (wanted[base] == '\0' || (wanted[base] == '/' && !p->variant));
}

/* --- which manifest --- */

struct search {
	const struct store *store;
	const char *reference, *platform;
	char digest[DIGEST_LENGTH + 1]; /* what was found */
	unsigned int found, looked_at;
	char others[256]; /* what was there instead */
};

static void note_other(struct search *s, const char *text)
{
	size_t n = strlen(s->others);

	if (*text && !strstr(s->others, text))
		snprintf(s->others + n, sizeof(s->others) - n, "%s%.100s", n ? ", " : "", text);
}

static const char *annotation(const struct descriptor *d, const char *key)
{
	for (size_t i = 0; i < d->annotations.count; i++)
		if (!strcmp(d->annotations.items[i].key, key))
			return d->annotations.items[i].value;
	return "";
}

/* The registry's name, and library/, may be left out. */
static bool is_reference(const char *name, const char *reference)
{
	size_t is = strlen(name), wanted = strlen(reference);

	return is >= wanted && !strcmp(name + is - wanted, reference) && (is == wanted || name[is - wanted - 1] == '/');
}

static bool has_reference(const struct descriptor *d, const char *reference)
{
	return !strcmp(annotation(d, REFERENCE_OCI), reference) || is_reference(annotation(d, REFERENCE_CONTAINERD), reference);
}

static int search_index(struct search *s, const struct json_objects *manifests, unsigned int depth, struct gcs_error *err);

static int search_manifest(struct search *s, const struct descriptor *d, unsigned int depth, struct gcs_error *err)
{
	struct config_document config = { .config = { .cwd = NULL } };
	const struct platform *platform = &d->platform;
	struct document doc = { .manifests = { .count = 0 } };
	char name[64];
	int ret;

	/* Not an image, but what somebody says about one. */
	if (*annotation(d, "vnd.docker.reference.type"))
		return 0;
	if (platform->os && !platform_fits(platform, s->platform)) {
		platform_name(platform, name);
		note_other(s, name);
		return 0;
	}
	/* An index may name the same one many times, and so may that. */
	if (++s->looked_at > MANIFESTS_MAX)
		return gcs_fail(err, 0, HR_FAIL, "more than %d manifests", MANIFESTS_MAX);
	ret = decode_blob(document_table, &doc, s->store, d->digest, "manifest", err);
	if (ret == 0 && doc.manifests.count) {
		ret = search_index(s, &doc.manifests, depth + 1, err);
		goto out;
	}
	if (ret == 0 && !platform->os) {
		ret = decode_blob(config_document_table, &config, s->store, doc.config.digest, "configuration", err);
		platform = &config.platform;
	}
	if (ret < 0)
		goto out;
	platform_name(platform, name);
	if (!platform_fits(platform, s->platform)) {
		note_other(s, name);
	} else if (!s->found || strcmp(s->digest, d->digest)) {
		s->found++;
		strcpy(s->digest, d->digest);
	}
out:
	json_free(config_document_table, &config);
	json_free(document_table, &doc);
	return ret;
}

static int search_index(struct search *s, const struct json_objects *manifests, unsigned int depth, struct gcs_error *err)
{
	const struct descriptor *list = manifests->items;

	if (depth > NESTED_MAX)
		return gcs_fail(err, 0, HR_FAIL, "an index in an index, more than %d times", NESTED_MAX);
	for (size_t i = 0; i < manifests->count; i++) {
		if (!depth && s->reference && !has_reference(&list[i], s->reference)) {
			note_other(s, annotation(&list[i], REFERENCE_OCI));
			continue;
		}
		if (search_manifest(s, &list[i], depth, err) < 0)
			return -1;
	}
	return 0;
}

static int find_manifest(struct search *s, struct gcs_error *err)
{
	struct document index = { .manifests = { .count = 0 } };
	const struct descriptor *list;
	int ret = decode(document_table, &index, s->store, "index.json", NULL, err);

	if (ret == 0)
		ret = search_index(s, &index.manifests, 0, err);
	if (ret == 0 && s->found > 1) {
		list = index.manifests.items;
		*s->others = '\0';
		for (size_t i = 0; i < index.manifests.count; i++)
			note_other(s, annotation(&list[i], REFERENCE_OCI));
		ret = gcs_fail(err, 0, HR_FAIL, "%u images for %s in it: say which one as oci:PATH:TAG; there are %s", s->found,
			       s->platform, *s->others ? s->others : "no tags");
	} else if (ret == 0 && !s->found) {
		ret = gcs_fail(err, 0, HR_FAIL, "no image%s%s for %s in it%s%s (--platform)", s->reference ? " " : "",
			       s->reference ? s->reference : "", s->platform, *s->others ? ", but " : "", s->others);
	}
	json_free(document_table, &index);
	return ret;
}

/* --- the image --- */

static int take_config(struct oci_image *image, struct config_document *c, size_t layers, const char *platform,
		       struct gcs_error *err)
{
	size_t n = 0;

	platform_name(&c->platform, image->platform);
	if (!platform_fits(&c->platform, platform))
		return gcs_fail(err, 0, HR_FAIL, "it is for %s, not for %s (--platform)", image->platform, platform);
	while (c->rootfs.diff_ids && c->rootfs.diff_ids[n]) {
		if (!digest_valid(c->rootfs.diff_ids[n]))
			return gcs_fail(err, 0, HR_FAIL, "configuration: layer %zu: the digest \"%.100s\" is no sha256:...", n + 1,
					c->rootfs.diff_ids[n]);
		n++;
	}
	if (n != layers || !n)
		return gcs_fail(err, 0, HR_FAIL, "%zu layers, but its configuration has %zu", layers, n);
	image->config = c->config;
	c->config = (struct image_config){ .cwd = NULL };
	image->diff_ids = steal_ptr(&c->rootfs.diff_ids);
	image->layers = calloc(n, sizeof(*image->layers));
	if (!image->layers)
		return gcs_fail(err, ENOMEM, HR_FAIL, "layers");
	image->layer_count = n;
	for (size_t i = 0; i < n; i++)
		image->layers[i].diff_id = image->diff_ids[i];
	return 0;
}

static int find_oci(struct oci_image *image, const struct store *store, const char *reference, const char *platform,
		    struct gcs_error *err)
{
	struct search s = { .store = store, .reference = reference, .platform = platform };
	struct config_document config = { .config = { .cwd = NULL } };
	struct document *doc;
	struct descriptor *layers;
	int ret;

	if (find_manifest(&s, err) < 0)
		return -1;
	doc = image->document = calloc(1, sizeof(*doc));
	if (!doc)
		return gcs_fail(err, ENOMEM, HR_FAIL, "manifest");
	strcpy(image->digest, s.digest);
	if (decode_blob(document_table, doc, store, s.digest, "manifest", err) < 0 ||
	    decode_blob(config_document_table, &config, store, doc->config.digest, "configuration", err) < 0)
		return -1;
	ret = take_config(image, &config, doc->layers.count, platform, err);
	json_free(config_document_table, &config);
	layers = doc->layers.items;
	for (size_t i = 0; i < image->layer_count && ret == 0; i++) {
		image->layers[i].digest = layers[i].digest;
		ret = blob_name(layers[i].digest, "layer", &image->layers[i].blob, err);
	}
	return ret;
}

static bool docker_has_tag(const struct docker_image *d, const char *reference)
{
	for (char **tag = d->tags; tag && *tag; tag++)
		if (is_reference(*tag, reference))
			return true;
	return false;
}

static int docker_choose(const struct docker_document *doc, const char *reference, struct docker_image **chosen,
			 struct gcs_error *err)
{
	struct docker_image *list = doc->images.items;
	struct search s = { .found = 0 };

	for (size_t i = 0; i < doc->images.count; i++) {
		if (list[i].tags)
			note_other(&s, list[i].tags[0]);
		if (reference && !docker_has_tag(&list[i], reference))
			continue;
		s.found++;
		*chosen = &list[i];
	}
	if (s.found == 1)
		return 0;
	if (s.found)
		return gcs_fail(err, 0, HR_FAIL, "%u images in it: say which one as docker-archive:FILE:TAG; there are %s", s.found,
				s.others);
	return gcs_fail(err, 0, HR_FAIL, "no image%s%s in it%s%s", reference ? " " : "", reference ? reference : "",
			*s.others ? ", but " : "", s.others);
}

/* The names of old archives: the configuration's is its digest. */
static int find_docker(struct oci_image *image, const struct store *store, const char *reference, const char *platform,
		       struct gcs_error *err)
{
	_cleanup_free_ char *text = NULL, *wrapped = NULL, *digest = NULL;
	struct docker_document doc = { .images = { .count = 0 } };
	struct config_document config = { .config = { .cwd = NULL } };
	struct docker_image *d = NULL;
	const char *hex;
	size_t length = 0, layers = 0;
	int ret = -1;

	text = blob_text(store, "manifest.json", NULL, &length, err);
	if (!text)
		return -1;
	if (asprintf(&wrapped, "{\"images\":%s}", text) < 0) {
		wrapped = NULL;
		return gcs_fail(err, ENOMEM, HR_FAIL, "manifest.json");
	}
	if (json_decode(docker_document_table, &doc, wrapped, strlen(wrapped), err) < 0) {
		gcs_fail_prefix(err, "manifest.json");
		goto out;
	}
	if (docker_choose(&doc, reference, &d, err) < 0)
		goto out;
	hex = json_str(d->config);
	if (!strncmp(hex, DIGEST_PREFIX, sizeof(DIGEST_PREFIX) - 1))
		hex += sizeof(DIGEST_PREFIX) - 1;
	if (asprintf(&digest, DIGEST_PREFIX "%.*s", (int)strcspn(hex, "."), hex) < 0) {
		digest = NULL;
		gcs_fail(err, ENOMEM, HR_FAIL, "manifest.json");
		goto out;
	}
	if (!digest_valid(digest)) {
		gcs_fail(err, 0, HR_FAIL, "manifest.json: the configuration's name \"%.100s\" is not its digest", json_str(d->config));
		goto out;
	}
	strcpy(image->digest, digest);
	while (d->layers && d->layers[layers])
		layers++;
	if (decode(config_document_table, &config, store, d->config, digest, err) < 0 ||
	    take_config(image, &config, layers, platform, err) < 0)
		goto out;
	for (size_t i = 0; i < layers; i++)
		image->layers[i].blob = steal_ptr(&d->layers[i]);
	/* Their order is known; the list of what is left must not end early. */
	free(steal_ptr(&d->layers));
	ret = 0;
out:
	json_free(config_document_table, &config);
	json_free(docker_document_table, &doc);
	return ret;
}

static bool has(const struct store *store, const char *name)
{
	_cleanup_free_ struct blob *b = malloc(sizeof(*b));

	if (store->index.root)
		return layer_tree_file(&store->index, name);
	if (!b || blob_open(b, store, name, NULL) < 0)
		return false;
	blob_close(b);
	return true;
}

bool oci_is_image(const struct store *store)
{
	return has(store, "oci-layout") || (store->index.root && has(store, "manifest.json"));
}

int oci_find(struct oci_image *image, const struct store *store, const char *reference, const char *platform,
	     struct gcs_error *err)
{
	int ret;

	*image = (struct oci_image){ .layer_count = 0 };
	if (has(store, "index.json"))
		ret = find_oci(image, store, reference, platform, err);
	else if (store->index.root)
		ret = find_docker(image, store, reference, platform, err);
	else
		ret = gcs_fail(err, 0, HR_FAIL, "no OCI layout: it has no index.json");
	if (ret < 0)
		oci_free(image);
	return ret;
}

void oci_free(struct oci_image *image)
{
	for (size_t i = 0; i < image->layer_count; i++)
		free(image->layers[i].blob);
	free(image->layers);
	for (size_t i = 0; image->diff_ids && image->diff_ids[i]; i++)
		free(image->diff_ids[i]);
	free(image->diff_ids);
	image_config_free(&image->config);
	if (image->document)
		json_free(document_table, image->document);
	free(image->document);
	*image = (struct oci_image){ .layer_count = 0 };
}
