// SPDX-License-Identifier: MIT
/* `uvmctl pod create` and `rm`: a sandbox container, which runs as long as the pod does, and what was made in it with --pod. */
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "client.h"
#include "jsonset.h"
#include "verbs.h"

static int ask(const struct options *o, const char *verb, const char *container, bool force, struct gcs_error *err)
{
	struct json_object *request = client_new(verb, container);

	set_bool(request, "force", force);
	return client_request(o->in, request, NULL, err);
}

static int create(const struct options *given, struct gcs_error *err)
{
	_cleanup_json_ struct json_object *answer = NULL;
	struct options o = *given;
	struct gcs_error failed;

	o.name = given->operands[0];
	o.operands++;
	o.operand_count--;
	/* It waits for an input that does not come: a shell is a sandbox's command as good as any. */
	o.interactive = true;
	if (container_create(&o, false, true, &answer, err) < 0)
		return -1;
	if (ask(&o, "start", o.name, false, err) == 0)
		return 0;
	ask(&o, "rm", o.name, true, &failed);
	return -1;
}

/* Its containers first, which only -f does. */
static int rm(const struct options *o, struct gcs_error *err)
{
	_cleanup_json_ struct json_object *answer = NULL;
	const char *pod = o->operands[0], *name;
	struct json_object *list;

	if (o->force) {
		if (client_request(o->in, client_new("ps", NULL), &answer, err) < 0)
			return -1;
		list = get_array(answer, "containers");
		for (size_t i = 0; i < json_object_array_length(list); i++) {
			struct json_object *c = json_object_array_get_idx(list, i);

			name = get_string(c, "name") ?: "";
			if (!strcmp(get_string(c, "pod") ?: "", pod) && strcmp(name, pod) && ask(o, "rm", name, true, err) < 0)
				return -1;
		}
	}
	/* The sandbox container runs as long as its pod: it is not what -f is asked for. */
	return ask(o, "rm", pod, true, err);
}

int verb_pod_create(struct options *o)
{
	struct gcs_error err = { 0 };

	if (create(o, &err) < 0)
		return verb_failed(&err, o->json);
	printf("%s\n", o->operands[0]);
	return 0;
}

int verb_pod_rm(struct options *o)
{
	struct gcs_error err = { 0 };

	return rm(o, &err) < 0 ? verb_failed(&err, o->json) : 0;
}
