// SPDX-License-Identifier: MIT
/* Containers: create, start, exec, list, delete (lifecycle.md sections 3, 7 and 10). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "container/limits.h"
#include "container/netfiles.h"
#include "container/pod.h"
#include "fs.h"
#include "log.h"
#include "network/network.h"
#include "storage/storage.h"

struct container_options container_options;

const struct cgroup_files *cgroup_files;

/* /gcs is the agent's, /pods the containers'. */
static int make_cgroups(struct gcs_error *err)
{
	int version = cgroup_init(err);

	if (version < 0 || cgroup_make("/gcs", err) < 0)
		return -1;
	cgroup_files = version == 1 ? &cgroup_files_v1 : &cgroup_files_v2;
	if (cgroup_join("/gcs") < 0)
		return gcs_fail(err, errno, HR_FAIL, "cgroup /gcs: join");
	return cgroup_make("/pods", err);
}

int container_init(const struct container_options *options, struct gcs_error *err)
{
	container_options = *options;
	if (make_cgroups(err) < 0 || reap_init(err) < 0 || runtime_init(err) < 0 ||
	    shared_init(err) < 0)
		return -1;
	memory_events_start();
	return stdio_init(options->use_kmod, err);
}

void container_host(bool there)
{
	stdio_host(there);
}

static int copy(char **to, const char *from, const struct container *c, struct gcs_error *err)
{
	*to = strdup(from ? from : "");
	return *to ? 0 : gcs_fail(err, ENOMEM, HR_FAIL, "container %s", c->id);
}

static int check_config(const char *id, const struct container_config *config, struct gcs_error *err)
{
	if (!id_is_valid(id))
		return gcs_fail(err, 0, HR_INVALID_ARG, "container id \"%.160s\": allowed are 1 to 128 characters 0-9 A-Z "
				"a-z . _ - without \"..\"", id);
	if (!config->bundle || !path_is_plain(config->bundle))
		return gcs_fail(err, 0, HR_INVALID_ARG, "container %s: OciBundlePath \"%s\": not an absolute path without "
				". and ..", id, config->bundle ? config->bundle : "");
	if (config->scratch && *config->scratch && !path_is_plain(config->scratch))
		return gcs_fail(err, 0, HR_INVALID_ARG, "container %s: ScratchDirPath \"%s\": not an absolute path without "
				". and ..", id, config->scratch);
	return 0;
}

static int config_path(const char *bundle, char **path, struct gcs_error *err)
{
	if (asprintf(path, "%s/config.json", bundle) >= 0)
		return 0;
	*path = NULL;
	return gcs_fail(err, ENOMEM, HR_FAIL, "%s", bundle);
}

int container_remove_files(const char *bundle, const char *scratch, struct gcs_error *err)
{
	_cleanup_free_ char *config = NULL;

	if (*scratch && fs_remove_tree(scratch, err) < 0)
		return -1;
	/* A disk mounted on the bundle is the host's: only what was put there goes. */
	if (config_path(bundle, &config, err) < 0)
		return -1;
	unlink(config);
	gpu_remove_log(bundle);
	return fs_is_mount(bundle) ? 0 : fs_remove_tree(bundle, err);
}

/* What only a standalone container has; the others have their pod's. */
static void remove_own_files(const struct container *c)
{
	_cleanup_free_ char *logs = NULL;

	if (c->made_netfiles)
		netfiles_remove(c->bundle);
	if (c->made_logs && asprintf(&logs, "%s/logs", c->bundle) >= 0)
		rmdir(logs);
}

/* Take back what create() has made; the layers and the scratch are the host's. */
static void undo_create(struct container *c)
{
	_cleanup_free_ char *config = NULL;
	struct gcs_error err;

	shared_unpin(c);
	if (c->pod)
		pod_undo_mounts(c->pod, &c->made);
	if (pod_leave(c, &err) < 0) {
		log_error("container %s: undo its creation: %s", c->id, err.text);
		/* There is no container that could be deleted once more: its id must not be taken for ever. */
		pod_abandon(c);
	}
	netns_release(c->netns);
	c->netns = NULL;
	security_context_remove(c);
	remove_own_files(c);
	if (c->made_config && config_path(c->bundle, &config, NULL) == 0)
		unlink(config);
	gpu_remove_log(c->bundle);
	layers_unhold_bundle(c->bundle);
	if (c->made_bundle)
		rmdir(c->bundle);
}

