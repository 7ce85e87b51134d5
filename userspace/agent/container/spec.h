/* SPDX-License-Identifier: MIT */
/* An OCI spec on its way from the host to config.json: the functions that check and rewrite it, by concern. */
#ifndef GCS_SPEC_H
#define GCS_SPEC_H

#include "container/internal.h"

/* --- annotations.c --------------------------------------------------------------------------- */

/* What the annotations say (lifecycle.md 1.3 and 4), as far as this kind of container heeds them. The strings are the tree's. */
struct annotations {
	enum container_kind kind;
	const char *pod; /* the pod's id; "" for a standalone container */
	bool virtual_pod;
	bool skip_networking;
	bool host_network;
	bool privileged;
	bool has_core;
	uint64_t core_soft, core_hard;
	uint64_t shm_kb; /* 0 = as the spec says */
	const char *tee_log; /* a file among them that gets a copy of the init's output, or "" */
	const char *tee_dir; /* where the pod's logs are mounted, or "" */
	bool no_security_context;
	const char *amd_certificate; /* the host's, or "" */
	const char *gpu_capabilities; /* with commas between them, or "" */
};

int annotations_read(const char *id, struct json_object *annotations, struct annotations *a, struct gcs_error *err);

/* The parts of a spec that were found to be there and of the right type. */
struct spec {
	struct json_object *tree, *process, *linux_, *mounts, *namespaces, *windows, *user, *resources;
	const char *hostname; /* "" if none */
	bool read_only;	      /* its root */
	struct annotations a;
};

/* --- spec_sandbox.c, spec_workload.c: what is done for one kind ------------------------------- */

int spec_sandbox(struct container *c, struct spec *s, struct gcs_error *err);
int spec_workload(struct container *c, struct spec *s, struct gcs_error *err);

/* --- spec.c: shared by the kinds -------------------------------------------------------------- */

/* The host name that is written to files: the spec's or the VM's. */
int spec_hostname(const struct container *c, const struct spec *s, char name[256], struct gcs_error *err);

/* process.user: a name becomes numbers. */
int spec_resolve_user(const struct container *c, struct json_object *user, struct gcs_error *err);

/* RLIMIT_CORE of the annotation. */
void spec_set_core_limit(struct spec *s);

/* The namespace that the host has named in windows.network, or "". */
const char *spec_network_namespace(const struct spec *s);

/* --- security.c ------------------------------------------------------------------------------ */

/* The directory in the container's root, and its variable in the init's environment, if there is something to put there. */
int security_context_make(struct container *c, struct spec *s, struct gcs_error *err);

/* --- mounts.c -------------------------------------------------------------------------------- */

/* A mount at the end of the list. */
void mounts_add_bind(struct json_object *mounts, const char *destination, const char *source, bool read_only);

/* /dev/shm with this size instead of the spec's. */
void mounts_set_shm(struct json_object *mounts, uint64_t kb);

/*
 * The prefixes of lifecycle.md 3.2. @rules: linux.resources.devices, to which block devices are added. What is made in the pod's
 * directories is added to c->made, and c->pins, also on failure.
 */
int mounts_expand(struct container *c, struct json_object *mounts, struct json_object *rules, struct gcs_error *err);

/* --- shared.c -------------------------------------------------------------------------------- */

/* @path in the pod's directory @dir, made if it is missing; *@source: what the runtime binds, until shared_unpin(). */
int shared_dir(struct container *c, const char *dir, const char *path, char **source, struct gcs_error *err);

/* The same in "hugepages", with huge pages of @size mounted on it. */
int shared_hugepages(struct container *c, const char *path, const char *size, char **source, struct gcs_error *err);

/* --- devices.c ------------------------------------------------------------------------------- */

/* Allow a device in linux.resources.devices. @type: 'b' or 'c'. */
void devices_allow(struct json_object *rules, char type, unsigned int major, unsigned int minor, const char *access);

/* Each of linux.devices is what the VM has under that path, and allowed. */
int devices_resolve(struct json_object *devices, struct json_object *rules, struct gcs_error *err);

/* Every device node below @dir, the VM's /dev, is added to linux.devices. */
int devices_add_all(struct json_object *devices, const char *dir, struct gcs_error *err);

/* The nodes of an assigned PCI device, which is waited for until @deadline (pci/pci.h). */
int devices_add_pci(struct json_object *devices, struct json_object *rules, const char *id, int64_t deadline, struct gcs_error *err);

/* --- gpu.c ----------------------------------------------------------------------------------- */

/*
 * The hook that gives the container the GPUs that windows.devices names, if any, which are waited for until @deadline, and the rule that
 * allows them.
 */
int gpu_add(const struct container *c, struct spec *s, int64_t deadline, struct gcs_error *err);

/* What the hook has written. */
void gpu_remove_log(const char *bundle);

/* --- resources.c ----------------------------------------------------------------------------- */

/* The limits of linux.resources (lifecycle.md 11.2) for a cgroup of the agent's own. NULL: none. */
int resources_apply(const char *cgroup, struct json_object *resources, struct gcs_error *err);

/*
 * The host's word for no quota of processor time is a negative number, which crun writes as an unsigned one in cgroup v1. Take it out of
 * what the runtime gets; was it there? A new container has none anyway.
 */
bool resources_take_no_quota(struct json_object *resources);

#endif
