/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "mail-storage.h"
#include "compat-doveadm.h"
#include "coi-address.h"
#include "doveadm-coi-contact.h"
#include "doveadm-coi-entries.h"

ARRAY_DEFINE_TYPE(doveadm_coi_changes, struct doveadm_coi_change);

static int
doveadm_coi_contact_parse_address(struct doveadm_coi_contact_cmd *ccmd,
				  const char *text, const char **error_r)
{
	const char *address;

	if (coi_address_normalize(text, &address) < 0) {
		*error_r = t_strdup_printf("Not an address: %s", text);
		return -1;
	}
	ccmd->hash = p_strdup(ccmd->cmd.ctx.pool, coi_address_hash(address));
	ccmd->hash_alabel = p_strdup(ccmd->cmd.ctx.pool,
				     coi_address_hash_alabel(address));
	return 0;
}

static int
doveadm_coi_contact_parse_hash(struct doveadm_coi_contact_cmd *ccmd,
			       const char *text, const char **error_r)
{
	if (!coi_hash_is_valid(text)) {
		*error_r = t_strdup_printf("Not a hash of %u lower-case "
			"hexadecimal digits: %s", COI_HASH_LEN, text);
		return -1;
	}
	ccmd->hash = text;
	return 0;
}

int doveadm_coi_contact_init(struct doveadm_coi_cmd *cmd, const char **error_r)
{
	struct doveadm_coi_contact_cmd *ccmd =
		container_of(cmd, struct doveadm_coi_contact_cmd, cmd);
	const char *address, *hash;
	bool have_address, have_hash;

	have_address = doveadm_cmd_param_str(cmd->ctx.cctx, "address",
					     &address);
	have_hash = doveadm_cmd_param_str(cmd->ctx.cctx, "hash", &hash);
	if (have_address == have_hash) {
		*error_r = "Either an address is needed or --hash";
		return -1;
	}
	return have_address ?
		doveadm_coi_contact_parse_address(ccmd, address, error_r) :
		doveadm_coi_contact_parse_hash(ccmd, hash, error_r);
}

/* An entry that does not exist is made only for the contact's own hash. */
static int
doveadm_coi_contact_change(struct doveadm_coi_contact_cmd *ccmd,
			   const struct doveadm_coi_user *duser,
			   struct mailbox *inbox, const char *hash,
			   ARRAY_TYPE(doveadm_coi_changes) *changes)
{
	struct doveadm_coi_change change;
	struct coi_contact contact;
	string_t *value;
	int ret;

	ret = doveadm_coi_get_contact(&ccmd->cmd, duser, inbox, hash, &contact);
	if (ret < 0)
		return -1;
	if (ret > 0 || hash == ccmd->hash) {
		ccmd->change(ccmd, &contact);
		value = t_str_new(128);
		coi_contact_format(&contact, value);
		change.key = doveadm_coi_entry_key(COI_ENTRY_CONTACTS, hash);
		change.value = str_c(value);
		array_push_back(changes, &change);
	}
	return 0;
}

int doveadm_coi_contact_run(struct doveadm_coi_cmd *cmd,
			    const struct doveadm_coi_user *duser)
{
	struct doveadm_coi_contact_cmd *ccmd =
		container_of(cmd, struct doveadm_coi_contact_cmd, cmd);
	struct mailbox *inbox = doveadm_coi_inbox_alloc(duser);
	ARRAY_TYPE(doveadm_coi_changes) changes;
	int ret;

	t_array_init(&changes, 2);
	ret = doveadm_coi_contact_change(ccmd, duser, inbox, ccmd->hash,
					 &changes);
	if (ret == 0 && ccmd->hash_alabel != NULL) {
		ret = doveadm_coi_contact_change(ccmd, duser, inbox,
						 ccmd->hash_alabel, &changes);
	}
	mailbox_free(&inbox);
	return ret < 0 ? -1 :
		doveadm_coi_set(cmd, duser, array_front(&changes),
				array_count(&changes));
}

struct doveadm_coi_contact_cmd *
doveadm_coi_contact_cmd_alloc(const struct doveadm_coi_verb *verb,
	void (*change)(const struct doveadm_coi_contact_cmd *ccmd,
		       struct coi_contact *contact))
{
	struct doveadm_coi_cmd *cmd = doveadm_coi_cmd_alloc(
		sizeof(struct doveadm_coi_contact_cmd), verb);
	struct doveadm_coi_contact_cmd *ccmd =
		container_of(cmd, struct doveadm_coi_contact_cmd, cmd);

	ccmd->change = change;
	return ccmd;
}
