/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "compat-doveadm.h"
#include "coi-admin.h"
#include "coi-entry.h"
#include "doveadm-coi.h"
#include "doveadm-coi-cmd.h"
#include "doveadm-coi-entries.h"
#include "doveadm-coi-push.h"

struct doveadm_coi_push_remove {
	struct doveadm_coi_cmd cmd;
	/* NULL: all */
	const char *id;
};

static int
doveadm_coi_push_remove_init(struct doveadm_coi_cmd *cmd, const char **error_r)
{
	struct doveadm_coi_push_remove *remove =
		container_of(cmd, struct doveadm_coi_push_remove, cmd);
	bool all = FALSE;

	if (doveadm_coi_push_read_id(cmd, &remove->id, error_r) < 0)
		return -1;
	(void)doveadm_cmd_param_bool(cmd->ctx.cctx, "all", &all);
	if (all == (remove->id != NULL)) {
		*error_r = "Either a subscription's id is needed or --all";
		return -1;
	}
	doveadm_print_header("removed", "removed",
			     DOVEADM_PRINT_HEADER_FLAG_NUMBER);
	return 0;
}

/* Which of the user's subscriptions are meant. */
static int
doveadm_coi_push_remove_find(struct doveadm_coi_push_remove *remove,
			     const struct doveadm_coi_user *duser, pool_t pool,
			     ARRAY_TYPE(const_string) *ids)
{
	const char *id;
	bool found = FALSE;

	if (doveadm_coi_list_ids(&remove->cmd, duser, COI_ENTRY_SUBSCRIPTIONS,
				 pool, ids) < 0)
		return -1;
	if (remove->id == NULL)
		return 0;
	array_foreach_elem(ids, id) {
		if (strcmp(id, remove->id) == 0)
			found = TRUE;
	}
	array_clear(ids);
	if (found)
		array_push_back(ids, &remove->id);
	return 0;
}

static int
doveadm_coi_push_remove_tokens(struct doveadm_coi_push_remove *remove,
			       const struct doveadm_coi_user *duser,
			       unsigned int *count_r)
{
	if (duser->admin->remove_token(duser->cuser, remove->id, "removed",
				       count_r) < 0) {
		/* the log knows why */
		doveadm_mail_failed_error(&remove->cmd.ctx, MAIL_ERROR_TEMP);
		return -1;
	}
	return 0;
}

/* As a client does it, with NIL. */
static int
doveadm_coi_push_remove_set(struct doveadm_coi_push_remove *remove,
			    const struct doveadm_coi_user *duser,
			    const ARRAY_TYPE(const_string) *ids)
{
	unsigned int count = array_count(ids);
	struct doveadm_coi_change *changes;
	unsigned int i;

	if (count == 0)
		return 0;
	changes = t_new(struct doveadm_coi_change, count);
	for (i = 0; i < count; i++) {
		changes[i].key = doveadm_coi_entry_key(COI_ENTRY_SUBSCRIPTIONS,
			array_idx_elem(ids, i));
	}
	return doveadm_coi_set(&remove->cmd, duser, changes, count);
}

/* Who removes them wants nothing to be pushed any more. */
static int
doveadm_coi_push_remove_flush(struct doveadm_coi_push_remove *remove,
			      const struct doveadm_coi_user *duser)
{
	const struct coi_webpush_vfuncs *v;
	const char *error;

	if (!duser->admin->push_is_on(duser->cuser) &&
	    !duser->admin->tokens_are_on(duser->cuser))
		return 0;
	v = doveadm_coi_push_get(&remove->cmd, duser);
	if (v == NULL)
		return -1;
	if (v->flush(&error) < 0) {
		return doveadm_coi_fail(&remove->cmd, duser, MAIL_ERROR_TEMP,
			"Removed, but the worker may still send what it has: "
			"%s", error);
	}
	return 0;
}

static int
doveadm_coi_push_remove_all(struct doveadm_coi_push_remove *remove,
			    const struct doveadm_coi_user *duser, pool_t pool)
{
	ARRAY_TYPE(const_string) ids;
	unsigned int count;

	p_array_init(&ids, pool, 8);
	if (doveadm_coi_push_remove_find(remove, duser, pool, &ids) < 0 ||
	    doveadm_coi_push_remove_set(remove, duser, &ids) < 0 ||
	    doveadm_coi_push_remove_tokens(remove, duser, &count) < 0)
		return -1;
	count += array_count(&ids);
	if (count == 0 && remove->id != NULL) {
		return doveadm_coi_fail(&remove->cmd, duser,
			MAIL_ERROR_NOTFOUND, "There is no subscription %s",
			remove->id);
	}
	doveadm_print_num(count);
	return count == 0 ? 0 : doveadm_coi_push_remove_flush(remove, duser);
}

static int
doveadm_coi_push_remove_run(struct doveadm_coi_cmd *cmd,
			    const struct doveadm_coi_user *duser)
{
	struct doveadm_coi_push_remove *remove =
		container_of(cmd, struct doveadm_coi_push_remove, cmd);
	pool_t pool = pool_alloconly_create("doveadm coi push remove", 1024);
	int ret;

	ret = doveadm_coi_push_remove_all(remove, duser, pool);
	pool_unref(&pool);
	return ret;
}

static struct doveadm_mail_cmd_context *doveadm_coi_push_remove_alloc(void)
{
	static const struct doveadm_coi_verb verb = {
		.init = doveadm_coi_push_remove_init,
		.run = doveadm_coi_push_remove_run,
		.print_type = DOVEADM_PRINT_TYPE_FLOW,
	};

	return &doveadm_coi_cmd_alloc(sizeof(struct doveadm_coi_push_remove),
				      &verb)->ctx;
}

struct doveadm_cmd_ver2 doveadm_coi_push_remove = {
	.name = "coi push remove",
	.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX "<id>|--all",
	.mail_cmd = doveadm_coi_push_remove_alloc,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAM('a', "all", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAM('\0', "id", CMD_PARAM_STR, CMD_PARAM_FLAG_POSITIONAL)
DOVEADM_CMD_PARAMS_END
};
