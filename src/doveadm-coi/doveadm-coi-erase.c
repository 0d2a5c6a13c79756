/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "mail-storage.h"
#include "mail-user.h"
#include "compat-doveadm.h"
#include "coi-admin.h"
#include "coi-limits.h"
#include "doveadm-coi.h"
#include "doveadm-coi-cmd.h"
#include "doveadm-coi-entries.h"

/* First the entries, one by one, so that dsync hears of it; then whatever else
   the store has. */

struct doveadm_coi_eraser {
	struct doveadm_coi_cmd *cmd;
	const struct doveadm_coi_user *duser;
	const char *class;

	pool_t pool;
	ARRAY(struct doveadm_coi_change) changes;
};

static void
doveadm_coi_erase_add_key(struct doveadm_coi_eraser *eraser, const char *key)
{
	struct doveadm_coi_change *change =
		array_append_space(&eraser->changes);

	change->key = p_strdup(eraser->pool, key);
}

static void
doveadm_coi_erase_add_entry(void *context, const char *hash,
			    const char *value ATTR_UNUSED)
{
	struct doveadm_coi_eraser *eraser = context;

	doveadm_coi_erase_add_key(eraser,
		doveadm_coi_entry_key(eraser->class, hash));
}

static int
doveadm_coi_erase_add_class(struct doveadm_coi_eraser *eraser,
			    const char *class)
{
	struct mailbox *inbox = doveadm_coi_inbox_alloc(eraser->duser);
	int ret;

	eraser->class = class;
	ret = doveadm_coi_each_entry(eraser->cmd, eraser->duser, inbox, class,
				     doveadm_coi_erase_add_entry, eraser);
	mailbox_free(&inbox);
	return ret;
}

/* What is removed last is most worth to be kept should this be interrupted: who
   is blocked. */
static int doveadm_coi_erase_find(struct doveadm_coi_eraser *eraser)
{
	doveadm_coi_erase_add_key(eraser,
		doveadm_coi_config_key(COI_CONFIG_ENABLED));
	doveadm_coi_erase_add_key(eraser,
		doveadm_coi_config_key(COI_CONFIG_MESSAGE_FILTER));
	/* with it the key, which under `dsyncing' is listed as it is stored */
	if (doveadm_coi_erase_add_class(eraser, COI_ENTRY_WEBPUSH) < 0 ||
	    doveadm_coi_erase_add_class(eraser, COI_ENTRY_GROUPS) < 0)
		return -1;
	return doveadm_coi_erase_add_class(eraser, COI_ENTRY_CONTACTS);
}

static int doveadm_coi_erase_entries(struct doveadm_coi_eraser *eraser)
{
	const struct doveadm_coi_change *changes;
	unsigned int i, count;
	int ret = 0;

	changes = array_get(&eraser->changes, &count);
	for (i = 0; i < count && ret == 0; i += COI_ERASE_BATCH_MAX) T_BEGIN {
		ret = doveadm_is_killed() ?
			doveadm_coi_fail(eraser->cmd, eraser->duser,
				MAIL_ERROR_TEMP,
				"Interrupted; erase again to complete it") :
			doveadm_coi_set(eraser->cmd, eraser->duser, &changes[i],
				I_MIN(COI_ERASE_BATCH_MAX, count - i));
	} T_END;
	return ret;
}

static int doveadm_coi_erase_all(struct doveadm_coi_eraser *eraser)
{
	const struct doveadm_coi_user *duser = eraser->duser;
	const char *error;

	if (doveadm_coi_erase_find(eraser) < 0 ||
	    doveadm_coi_erase_entries(eraser) < 0)
		return -1;
	if (duser->admin->erase(duser->cuser, &error) < 0) {
		return doveadm_coi_fail(eraser->cmd, duser, MAIL_ERROR_TEMP,
					"%s", error);
	}
	return 0;
}

static int
doveadm_coi_erase_run(struct doveadm_coi_cmd *cmd,
		      const struct doveadm_coi_user *duser)
{
	struct doveadm_coi_eraser eraser = {
		.cmd = cmd,
		.duser = duser,
		.pool = pool_alloconly_create("doveadm coi erase", 1024),
	};
	int ret;

	i_array_init(&eraser.changes, 64);
	/* As when dsync brings removals (S43): the user's messages stay as
	   they are, contact messages too. */
	duser->user->dsyncing = TRUE;
	ret = doveadm_coi_erase_all(&eraser);
	duser->user->dsyncing = FALSE;
	array_free(&eraser.changes);
	pool_unref(&eraser.pool);
	return ret;
}

static struct doveadm_mail_cmd_context *doveadm_coi_erase_alloc(void)
{
	static const struct doveadm_coi_verb verb = {
		.run = doveadm_coi_erase_run,
	};

	return &doveadm_coi_cmd_alloc(sizeof(struct doveadm_coi_cmd),
				      &verb)->ctx;
}

struct doveadm_cmd_ver2 doveadm_coi_erase = {
	.name = "coi erase",
	.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX,
	.mail_cmd = doveadm_coi_erase_alloc,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAMS_END
};
