/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "mail-storage-private.h"
#include "coi-store.h"
#include "coi-state.h"
#include "coi-user.h"
#include "coi-webpush.h"

#define COI_USER_CONTEXT(obj) \
	MODULE_CONTEXT(obj, coi_user_module)

static MODULE_CONTEXT_DEFINE_INIT(coi_user_module, &mail_user_module_register);

static struct event_category event_category_coi = {
	.name = "coi",
};

struct coi_user *coi_user_get(struct mail_user *user)
{
	return COI_USER_CONTEXT(user);
}

struct coi_user *coi_user_get_unless_idle(struct mail_user *user)
{
	struct coi_user *cuser = coi_user_get(user);

	return cuser == NULL || (cuser->delivering && !cuser->delivering_chat) ?
		NULL : cuser;
}

struct event *coi_user_get_event(struct coi_user *cuser)
{
	if (cuser->_event == NULL) {
		cuser->_event = event_create(cuser->user->event);
		event_add_category(cuser->_event, &event_category_coi);
		event_set_append_log_prefix(cuser->_event, "coi: ");
	}
	return cuser->_event;
}

static void coi_user_log_error(struct coi_user *cuser, const char *error)
{
	if (cuser->store_error_logged)
		return;
	cuser->store_error_logged = TRUE;
	e_error(coi_user_get_event(cuser), "COI is off for this user: %s", error);
}

int coi_user_get_active(struct coi_user *cuser, struct coi_active *active_r)
{
	struct coi_config config;
	const char *error;
	int ret;

	T_BEGIN {
		ret = coi_state_read(cuser->store, pool_datastack_create(),
				     &config, &error);
		/* all zero if there is nothing */
		active_r->has_subscriptions = config.has_subscriptions;
		active_r->has_seen_subscriptions =
			config.has_seen_subscriptions;
		active_r->has_blocked = config.has_blocked;
		if (ret > 0 && !coi_config_is_enabled(&config))
			ret = 0;
		if (ret > 0 && coi_config_get_filter(&config,
				cuser->set->parsed_default_filter,
				&active_r->filter, &error) < 0)
			ret = -1;
		if (ret < 0)
			coi_user_log_error(cuser, error);
	} T_END;
	return ret;
}

int coi_user_get_active_filter(struct coi_user *cuser,
			       enum coi_filter *filter_r)
{
	struct coi_active active;
	int ret;

	ret = coi_user_get_active(cuser, &active);
	if (ret > 0)
		*filter_r = active.filter;
	return ret;
}

static void coi_user_deinit(struct mail_user *user)
{
	struct coi_user *cuser = coi_user_get(user);

	i_assert(cuser != NULL);
	timeout_remove(&cuser->to_push_tidy);
	coi_webpush_user_deinit(cuser);
	event_unref(&cuser->_event);
	coi_settings_free(&cuser->set);
	cuser->module_ctx.super.deinit(user);
}

void coi_user_created(struct mail_user *user)
{
	struct mail_user_vfuncs *v = user->vlast;
	const struct coi_settings *set;
	struct coi_user *cuser;
	const char *error;

	/* raw mail of a delivery, owners of shared mailboxes */
	if (user->autocreated)
		return;
	if (coi_settings_get(user, &set, &error) < 0) {
		e_error(user->event, "coi: COI is off: %s", error);
		return;
	}
	if (!set->coi) {
		coi_settings_free(&set);
		return;
	}

	cuser = p_new(user->pool, struct coi_user, 1);
	cuser->module_ctx.super = *v;
	user->vlast = &cuser->module_ctx.super;
	v->deinit = coi_user_deinit;

	cuser->user = user;
	cuser->set = set;
	cuser->store = coi_store_init(user);
	MODULE_CONTEXT_SET(user, coi_user_module, cuser);
}
