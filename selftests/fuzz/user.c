// SPDX-License-Identifier: MIT
/* Users by name: the name in the first line, then /etc/passwd, a line "%", and /etc/group. */
#include <sys/stat.h>

#include "container/internal.h"
#include "fs.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fuzz_make_dir();
	REQUIRE(mkdir(FUZZ_DIR "/etc", 0755) == 0);
	return 0;
}

static void put(const char *path, const char *text, size_t size)
{
	struct gcs_error err;

	REQUIRE(fs_write(path, text, size, 0644, &err) == 0);
}

/* Is there a line that begins with @name and a colon? A NUL ends a line, too. */
static bool has_line(const char *text, size_t size, const char *name, size_t len)
{
	for (size_t at = 0; at + len < size; at++) {
		if ((!at || text[at - 1] == '\n') && !memcmp(text + at, name, len) && text[at + len] == ':')
			return true;
		while (at < size && text[at] != '\n')
			at++;
	}
	return false;
}

static bool is_number(const char *s, size_t len)
{
	return len && strspn(s, "0123456789") >= len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *end = memchr(text, '\n', size), *passwd, *group, *name_end;
	size_t passwd_size, group_size, len;
	uint32_t uid = 0, gid = 0, uid2 = 1, gid2 = 1;
	struct gcs_error err = { 0 };
	char *name;
	int ret;

	name = fuzz_string(data, end ? (size_t)(end - text) : size);
	passwd = end ? end + 1 : text + size;
	passwd_size = text + size - passwd;
	group = memmem(passwd, passwd_size, "\n%\n", 3);
	group_size = group ? passwd_size - (group + 3 - passwd) : 0;
	passwd_size = group ? (size_t)(group + 1 - passwd) : passwd_size;
	group = group ? group + 3 : "";
	put(FUZZ_DIR "/etc/passwd", passwd, passwd_size);
	put(FUZZ_DIR "/etc/group", group, group_size);

	ret = user_lookup(FUZZ_DIR, name, &uid, &gid, &err);
	REQUIRE(ret == user_lookup(FUZZ_DIR, name, &uid2, &gid2, &err));
	if (ret < 0) {
		REQUIRE(err.hr != HR_OK && *err.text);
	} else {
		REQUIRE(uid == uid2 && gid == gid2);
		name_end = strchrnul(name, ':');
		len = name_end - name;
		if (is_number(name, len))
			REQUIRE(strtoull(name, NULL, 10) == uid || has_line(passwd, passwd_size, name, len));
		else
			REQUIRE(has_line(passwd, passwd_size, name, len));
		if (*name_end && is_number(name_end + 1, strlen(name_end + 1)))
			REQUIRE(strtoull(name_end + 1, NULL, 10) == gid ||
				has_line(group, group_size, name_end + 1, strlen(name_end + 1)));
		else if (*name_end)
			REQUIRE(has_line(group, group_size, name_end + 1, strlen(name_end + 1)));
	}
	free(name);
	return 0;
}
