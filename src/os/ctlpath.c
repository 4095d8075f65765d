/* SPDX-License-Identifier: MIT */
/* Directories of control sockets. */
#include <sys/stat.h>

#include <glob.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/ctlpath.h"

#define CTLPATH_SYSTEM		"/run/saola"
#define CTLPATH_INSTANCES	"/run/saola-*"

static void
ctlpath_add(struct strlist *dirs, const char *dir)
{
	size_t i;

	for (i = 0; i < dirs->n; i++)
		if (strcmp(dirs->v[i], dir) == 0)
			return;
	strlist_add(dirs, dir);
}

/* systemd gives a list; the first is the unit's main one. */
static void
ctlpath_add_runtime(struct strlist *dirs)
{
	const char *list = getenv("RUNTIME_DIRECTORY");
	char *first;

	if (list == NULL || *list != '/')
		return;
	first = xstrndup(list, strcspn(list, ":"));
	ctlpath_add(dirs, first);
	free(first);
}

static void
ctlpath_add_own(struct strlist *dirs)
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	char *dir;

	if (base == NULL || *base != '/')
		return;
	xasprintf(&dir, "%s/saola", base);
	ctlpath_add(dirs, dir);
	free(dir);
}

void
ctlpath_dirs(struct strlist *dirs)
{
	ctlpath_add_runtime(dirs);
	ctlpath_add(dirs, CTLPATH_SYSTEM);
	ctlpath_add_own(dirs);
}

/*
 * Not merely writable: nobody else may put a socket there in our place, or
 * make saolactl talk to his.
 */
static bool
ctlpath_is_ours(const char *dir)
{
	struct stat st;

	if (stat(dir, &st) == -1 && mkdir(dir, 0755) == -1)
		return false;
	return stat(dir, &st) == 0 && S_ISDIR(st.st_mode) &&
	    (st.st_uid == geteuid() || st.st_uid == 0) &&
	    (st.st_mode & S_IWOTH) == 0 && access(dir, W_OK | X_OK) == 0;
}

/* A name becomes one component of a path. */
static char *
ctlpath_join(const char *dir, const char *instance)
{
	char *path, *c;

	xasprintf(&path, "%s/%s.sock", dir, instance);
	for (c = path + strlen(dir) + 1; *c != '\0'; c++)
		if (*c == '/')
			*c = '_';
	return path;
}

char *
ctlpath_choose(const char *instance, struct err *err)
{
	struct strlist dirs = { 0 };
	char *path = NULL;
	size_t i;

	ctlpath_dirs(&dirs);
	for (i = 0; i < dirs.n && path == NULL; i++)
		if (ctlpath_is_ours(dirs.v[i]))
			path = ctlpath_join(dirs.v[i], instance);
	strlist_fini(&dirs);
	if (path == NULL)
		err_set(err, "no directory for it can be written: "
		    "$RUNTIME_DIRECTORY, " CTLPATH_SYSTEM ", "
		    "$XDG_RUNTIME_DIR/saola");
	return path;
}

static void
ctlpath_glob(const char *dir, const char *pattern, struct strlist *found)
{
	glob_t g;
	char *text;
	size_t i;

	xasprintf(&text, "%s/%s", dir, pattern);
	if (glob(text, 0, NULL, &g) == 0) {
		for (i = 0; i < g.gl_pathc; i++)
			strlist_add(found, g.gl_pathv[i]);
		globfree(&g);
	}
	free(text);
}

void
ctlpath_find(struct strlist *found)
{
	struct strlist dirs = { 0 };
	size_t i;

	ctlpath_dirs(&dirs);
	for (i = 0; i < dirs.n; i++)
		ctlpath_glob(dirs.v[i], "*.sock", found);
	/* Instances of saola@.service have a directory each. */
	ctlpath_glob(CTLPATH_INSTANCES, "*.sock", found);
	strlist_fini(&dirs);
}
