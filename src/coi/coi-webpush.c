/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "module-dir.h"
#include "time-util.h"
#include "mail-storage-settings.h"
#include "compat-module.h"
#include "coi-deltachat.h"
#include "coi-limits.h"
#include "coi-store.h"
#include "coi-user.h"
#include "coi-webpush.h"

#include <unistd.h>

#define COI_WEBPUSH_PLUGIN_NAME "coi_push"
#define COI_WEBPUSH_PLUGIN_FNAME "lib95_coi_push_plugin.so"

/* When coi_webpush_tidy_rarely() has tidied. */
#define COI_WEBPUSH_TIDY_KEY "push-tidy"

static struct module *coi_webpush_modules;
static const struct coi_webpush_vfuncs *coi_webpush;
static bool coi_webpush_failed;

bool coi_webpush_is_on(struct coi_user *cuser)
{
	return *cuser->set->coi_push_subject != '\0';
}

bool coi_webpush_is_installed(struct coi_user *cuser)
{
	const char *path;

	if (coi_webpush != NULL || coi_webpush_failed)
		return coi_webpush != NULL;
	/* to load it would cost each login what few of them need */
	path = t_strconcat(cuser->user->set->mail_plugin_dir,
			   "/"COI_WEBPUSH_PLUGIN_FNAME, NULL);
	return access(path, R_OK) == 0;
}

bool coi_webpush_is_available(struct coi_user *cuser)
{
	return coi_webpush_is_on(cuser) && coi_webpush_is_installed(cuser);
}

void coi_webpush_register(const struct coi_webpush_vfuncs *v)
{
	coi_webpush = v;
}

const struct coi_webpush_vfuncs *coi_webpush_get(struct coi_user *cuser)
{
	const char *error;

	if (coi_webpush != NULL || coi_webpush_failed)
		return coi_webpush;
	if (compat_module_load(&coi_webpush_modules, cuser->user,
			       COI_WEBPUSH_PLUGIN_NAME, &error) < 0) {
		coi_webpush_failed = TRUE;
		e_error(coi_user_get_event(cuser), "Push is off: Loading the "
			"plugin "COI_WEBPUSH_PLUGIN_NAME" failed: %s", error);
	}
	return coi_webpush;
}

/* In doubt it is done: asking once too often does no harm. */
static bool coi_webpush_may_tidy(struct coi_user *cuser)
{
	const char *error;
	unsigned int wait_msecs;
	int ret = coi_store_rate_try(cuser->store, COI_WEBPUSH_TIDY_KEY,
				     i_microseconds() / 1000,
				     COI_PUSH_TIDY_WINDOW_MSECS, &wait_msecs,
				     &error);

	if (ret < 0) {
		e_error(coi_user_get_event(cuser),
			"Asking for subscriptions that are gone: %s", error);
	}
	return ret != 0;
}

void coi_webpush_tidy_rarely(struct coi_user *cuser)
{
	const struct coi_webpush_vfuncs *v;
	struct coi_active active;

	if (cuser->user->dsyncing ||
	    (!coi_webpush_is_on(cuser) && !coi_deltachat_is_on(cuser)))
		return;
	(void)coi_user_get_active(cuser, &active);
	if (active.has_subscriptions && coi_webpush_may_tidy(cuser) &&
	    (v = coi_webpush_get(cuser)) != NULL)
		v->tidy(cuser);
}

void coi_webpush_user_deinit(struct coi_user *cuser)
{
	/* nobody hears the answer: the next session asks again */
	if (cuser->push_gone_asked) T_BEGIN {
		coi_store_rate_forget(cuser->store, COI_WEBPUSH_TIDY_KEY);
	} T_END;
	if (coi_webpush != NULL)
		coi_webpush->user_deinit(cuser);
}

int coi_webpush_check(struct coi_user *cuser, coi_contacts_problem_t *problem,
		      void *context)
{
	const struct coi_webpush_vfuncs *v;
	const char *error;
	int ret;

	if (!coi_webpush_is_on(cuser) && !coi_deltachat_is_on(cuser))
		return 0;
	ret = coi_store_exists(cuser->store, &error);
	if (ret < 0) {
		e_error(coi_user_get_event(cuser), "Checking failed: %s",
			error);
	}
	if (ret <= 0)
		return ret;
	v = coi_webpush_get(cuser);
	return v == NULL ? -1 : v->check(cuser, problem, context);
}

void coi_webpush_deinit(void)
{
	module_dir_unload(&coi_webpush_modules);
	coi_webpush = NULL;
	coi_webpush_failed = FALSE;
}
