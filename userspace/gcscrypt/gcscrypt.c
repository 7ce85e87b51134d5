// SPDX-License-Identifier: MIT
/*
 * gcscrypt open DEVICE NAME | close NAME
 *
 * Encrypts a disk whose content is to be unreadable when the UVM is gone: LUKS2 by libcryptsetup, dm-crypt on dm-integrity. The
 * agent runs it, and so has neither libcryptsetup nor libcrypto in its own memory.
 *
 * The key is made here, is in no keyslot, and is known to the kernel alone once this program has ended. What was on DEVICE is
 * lost, and a device NAME that nobody uses is replaced. Errors are one line on stderr.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libcryptsetup.h>
#include <libdevmapper.h>

/* Two keys of AES-256 for xts, one of HMAC-SHA-256. */
#define KEY_SIZE (64 + 32)
#define SECTOR_SIZE 4096

/* Of the header: what LUKS2 has at least. No key will ever be stored. */
#define METADATA_SIZE 16384
#define KEYSLOTS_SIZE 4096

/* What libcryptsetup has said last. */
static char message[512];

static void on_log(int level, const char *text, void *data)
{
	if (level == CRYPT_LOG_ERROR)
		snprintf(message, sizeof(message), "%s", text);
}

static int fail(int err, const char *object, const char *step)
{
	message[strcspn(message, "\n")] = '\0';
	fprintf(stderr, "%s: %s: %s%s%s\n", object, step, message, *message ? ": " : "", strerror(err));
	return -1;
}

static int format_and_activate(struct crypt_device *cd, const char *device, const char *name, const char *key)
{
	static const struct crypt_pbkdf_type pbkdf = { .type = CRYPT_KDF_PBKDF2, .hash = "sha256", .iterations = 1000,
						       .flags = CRYPT_PBKDF_NO_BENCHMARK };
	/* The journal is not used: as small as may be. */
	static const struct crypt_params_integrity integrity = { .journal_size = SECTOR_SIZE, .tag_size = 32,
								 .sector_size = SECTOR_SIZE };
	struct crypt_params_luks2 luks2 = { .pbkdf = &pbkdf, .integrity = "hmac(sha256)", .integrity_params = &integrity,
					    .sector_size = SECTOR_SIZE };
	int ret;

	ret = crypt_set_metadata_size(cd, METADATA_SIZE, KEYSLOTS_SIZE);
	if (ret < 0)
		return fail(-ret, device, "set the size of the header");
	ret = crypt_format(cd, CRYPT_LUKS2, "aes", "xts-plain64", NULL, key, KEY_SIZE, &luks2);
	if (ret < 0)
		return fail(-ret, device, "format it for encryption");
	ret = crypt_activate_by_volume_key(cd, name, key, KEY_SIZE, CRYPT_ACTIVATE_NO_JOURNAL);
	if (ret < 0)
		return fail(-ret, name, "make the encrypted device");
	return 0;
}

/*
 * An encrypted block has no valid tag until it is written, so it cannot be read. What makes a file system reads the first one, to
 * see what was there before, and to write less than a block into it.
 */
static int zero_first_block(const char *name)
{
	static const char zeros[SECTOR_SIZE] __attribute__((aligned(SECTOR_SIZE)));
	char path[256];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%s", crypt_get_dir(), name);
	fd = open(path, O_WRONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		return fail(errno, path, "open");
	if (pwrite(fd, zeros, sizeof(zeros), 0) != sizeof(zeros))
		err = errno;
	close(fd);
	return err ? fail(err, path, "write the first block") : 0;
}

static int remove_device(const char *name)
{
	struct dm_task *task = dm_task_create(DM_DEVICE_REMOVE);
	int err = 0;

	if (!task || !dm_task_set_name(task, name))
		err = ENOMEM;
	else if (!dm_task_run(task))
		err = dm_task_get_errno(task);
	if (task)
		dm_task_destroy(task);
	return err && err != ENXIO ? fail(err, name, "remove the encrypted device") : 0;
}

static void no_log(int level, const char *file, int line, int err, const char *format, ...)
{
}

/* Not by libcryptsetup, which wants to read the header first: the disk may be gone. */
static int close_device(const char *name)
{
	char below[256];

	snprintf(below, sizeof(below), "%s_dif", name);
	return remove_device(name) < 0 ? -1 : remove_device(below);
}

static int open_device(const char *device, const char *name)
{
	struct crypt_device *cd = NULL;
	char key[KEY_SIZE];
	int ret;

	/* What one before us has left, whose key nobody knows. */
	if (close_device(name) < 0)
		return -1;
	ret = crypt_init(&cd, device);
	if (ret < 0)
		return fail(-ret, device, "open it");
	/* Nobody else reads or writes this header: no lock files. */
	crypt_metadata_locking(cd, 0);
	/* Waits until the kernel has gathered randomness, which /dev/urandom does not. */
	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		ret = fail(errno, device, "make a key");
	else
		ret = format_and_activate(cd, device, name, key);
	explicit_bzero(key, sizeof(key));
	if (ret == 0)
		ret = zero_first_block(name);
	crypt_free(cd);
	if (ret < 0)
		close_device(name);
	return ret;
}

/*
 * Ciphers for this processor: the kernel, which has slow ones built in, does not look for better ones. It is no error that there
 * are none.
 */
static void load_ciphers(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl("/sbin/modprobe", "modprobe", "-q", "-a", "crypto-aes", "crypto-sha256", NULL);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

int main(int argc, char *argv[])
{
	bool opens = argc == 4 && !strcmp(argv[1], "open");
	int ret;

	if (opens)
		load_ciphers();
	/* There is no udev whose answer libdevmapper could wait for. */
	setenv("DM_DISABLE_UDEV", "1", 1);
	/* No page of this process goes to a swap device, or into a core dump. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0) {
		perror("gcscrypt: lock memory");
		return 1;
	}
	crypt_set_log_callback(NULL, on_log, NULL);
	dm_log_with_errno_init(no_log);
	if (opens) {
		ret = open_device(argv[2], argv[3]);
	} else if (argc == 3 && !strcmp(argv[1], "close")) {
		ret = close_device(argv[2]);
	} else {
		fprintf(stderr, "usage: gcscrypt open DEVICE NAME | close NAME\n");
		return 2;
	}
	return ret < 0 ? 1 : 0;
}
