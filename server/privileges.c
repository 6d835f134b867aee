/* SPDX-License-Identifier: MIT */
/* Giving up rights, and the folder that is left to the one who has none. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/server.h"

static const struct passwd *find_user(const char *user, struct buf *error)
{
    const struct passwd *pw = getpwnam(user);
    if (pw == NULL)
        buf_printf(error,
                   "user: there is no system user \"%s\" (make one: useradd --system --no-create-home %s)",
                   user, user);
    else if (pw->pw_uid == 0)
        buf_printf(error, "user: \"%s\" is root; the worker must be an ordinary user", user);
    return pw != NULL && pw->pw_uid != 0 ? pw : NULL;
}

bool become_user(const char *user, struct buf *error)
{
    const struct passwd *pw = find_user(user, error);
    if (pw == NULL)
        return false;
    /* setresuid from root to another user also clears the capabilities (capabilities(7)) */
    if (initgroups(pw->pw_name, pw->pw_gid) != 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) != 0 ||
        setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        buf_printf(error, "user: cannot become \"%s\": %s", user, strerror(errno));
        return false;
    }
    if (setuid(0) == 0) {
        buf_printf(error, "user: \"%s\" can become root again", user);
        return false;
    }
    return true;
}

bool prepare_data_dir(const struct settings *settings, struct buf *error)
{
    struct stat st;
    bool missing = stat(settings->data_dir, &st) != 0;
    int r = missing ? dir_make(settings->data_dir, 0700) : 0;
    if (r != 0) {
        buf_printf(error, "data_dir: cannot make %s: %s", settings->data_dir, strerror(-r));
        return false;
    }
    if (geteuid() != 0)
        return true;
    const struct passwd *pw = find_user(settings->user, error);
    if (pw == NULL)
        return false;
    if (missing && chown(settings->data_dir, pw->pw_uid, pw->pw_gid) != 0) {
        buf_printf(error, "data_dir: cannot give %s to %s: %s", settings->data_dir, settings->user,
                   strerror(errno));
        return false;
    }
    return true;
}

const char *control_path(const struct settings *settings, struct buf *out)
{
    if (settings->control_socket[0] != '\0')
        buf_add_str(out, settings->control_socket);
    else
        buf_printf(out, "%s/control.socket", settings->data_dir);
    return buf_str(out);
}
