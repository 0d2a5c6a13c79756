#ifndef DOVEADM_COI_CONTACT_H
#define DOVEADM_COI_CONTACT_H

#include "doveadm-coi-cmd.h"

struct coi_contact;

/* What the verbs share that change one contact. They read its entry, change a
   part of it, and set it as a client does. */

struct doveadm_coi_contact_cmd {
	struct doveadm_coi_cmd cmd;
	/* The contact's hash, and, if its domain has two forms, the other one
	   under which a client may know it (C3); else NULL. */
	const char *hash, *hash_alabel;
	/* mute: 0: for good */
	time_t until;

	void (*change)(const struct doveadm_coi_contact_cmd *ccmd,
		       struct coi_contact *contact);
};

/* For struct doveadm_coi_verb: reads the address, or --hash. */
int doveadm_coi_contact_init(struct doveadm_coi_cmd *cmd, const char **error_r);
int doveadm_coi_contact_run(struct doveadm_coi_cmd *cmd,
			    const struct doveadm_coi_user *duser);

/* Allocates a command that does `change' to the contact. */
struct doveadm_coi_contact_cmd *
doveadm_coi_contact_cmd_alloc(const struct doveadm_coi_verb *verb,
	void (*change)(const struct doveadm_coi_contact_cmd *ccmd,
		       struct coi_contact *contact));

#define DOVEADM_COI_CONTACT_USAGE "<address>|--hash <hash>"
/* The parameters that all of them have. */
#define DOVEADM_COI_CONTACT_PARAMS \
DOVEADM_CMD_MAIL_COMMON \
DOVEADM_CMD_PARAM('H', "hash", CMD_PARAM_STR, 0) \
DOVEADM_CMD_PARAM('\0', "address", CMD_PARAM_STR, CMD_PARAM_FLAG_POSITIONAL)

#endif