static int create(struct container *c, const struct container_config *config, struct gcs_error *err)
{
	static const bool all[3] = { true, true, true };
	_cleanup_free_ char *path = NULL;
	uint32_t pid;

	if (copy(&c->activity_id, config->activity_id, c, err) < 0 || copy(&c->bundle, config->bundle, c, err) < 0 ||
	    copy(&c->scratch, config->scratch, c, err) < 0)
		return -1;
	if (fs_mkdir_p(c->bundle, 0700, &c->made_bundle, err) < 0)
		return gcs_fail_prefix(err, "container %s", c->id);
	if (layers_hold_bundle(c->bundle, err) < 0) {
		gcs_fail_prefix(err, "container %s", c->id);
		goto err_files;
	}
	if (spec_prepare(c, config->spec, err) < 0)
		goto err_files;
	if (config_path(c->bundle, &path, err) < 0)
		goto err_files;
	c->made_config = true;
	if (spec_write(path, config->spec, err) < 0)
		goto err_files;
	if (process_launch(c, json_object_object_get(config->spec, "process"), true, all, NULL, &pid, err) == 0) {
		memory_events_made(c);
		shared_unpin(c);
		return 0;
	}

err_files:
	undo_create(c);
	return -1;
}

int container_create(const char *id, const struct container_config *config, struct gcs_error *err)
{
	_cleanup_container_ struct container *c = NULL;

	if (check_config(id, config, err) < 0)
		return -1;
	c = container_new(id, err);
	if (!c)
		return -1;
	/* Memory may have been added since. */
	container_limit_pods(NULL);
	if (create(c, config, err) < 0) {
		container_forget(c);
		return -1;
	}
	state_lock();
	c->state = c->init->done ? STATE_TERMINATED : STATE_CREATED;
	c->notified = false;
	if (c->kind == KIND_SANDBOX)
		c->pod->ready = true;
	state_unlock();
	/* From here on they are the pod's. */
	fs_made_forget(&c->made);
	/* In case that it was killed meanwhile. */
	container_notify(c, false);
	return 0;
}

/* With c->use held exclusively. */
static int start(struct container *c, const struct process_stdio *ports, struct gcs_error *err)
{
	_cleanup_close_ int log = -1;
	int sockets[3], ret = 0;
	bool ready;

	state_lock();
	ready = c->state == STATE_CREATED && !c->init->exited && !c->started;
	state_unlock();
	if (!ready)
		return gcs_fail(err, 0, HR_INVALID_STATE, "container %s: its init was started before, or has ended", c->id);
	if (c->tee_log) {
		log = tee_log_open(c, err);
		if (log < 0)
			return gcs_fail_prefix(err, "container %s: tee log file", c->id);
	}
	if (stdio_dial(ports, sockets, err) < 0)
		return gcs_fail_prefix(err, "container %s: start", c->id);
	/* An init that ended while the host was dialled is on its way to let go of its streams. */
	state_lock();
	ready = !c->init->exited;
	if (ready) {
		c->started = true;
		if (log >= 0)
			stdio_log(c->init->stdio, steal_fd(&log));
		stdio_redial(c->init->stdio, ports);
		ret = stdio_attach(c->init->stdio, sockets, err);
	}
	state_unlock();
	if (!ready) {
		stdio_close(sockets);
		return gcs_fail(err, 0, HR_INVALID_STATE, "container %s: its init has ended", c->id);
	}
	if (ret < 0 || runtime_start(c, err) < 0) {
		/* Its streams are connected: it cannot be started again. */
		state_lock();
		c->started = false;
		state_unlock();
		container_kill_init(c, NULL);
		container_notify(c, false);
		return -1;
	}
	state_lock();
	if (c->state == STATE_CREATED)
		c->state = STATE_RUNNING;
	state_unlock();
	return 0;
}

int container_start(const char *id, const struct process_stdio *stdio, uint32_t *pid, struct gcs_error *err)
{
	_cleanup_container_ struct container *c = container_get(id, err);
	int ret;

	if (!c)
		return -1;
	pthread_rwlock_wrlock(&c->use);
	ret = start(c, stdio, err);
	pthread_rwlock_unlock(&c->use);
	if (ret == 0)
		*pid = c->init->pid;
	return ret;
}

