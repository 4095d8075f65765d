/* SPDX-License-Identifier: MIT */
/* Users, groups, and dropping privileges. */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <linux/capability.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "os/priv.h"

static bool
priv_is_set(const char *s)
{
	return s != NULL && *s != '\0';
}

static int
priv_find_user(const char *user, struct priv *p, struct err *err)
{
	const struct passwd *pw;
	int64_t n;

	pw = getpwnam(user);
	if (pw == NULL && str_parse_int(user, 0, UINT32_MAX - 1, &n) == 0) {
		p->uid = (uid_t)n;
		pw = getpwuid(p->uid);
		if (pw == NULL)
			return 0;
	}
	if (pw == NULL)
		return err_set(err, "there is no user %s", user);
	p->uid = pw->pw_uid;
	p->gid = pw->pw_gid;
	snprintf(p->user, sizeof(p->user), "%s", pw->pw_name);
	snprintf(p->home, sizeof(p->home), "%s", pw->pw_dir);
	return 0;
}

static int
priv_find_group(const char *group, struct priv *p, struct err *err)
{
	const struct group *gr = getgrnam(group);
	int64_t n;

	if (gr != NULL)
		p->gid = gr->gr_gid;
	else if (str_parse_int(group, 0, UINT32_MAX - 1, &n) == 0)
		p->gid = (gid_t)n;
	else
		return err_set(err, "there is no group %s", group);
	return 0;
}

int
priv_find(const char *user, const char *group, struct priv *p,
    struct err *err)
{
	memset(p, 0, sizeof(*p));
	p->uid = (uid_t)-1;
	p->gid = (gid_t)-1;
	if (priv_is_set(user) && priv_find_user(user, p, err) == -1)
		return -1;
	if (priv_is_set(group) && priv_find_group(group, p, err) == -1)
		return -1;
	if (p->uid != (uid_t)-1 && p->gid == (gid_t)-1)
		return err_set(err, "user %s has no entry in the user "
		    "database; set group as well", user);
	return 0;
}

static int
priv_set_groups(const struct priv *p, struct err *err)
{
	int rc;

	rc = *p->user != '\0' ? initgroups(p->user, p->gid) :
	    setgroups(1, &p->gid);
	if (rc == -1)
		return err_set(err, "cannot set the supplementary groups: %s",
		    strerror(errno));
	return 0;
}

static void
priv_set_env(const struct priv *p)
{
	if (*p->user == '\0')
		return;
	setenv("USER", p->user, 1);
	setenv("LOGNAME", p->user, 1);
	setenv("HOME", p->home, 1);
}

static bool
priv_has(int cap)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct caps[2];

	return syscall(SYS_capget, &head, caps) == 0 &&
	    (caps[cap / 32].effective & UINT32_C(1) << cap % 32) != 0;
}

bool
priv_can_give(void)
{
	return geteuid() == 0 || priv_has(CAP_CHOWN);
}

static bool
priv_can_change(void)
{
	return geteuid() == 0 || (priv_has(CAP_SETUID) && priv_has(CAP_SETGID));
}

/* Root's end with the change of user; those of a unit file do not. */
static int
priv_drop_caps(struct err *err)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	const struct __user_cap_data_struct none[2] = { 0 };
	struct __user_cap_data_struct caps[2];

	if (geteuid() == 0 || syscall(SYS_capget, &head, caps) == -1 ||
	    (caps[0].permitted | caps[0].inheritable | caps[1].permitted |
	    caps[1].inheritable) == 0)
		return 0;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1 ||
	    syscall(SYS_capset, &head, none) == -1)
		return err_set(err, "cannot drop capabilities: %s",
		    strerror(errno));
	return 0;
}

static int
priv_change(const struct priv *p, uid_t uid, gid_t gid, struct err *err)
{
	if (!priv_can_change())
		return err_set(err, "only root can run an application as "
		    "another user or group (user %u, group %u)", uid, gid);
	if (setresgid(gid, gid, gid) == -1)
		return err_set(err, "setgid %u: %s", gid, strerror(errno));
	if (priv_set_groups(p, err) == -1)
		return -1;
	if (setresuid(uid, uid, uid) == -1)
		return err_set(err, "setuid %u: %s", uid, strerror(errno));
	if (priv_drop_caps(err) == -1)
		return -1;
	if (uid != 0 && setresuid(0, 0, 0) == 0)
		return err_set(err, "user %u could become root again", uid);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return err_set(err, "no_new_privs: %s", strerror(errno));
	priv_set_env(p);
	return 0;
}

int
priv_become(const struct priv *p, struct err *err)
{
	gid_t gid = p->gid != (gid_t)-1 ? p->gid : getegid();
	uid_t uid = p->uid != (uid_t)-1 ? p->uid : geteuid();

	if (uid == geteuid() && gid == getegid())
		return priv_drop_caps(err);
	return priv_change(p, uid, gid, err);
}
