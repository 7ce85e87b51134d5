// SPDX-License-Identifier: MIT
/* Pods with the real runtime: a sandbox and its workloads from create to delete, in either order. */
#include "cleanup.h"
#include "container_test.h"

FIXTURE(pod)
{
	struct gcs_error err;
};

FIXTURE_SETUP(pod)
{
	start_containers(_metadata, &self->err);
}

FIXTURE_TEARDOWN(pod)
{
	EXPECT_TRUE(leave_surroundings());
}

static const struct process_stdio output = { .use_stdout = true, .stdout_port = 2 }, none = { 0 };

static void annotate(struct json_object *spec, const char *key, const char *value)
{
	struct json_object *a = json_object_object_get(spec, "annotations");

	if (!a)
		json_object_object_add(spec, "annotations", a = json_object_new_object());
	json_object_object_add(a, key, json_object_new_string(value));
}

/* Layers and container; frees the spec. The scratch of a workload is below its sandbox's bundle. */
static int make(const char *id, const char *sandbox, struct json_object *spec, struct gcs_error *err)
{
	char bundle[64], scratch[128], root[96];
	char *layers[] = { "/run/layer", NULL };
	struct combined_layers l = { .root = root, .scratch = scratch, .layers = layers };
	struct container_config config = { .activity_id = "", .bundle = bundle, .scratch = scratch, .spec = spec };
	int ret;

	snprintf(bundle, sizeof(bundle), "/run/gcs/c/%s", id);
	snprintf(scratch, sizeof(scratch), "/run/gcs/c/%s/scratch/%s", sandbox, id);
	snprintf(root, sizeof(root), "%s/rootfs", bundle);
	ret = layers_combine(&l, err);
	if (ret == 0)
		ret = container_create(id, &config, err);
	if (ret < 0)
		layers_remove(root, NULL);
	json_object_put(spec);
	return ret;
}

static struct json_object *sandbox_spec(const char *id)
{
	struct json_object *spec = make_spec(id, "exec sleep 1000", true);

	annotate(spec, "io.kubernetes.cri.container-type", "sandbox");
	annotate(spec, "io.microsoft.cri.skip-pod-networking", "true");
	json_object_object_add(spec, "hostname", json_object_new_string("box"));
	json_object_object_add(json_object_object_get(spec, "linux"), "namespaces",
			       json_tokener_parse("[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"uts\"},{\"type\":\"ipc\"},"
						  "{\"type\":\"network\"}]"));
	return spec;
}

static struct json_object *workload_spec(const char *id, const char *sandbox, uint32_t init, const char *script)
{
	struct json_object *spec = make_spec(id, script, true);
	struct json_object *linux_ = json_object_object_get(spec, "linux"), *mounts = json_object_object_get(spec, "mounts");
	char text[320];

	annotate(spec, "io.kubernetes.cri.container-type", "container");
	annotate(spec, "io.kubernetes.cri.sandbox-id", sandbox);
	snprintf(text, sizeof(text), "[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"network\",\"path\":\"/proc/%1$u/ns/net\"},"
		 "{\"type\":\"ipc\",\"path\":\"/proc/%1$u/ns/ipc\"},{\"type\":\"uts\",\"path\":\"/proc/%1$u/ns/uts\"}]", init);
	json_object_object_add(linux_, "namespaces", json_tokener_parse(text));
	json_object_array_add(mounts, json_tokener_parse("{\"destination\":\"/data\",\"type\":\"bind\",\"source\":\"sandbox://d\","
							 "\"options\":[\"bind\"]}"));
	return spec;
}

static int end(const char *id, uint32_t pid, struct gcs_error *err)
{
	if (container_shutdown(id, false, err) < 0)
		return -1;
	if (wait_code(id, pid) != 137)
		return gcs_fail(err, 0, HR_FAIL, "%s: was not killed", id);
	return container_delete(id, err);
}

TEST_F(pod, the_pod_ends_with_its_last_container)
{
	for (int sandbox_first = 0; sandbox_first < 2; sandbox_first++) {
		uint32_t sandbox = 0, workload = 0, pid = 0;

		ASSERT_EQ(0, make("sb", "sb", sandbox_spec("sb"), &self->err)) TH_LOG("%s", self->err.text);
		ASSERT_EQ(0, container_start("sb", &none, &sandbox, &self->err)) TH_LOG("%s", self->err.text);
		ASSERT_EQ(0, make("w1", "sb", workload_spec("w1", "sb", sandbox, "hostname; cat /etc/hostname; echo x > /data/f"),
				  &self->err)) TH_LOG("%s", self->err.text);
		dialled[2] = 0;
		ASSERT_EQ(0, container_start("w1", &output, &pid, &self->err)) TH_LOG("%s", self->err.text);
		EXPECT_STREQ("box\nbox\n", host_read(2));
		EXPECT_EQ(0, wait_code("w1", pid));
		ASSERT_EQ(0, make("w2", "sb", workload_spec("w2", "sb", sandbox, "exec sleep 1000"), &self->err))
			TH_LOG("%s", self->err.text);
		ASSERT_EQ(0, container_start("w2", &none, &workload, &self->err)) TH_LOG("%s", self->err.text);
		ASSERT_EQ(0, container_delete("w1", &self->err)) TH_LOG("%s", self->err.text);
		EXPECT_EQ(0, access("/run/gcs/c/sb/sandboxMounts/d/f", F_OK));
		/* The scratch of the one that lives is in the sandbox's bundle. */
		if (sandbox_first) {
			ASSERT_EQ(0, end("sb", sandbox, &self->err)) TH_LOG("%s", self->err.text);
			EXPECT_EQ(0, access("/run/gcs/c/sb/scratch/w2/upper", F_OK));
			EXPECT_EQ(-1, make("w3", "sb", workload_spec("w3", "sb", sandbox, "true"), &self->err));
			EXPECT_EQ(HR_SYSTEM_NOT_FOUND, self->err.hr);
			EXPECT_EQ(0, fs_remove_tree("/run/gcs/c/w3", &self->err));
		}
		ASSERT_EQ(0, end("w2", workload, &self->err)) TH_LOG("%s", self->err.text);
		if (!sandbox_first) {
			ASSERT_EQ(0, end("sb", sandbox, &self->err)) TH_LOG("%s", self->err.text);
		}
		EXPECT_NE(0, access(CGROUP_ROOT "/pods/sb", F_OK));
		EXPECT_EQ(0, rmdir("/run/gcs/c"));
	}
}

TEST_HARNESS_MAIN