/* With c->use held shared. */
static int exec(struct container *c, struct json_object *process, const struct process_stdio *ports, uint32_t *pid,
		struct gcs_error *err)
{
	const bool want[3] = { ports->use_stdin, ports->use_stdout, ports->use_stderr };
	int sockets[3];
	bool ended;

	state_lock();
	ended = c->init->exited;
	state_unlock();
	if (ended)
		return gcs_fail(err, 0, HR_FAIL, "container %s: exec: its init has ended", c->id);
	if (spec_prepare_process(c, process, err) < 0)
		return -1;
	if (stdio_dial(ports, sockets, err) < 0)
		return gcs_fail_prefix(err, "container %s: exec", c->id);
	return process_launch(c, process, false, want, sockets, pid, err);
}

int container_exec(const char *id, struct json_object *process, const struct process_stdio *stdio, uint32_t *pid,
		   struct gcs_error *err)
{
	_cleanup_container_ struct container *c = container_get(id, err);
	int ret;

	if (!c)
		return -1;
	pthread_rwlock_rdlock(&c->use);
	ret = exec(c, process, stdio, pid, err);
	pthread_rwlock_unlock(&c->use);
	return ret;
}

int container_check(const char *id, struct gcs_error *err)
{
	_cleanup_container_ struct container *c = container_get(id, err);

	return c ? 0 : -1;
}

int container_pids(const char *id, uint32_t **pids, size_t *count, struct gcs_error *err)
{
	_cleanup_container_ struct container *c = container_get(id, err);

	*pids = NULL;
	*count = 0;
	return c ? cgroup_pids(c->cgroup, pids, count, err) : -1;
}

int container_stats(const char *id, struct cgroup_stats *stats, struct gcs_error *err)
{
	_cleanup_container_ struct container *c = container_get(id, err);

	return c ? cgroup_files->stats(c->cgroup, stats, err) : -1;
}

/* With c->use held exclusively. Every step may be repeated: a failed delete can be asked for again. */
static int delete(struct container *c, struct gcs_error *err)
{
	bool running;

	state_lock();
	running = c->started && !c->init->exited;
	state_unlock();
	if (running)
		return gcs_fail(err, 0, HR_INVALID_STATE, "container %s: delete: it is still running", c->id);
	if (container_kill_init(c, err) < 0)
		return -1;
	if (runtime_delete(c, false, err) < 0 && runtime_delete(c, true, err) < 0)
		return -1;
	if (cgroup_remove(c->cgroup, INIT_KILL_MS, err) < 0)
		return gcs_fail_prefix(err, "container %s: delete", c->id);
	security_context_remove(c);
	/* Normally the host has done this before; under it is the scratch. */
	if (fs_is_mount(c->rootfs) && layers_remove(c->rootfs, err) < 0)
		return gcs_fail_prefix(err, "container %s: delete", c->id);
	if (c->kind == KIND_SANDBOX)
		pod_close(c->pod);
	if (layers_release_bundle(c->bundle, err) < 0)
		return gcs_fail_prefix(err, "container %s: delete", c->id);
	remove_own_files(c);
	/* Below a sandbox's there may be those of its workloads: they go with the pod. */
	if (c->kind != KIND_SANDBOX && container_remove_files(c->bundle, c->scratch, err) < 0)
		return gcs_fail_prefix(err, "container %s: delete", c->id);
	if (pod_leave(c, err) < 0)
		return gcs_fail_prefix(err, "container %s: delete", c->id);
	netns_release(c->netns);
	c->netns = NULL;
	return 0;
}

int container_delete(const char *id, struct gcs_error *err)
{
	_cleanup_container_ struct container *c = container_get(id, err);
	int ret;

	if (!c)
		return -1;
	pthread_rwlock_wrlock(&c->use);
	/* Two deletes at once: what has the id by now may be another container. */
	if (c->deleted) {
		pthread_rwlock_unlock(&c->use);
		return gcs_fail(err, 0, HR_SYSTEM_NOT_FOUND, "container %s: there is none", id);
	}
	ret = delete(c, err);
	c->deleted = ret == 0;
	pthread_rwlock_unlock(&c->use);
	/* The host waits for the notification of a container that never ran, too. */
	container_notify(c, true);
	if (ret == 0)
		container_forget(c);
	return ret;
}
