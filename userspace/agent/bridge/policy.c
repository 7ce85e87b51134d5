// SPDX-License-Identifier: MIT
/* The security policy: which enforcement point a request passes, and the door that is open or closed there. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "container/container.h"
#include "frame.h"
#include "log.h"
#include "policy.h"

static _Atomic bool closed;
static bool confidential;

/* Held while a policy is set. Protects the one below. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_set;

void policy_init(bool deny, bool is_confidential)
{
	closed = deny;
	confidential = is_confidential;
}

/* --- enforcement points, by the names that policies have for them ------------------------------- */

static const char *disk_point(const char *settings, bool remove)
{
	struct mapped_disk_settings s = { 0 };
	struct gcs_error ignored;
	bool read_only;

	/* What cannot be read is for the handler to complain about, had it been allowed. */
	json_decode(mapped_disk_table, &s, settings, strlen(settings), &ignored);
	read_only = s.read_only;
	json_free(mapped_disk_table, &s);
	if (remove)
		return read_only ? "unmount_device" : "rw_unmount_device";
	return read_only ? "mount_device" : "rw_mount_device";
}

/* Layers with a scratch have two points; what is asked first, and so denies, is the scratch's at Add and the overlay's at Remove. */
static const char *layers_point(const char *settings, bool remove)
{
	struct combined_layers_settings s = { 0 };
	struct gcs_error ignored;
	bool scratch;

	json_decode(combined_layers_table, &s, settings, strlen(settings), &ignored);
	scratch = *json_str(s.scratch);
	json_free(combined_layers_table, &s);
	if (remove)
		return "unmount_overlay";
	return scratch ? "scratch_mount" : "mount_overlay";
}

/* NULL: nobody is asked. */
static const char *modify_point(const struct modify_request *r)
{
	static const char *const never[] = { "SecurityPolicy", "ContainerConstraints", "PodCgroupMemoryLimit", "Network",
					     "SCSIDevice", "VPCIDevice" };
	const char *resource = json_str(r->resource), *settings = json_str(r->settings);
	bool remove = !strcmp(json_str(r->request), "Remove");

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (!strcmp(resource, never[i]))
			return NULL;
	if (!strcmp(resource, "MappedVirtualDisk"))
		return disk_point(settings, remove);
	if (!strcmp(resource, "CombinedLayers"))
		return layers_point(settings, remove);
	if (!strcmp(resource, "VPMemDevice"))
		return remove ? "unmount_device" : "mount_device";
	if (!strcmp(resource, "MappedDirectory"))
		return remove ? "plan9_unmount" : "plan9_mount";
	if (!strcmp(resource, "SecurityPolicyFragment"))
		return "load_fragment";
	/* A resource that is new and was forgotten here must not be a way around a closed door. */
	return "modify_settings";
}

static const char *execute_point(const struct execute_message *m)
{
	if (m->settings.parameters.in_uvm || !strcmp(json_str(m->base.container_id), NULL_GUID))
		return "exec_external";
	/* The start of an init was decided upon when it was created. */
	return m->settings.parameters.oci_process ? "exec_in_container" : NULL;
}

static const char *point_of(uint32_t type, const void *message)
{
	const struct message_base *base = message;

	switch (type) {
	case MSG_CREATE:
		return "create_container";
	case MSG_EXECUTE_PROCESS:
		return execute_point(message);
	case MSG_SIGNAL_PROCESS:
		return "signal_container_process";
	case MSG_GET_PROPERTIES:
		return "get_properties";
	case MSG_DUMP_STACKS:
		return "dump_stacks";
	case MSG_MODIFY_SETTINGS:
		return modify_point(&((const struct modify_message *)message)->request);
	case MSG_SHUTDOWN_GRACEFUL:
	case MSG_SHUTDOWN_FORCED:
		/* Who has the VM may end it. */
		return strcmp(json_str(base->container_id), NULL_GUID) ? "shutdown_container" : NULL;
	default:
		return NULL;
	}
}

int policy_ask(uint32_t type, const void *message, struct gcs_error *err)
{
	const char *point = closed ? point_of(type, message) : NULL;

	if (!point)
		return 0;
	return gcs_fail(err, 0, HR_FAIL, "%s: denied by policy: %s", frame_type_name(type), point);
}

/* --- the policy --------------------------------------------------------------------------------- */

/* Standard base64 with its padding; line ends count nothing. */
static bool is_base64(const char *s)
{
	size_t digits = 0, padding = 0;

	for (; *s; s++) {
		if (*s == '\r' || *s == '\n')
			continue;
		if (*s == '=')
			padding++;
		else if (padding || !strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", *s))
			return false;
		else
			digits++;
	}
	return padding <= 2 && (digits + padding) % 4 == 0;
}

static int choose(const char *enforcer, const char *text, struct gcs_error *err)
{
	if (!is_base64(text))
		return gcs_fail(err, 0, HR_FAIL, "SecurityPolicy: EncodedSecurityPolicy: not base64");
	if (*enforcer && strcmp(enforcer, "open_door"))
		return gcs_fail(err, 0, HR_FAIL, "SecurityPolicy: the enforcer \"%.64s\" is not in this guest: it has open_door, and "
				"without a policy what -initial-policy-stance says", enforcer);
	if (*text)
		return gcs_fail(err, 0, HR_FAIL, "SecurityPolicy: a policy needs the enforcer %s", *enforcer ?
				"rego, but open_door is asked for" : "rego, which is not in this guest: it has open_door, without a policy");
	/* The digest of the policy must be the host data of the attestation report, which is not read here. */
	if (confidential)
		return gcs_fail(err, 0, HR_FAIL, "SecurityPolicy: this guest cannot check that the policy of a confidential VM is the "
				"one that was measured");
	return 0;
}

static int set(const struct security_policy_settings *s, struct gcs_error *err)
{
	if (is_set)
		return gcs_fail(err, 0, HR_FAIL, "SecurityPolicy: it has been set before");
	if (choose(json_str(s->enforcer), json_str(s->policy), err) < 0 ||
	    container_set_references(json_str(s->reference), json_str(s->hash_envelope), err) < 0)
		return -1;
	is_set = true;
	closed = false;
	log_discard(false);
	return 0;
}

int policy_set(const struct security_policy_settings *s, struct gcs_error *err)
{
	int ret;

	pthread_mutex_lock(&lock);
	ret = set(s, err);
	pthread_mutex_unlock(&lock);
	if (ret == 0)
		log_info("the security policy is the open door");
	return ret;
}

int policy_add_fragment(const struct policy_fragment_settings *s, struct gcs_error *err)
{
	static const char *const to_rego[] = { "", "application/cose-x509+rego", "application/vnd.transparency-trust-list.v1+cose" };
	static const char *const to_containers[] = { "application/vnd.tcb-reference-info.v1+cose",
						     "application/vnd.platform-reference-info.v1+cose" };
	const char *type = json_str(s->media_type);

	for (size_t i = 0; i < sizeof(to_rego) / sizeof(to_rego[0]); i++)
		if (!strcmp(type, to_rego[i]))
			return gcs_fail(err, 0, HR_FAIL, "SecurityPolicyFragment: it adds to a policy of the enforcer rego, which is "
					"not in this guest");
	for (size_t i = 0; i < sizeof(to_containers) / sizeof(to_containers[0]); i++)
		if (!strcmp(type, to_containers[i]))
			return gcs_fail(err, 0, HR_FAIL, "SecurityPolicyFragment: MediaType %s: this guest cannot check its signature",
					type);
	return gcs_fail(err, 0, HR_FAIL, "SecurityPolicyFragment: unknown MediaType \"%.64s\"", type);
}
