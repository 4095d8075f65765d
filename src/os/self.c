/* SPDX-License-Identifier: MIT */
/* Where our own program file is. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/self.h"

static char *
self_absolute(const char *path)
{
	char *cwd, *out;

	if (*path == '/' || (cwd = getcwd(NULL, 0)) == NULL)
		return xstrdup(path);
	xasprintf(&out, "%s/%s", cwd, path);
	free(cwd);
	return out;
}

/* As a shell looks for a command; NULL if it would find none. */
static char *
self_search(const char *name)
{
	const char *dirs = getenv("PATH");
	char *path, *found;
	size_t n;

	while (dirs != NULL && *dirs != '\0') {
		n = strcspn(dirs, ":");
		xasprintf(&path, "%.*s/%s", n > 0 ? (int)n : 1,
		    n > 0 ? dirs : ".", name);
		found = access(path, X_OK) == 0 ? self_absolute(path) : NULL;
		free(path);
		if (found != NULL)
			return found;
		dirs += n + (dirs[n] == ':');
	}
	return NULL;
}

char *
self_path(const char *argv0)
{
	char *path = NULL;

	if (argv0 != NULL && strchr(argv0, '/') != NULL)
		return self_absolute(argv0);
	if (argv0 != NULL && *argv0 != '\0')
		path = self_search(argv0);
	if (path == NULL)
		path = realpath("/proc/self/exe", NULL);
	return path != NULL ? path : xstrdup("/proc/self/exe");
}
