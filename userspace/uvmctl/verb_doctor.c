// SPDX-License-Identifier: MIT
/* `uvmctl doctor`: what this machine has of what uvmctl needs, tried and not assumed, and how to get the rest. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <json-c/json.h>

#include "cleanup.h"
#include "ext4.h"
#include "image_cache.h"
#include "jsonset.h"
#include "kvm.h"
#include "listen.h"
#include "proc.h"
#include "table.h"
#include "verbs.h"

struct doctor {
	struct json_object *rows;
	bool missing; /* something that nothing works without */
};

enum state { OK, OPTIONAL, MISSING };

static void note(struct doctor *d, const char *what, enum state state, const char *found, const char *remedy)
{
	static const char *const names[] = { "ok", "without", "missing" };
	struct json_object *row = json_object_new_object();

	set_string(row, "check", what);
	set_string(row, "state", names[state]);
	set_string(row, "found", found);
	set_string(row, "remedy", state == OK ? "" : remedy);
	json_object_array_add(d->rows, row);
	d->missing |= state == MISSING;
}

/* The first line that a program says. */
static int first_line(char *const *argv, char *line, size_t size, struct gcs_error *err)
{
	_cleanup_close_ int said = memfd_create("said", MFD_CLOEXEC);
	struct proc p = PROC_INIT;
	ssize_t n;
	pid_t pid;
	int pidfd;

	p.argv = argv;
	p.fds[1] = p.fds[2] = said;
	pidfd = proc_start(&p, &pid, err);
	if (pidfd < 0)
		return -1;
	if (proc_wait(pidfd) != 0)
		return gcs_fail(err, 0, HR_FAIL, "%s does not work", argv[0]);
	n = pread(said, line, size - 1, 0);
	line[n > 0 ? n : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return 0;
}

static void check_program(struct doctor *d, const char *what, const char *program, const char *option, enum state without,
			  const char *remedy)
{
	char *argv[] = { (char *)program, (char *)option, NULL }, line[160];
	struct gcs_error err = { 0 };

	if (first_line(argv, line, sizeof(line), &err) == 0)
		note(d, what, OK, line, NULL);
	else
		note(d, what, without, err.text, remedy);
}

static void check_kvm(struct doctor *d)
{
	struct gcs_error err = { 0 };

	if (kvm_try(&err) == 0)
		note(d, "KVM", OK, "/dev/kvm, tried", NULL);
	else
		note(d, "KVM", OPTIONAL, err.text,
		     err.err == EACCES ? "add yourself to the group kvm: adduser $USER kvm" :
					 "switch virtualization on in the firmware, or for this VM; modprobe kvm-intel or kvm-amd. Without "
					 "it QEMU emulates: some ten times slower");
}

static void check_vsock(struct doctor *d, enum vsock_kind kind, const char *what, const char *found, enum state without,
			const char *remedy)
{
	struct gcs_error err = { 0 };
	struct ports *ports = ports_open(kind, &err);

	if (ports)
		note(d, what, OK, found, NULL);
	else
		note(d, what, without, err.text, remedy);
	ports_close(ports);
}

static void check_uvm(struct doctor *d, const char *dir)
{
	static const char *const names[] = { "vmlinux", "vmlinuz", "initrd.img" };
	bool there[3];
	char path[4096];

	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		there[i] = access(path, R_OK) == 0;
	}
	if ((there[0] || there[1]) && there[2]) {
		snprintf(path, sizeof(path), "%s: %s, %s", dir, there[0] ? names[0] : names[1], names[2]);
		note(d, "UVM", OK, path, NULL);
		return;
	}
	snprintf(path, sizeof(path), "%s: no %s", dir, there[2] ? "vmlinux or vmlinuz" : names[2]);
	note(d, "UVM", MISSING, path, "`make image` makes one; --uvm or $UVMCTL_UVM says where it is");
}

static void check_dirs(struct doctor *d)
{
	struct image_cache cache;
	struct gcs_error err = { 0 };
	int fd;

	if (image_cache_open(&cache, &err) == 0) {
		note(d, "cache", OK, cache.path, NULL);
		image_cache_close(&cache);
	} else {
		note(d, "cache", MISSING, err.text, "set $XDG_CACHE_HOME to a directory that you can write");
	}
	fd = unnamed_file(&err);
	if (fd >= 0) {
		note(d, "disks", OK, "$TMPDIR or /var/tmp takes files without a name", NULL);
		close(fd);
	} else {
		note(d, "disks", MISSING, err.text, "set $TMPDIR to a directory that you can write");
	}
}

int verb_doctor(struct options *o)
{
	static const struct table_column columns[] = { { "CHECK", "check" }, { "STATE", "state" }, { "FOUND", "found" },
						       { "WHAT TO DO", "remedy" } };
	struct doctor d = { .rows = json_object_new_array() };

	check_program(&d, "QEMU", "qemu-system-x86_64", "--version", MISSING, "apt-get install qemu-system-x86");
	check_kvm(&d);
	check_vsock(&d, VSOCK_VHOST, "vhost-vsock", "/dev/vhost-vsock, tried", OPTIONAL,
		    "modprobe vhost_vsock; without it uvmctl's own backend serves");
	check_vsock(&d, VSOCK_USER, "vsock backend", "the own one, tried", MISSING, "a kernel with memfd_create and unix sockets");
	check_uvm(&d, o->uvm_dir);
	check_dirs(&d);
	check_program(&d, "mke2fs", "mke2fs", "-V", OPTIONAL,
		      "apt-get install e2fsprogs; without it a directory cannot be the root file system");
	check_program(&d, "skopeo", "skopeo", "--version", OPTIONAL, "apt-get install skopeo; it fetches images from registries");
	check_program(&d, "gnuplot", "gnuplot", "--version", OPTIONAL, "apt-get install gnuplot-nox; stats --plot draws with it");
	check_program(&d, "umoci", "umoci", "--version", OPTIONAL, "apt-get install umoci; it makes and changes images");
	table_print(stdout, d.rows, columns, sizeof(columns) / sizeof(columns[0]), o->json);
	json_object_put(d.rows);
	return d.missing ? 1 : 0;
}
