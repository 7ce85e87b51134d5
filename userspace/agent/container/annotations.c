// SPDX-License-Identifier: MIT
/* The annotations of an OCI spec that the guest heeds (lifecycle.md 1.3 and section 4). */
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "container/spec.h"
#include "container/spec_tree.h"
#include "log.h"

#define TYPE "io.kubernetes.cri.container-type"
#define SANDBOX_ID "io.kubernetes.cri.sandbox-id"
#define VIRTUAL_POD "io.microsoft.cri.virtual-pod-id"
#define SKIP_NETWORKING "io.microsoft.cri.skip-pod-networking"
#define CORE_LIMIT "io.microsoft.lcow.rlimitcore"
#define SHM_SIZE "io.microsoft.lcow.shm.size-kb"
#define PRIVILEGED "io.microsoft.virtualmachine.lcow.privileged"
#define HOST_NETWORK "io.microsoft.virtualmachine.lcow.hostnetwork"
#define TEE_LOG "io.microsoft.container.lcow.tee-log-path"
#define TEE_LOG_DIR "io.microsoft.container.lcow.tee-log-dir-mount"
#define SECURITY_ENV "io.microsoft.virtualmachine.lcow.securitypolicy.env"
#define GPU_CAPABILITIES "io.microsoft.container.gpu.capabilities"
/* Hosts know both names and have written the second. */
#define AMD_CERTIFICATE "io.microsoft.virtualmachine.lcow.amd-certificate"
#define AMD_CERTIFICATE_OLD "io.microsoft.virtualmachine.wcow.amd-certificate"

static bool one_of(const char *s, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(s, *words))
			return true;
	return false;
}

/* Anything that is no boolean means the default, as "" does. */
static bool boolean(const char *id, struct json_object *annotations, const char *key, bool by_default, const char **wrong)
{
	static const char *const yes[] = { "1", "t", "T", "TRUE", "true", "True", NULL };
	static const char *const no[] = { "0", "f", "F", "FALSE", "false", "False", NULL };
	const char *s = string(annotations, key, wrong);

	if (one_of(s, yes))
		return true;
	if (one_of(s, no))
		return false;
	if (*s)
		log_warning("container %s: annotation %s: \"%.64s\" is not a boolean, taken as %s", id, key, s,
			    by_default ? "true" : "false");
	return by_default;
}

/* Decimal digits up to one of @end; the rest in *@s. */
static bool number(const char **s, const char *end, uint64_t *n)
{
	char *rest;

	if (**s < '0' || **s > '9')
		return false;
	errno = 0;
	*n = strtoull(*s, &rest, 10);
	*s = rest;
	return !errno && strchr(end, **s);
}

static int read_kind(const char *id, struct json_object *annotations, struct annotations *a, struct gcs_error *err)
{
	const char *wrong = NULL, *type = string(annotations, TYPE, &wrong), *virtual = string(annotations, VIRTUAL_POD, &wrong);
	const char *sandbox = string(annotations, SANDBOX_ID, &wrong);

	if (wrong)
		return gcs_fail(err, 0, HR_INVALID_JSON, "container %s: annotation %s: not a string", id, wrong);
	a->pod = "";
	a->virtual_pod = *virtual;
	if (!strcmp(type, "sandbox") || !strcmp(virtual, id))
		a->kind = KIND_SANDBOX;
	else if (!strcmp(type, "container"))
		a->kind = KIND_WORKLOAD;
	else if (!*type)
		return 0;
	else
		return gcs_fail(err, 0, HR_FAIL, "container %s: annotation %s: \"%.64s\" is not a kind of container", id, TYPE,
				type);
	a->pod = *virtual ? virtual : a->kind == KIND_WORKLOAD ? sandbox : id;
	/* A pod is known by its sandbox: their cgroups and files have this name. */
	if (a->kind == KIND_SANDBOX && strcmp(a->pod, id))
		return gcs_fail(err, 0, HR_INVALID_ARG, "container %s: annotation %s: \"%.160s\" is not the sandbox's own id", id,
				VIRTUAL_POD, a->pod);
	if (!id_is_valid(a->pod))
		return gcs_fail(err, 0, HR_INVALID_ARG, "container %s: annotation %s: \"%.160s\" is not an id", id,
				*virtual ? VIRTUAL_POD : SANDBOX_ID, a->pod);
	return 0;
}

static int read_core_limit(const char *id, struct json_object *annotations, struct annotations *a, struct gcs_error *err)
{
	const char *wrong = NULL, *text = string(annotations, CORE_LIMIT, &wrong), *s = text;

	if (!*text)
		return 0;
	a->has_core = number(&s, ";", &a->core_soft) && *s++ && number(&s, "", &a->core_hard);
	if (!a->has_core)
		return gcs_fail(err, 0, HR_FAIL, "container %s: annotation %s: \"%.64s\" is not <soft>;<hard>", id, CORE_LIMIT,
				text);
	return 0;
}

static int read_shm_size(const char *id, struct json_object *annotations, struct annotations *a, struct gcs_error *err)
{
	const char *wrong = NULL, *text = string(annotations, SHM_SIZE, &wrong), *s = text;
	struct json_object *o;

	if (!annotations || !json_object_object_get_ex(annotations, SHM_SIZE, &o))
		return 0;
	/* The kernel counts in bytes. */
	if (!number(&s, "", &a->shm_kb) || !a->shm_kb || a->shm_kb > UINT64_MAX / 1024)
		return gcs_fail(err, 0, HR_FAIL, "container %s: annotation %s: \"%.64s\" is not a number of KiB above 0", id,
				SHM_SIZE, text);
	return 0;
}

int annotations_read(const char *id, struct json_object *annotations, struct annotations *a, struct gcs_error *err)
{
	const char *wrong = NULL;

	*a = (struct annotations){ .kind = KIND_STANDALONE };
	if (annotations) {
		json_object_object_foreach(annotations, key, value) {
			if (!json_object_is_type(value, json_type_string))
				return gcs_fail(err, 0, HR_INVALID_JSON, "container %s: annotation %.128s: not a string", id, key);
		}
	}
	if (read_kind(id, annotations, a, err) < 0)
		return -1;
	a->tee_log = string(annotations, TEE_LOG, &wrong);
	a->tee_dir = string(annotations, TEE_LOG_DIR, &wrong);
	if (*a->tee_dir && *a->tee_dir != '/')
		return gcs_fail(err, 0, HR_INVALID_ARG, "container %s: annotation %s: \"%.160s\": not an absolute path", id,
				TEE_LOG_DIR, a->tee_dir);
	a->no_security_context = !boolean(id, annotations, SECURITY_ENV, true, &wrong);
	a->amd_certificate = string(annotations, AMD_CERTIFICATE, &wrong);
	if (!*a->amd_certificate)
		a->amd_certificate = string(annotations, AMD_CERTIFICATE_OLD, &wrong);
	if (a->kind != KIND_STANDALONE && read_core_limit(id, annotations, a, err) < 0)
		return -1;
	if (a->kind == KIND_WORKLOAD) {
		a->gpu_capabilities = string(annotations, GPU_CAPABILITIES, &wrong);
		a->privileged = boolean(id, annotations, PRIVILEGED, false, &wrong);
		return read_shm_size(id, annotations, a, err);
	}
	a->host_network = boolean(id, annotations, HOST_NETWORK, false, &wrong);
	a->skip_networking = !strcasecmp(string(annotations, SKIP_NETWORKING, &wrong), "true");
	return 0;
}
