// SPDX-License-Identifier: MIT
/* The user's terminal: raw while the container has it. */
#include "terminal.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool terminal_size(uint16_t *rows, uint16_t *columns)
{
	static const int fds[] = { STDIN_FILENO, STDOUT_FILENO };
	struct winsize size;

	for (int i = 0; i < 2; i++) {
		if (ioctl(fds[i], TIOCGWINSZ, &size) < 0)
			continue;
		*rows = size.ws_row;
		*columns = size.ws_col;
		return size.ws_row && size.ws_col;
	}
	return false;
}

int terminal_raw(struct terminal *t, struct gcs_error *err)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &t->before) < 0)
		return gcs_fail(err, errno, HR_FAIL, "the terminal's settings");
	raw = t->before;
	cfmakeraw(&raw);
	/* What was typed ahead is the container's. */
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
		return gcs_fail(err, errno, HR_FAIL, "make the terminal raw");
	t->raw = true;
	return 0;
}

void terminal_restore(struct terminal *t)
{
	if (t->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
	t->raw = false;
}
