#ifndef DOVEADM_COI_CMD_H
#define DOVEADM_COI_CMD_H

#include "doveadm-mail.h"
#include "doveadm-print.h"
#include "coi-config.h"

struct mailbox;
struct mail_user;
struct coi_user;
struct coi_admin_vfuncs;

/* What all verbs share: doveadm's frame around them, and the user's entries,
   which they reach as a client does, by the attributes of INBOX. */

struct doveadm_coi_cmd;

/* The user for whom the verb runs now. */
struct doveadm_coi_user {
	struct mail_user *user;
	/* NULL if COI is not there for this user; only verbs with
	   `unavailable_ok' see that */
	struct coi_user *cuser;
	const struct coi_admin_vfuncs *admin;
};

struct doveadm_coi_verb {
	/* Called once, before any user is looked up: reads the parameters and
	   names the columns. May be NULL. Returns 0, or -1 with *error_r (data stack) about
	   the parameters. */
	int (*init)(struct doveadm_coi_cmd *cmd, const char **error_r);
	/* Called for each user. Returns 0, or -1 after doveadm_coi_fail(). */
	int (*run)(struct doveadm_coi_cmd *cmd,
		   const struct doveadm_coi_user *duser);
	/* How to print if the admin does not choose; NULL: prints nothing. */
	const char *print_type;
	/* Run it also where COI is not there. */
	bool unavailable_ok;
};

struct doveadm_coi_cmd {
	struct doveadm_mail_cmd_context ctx;
	const struct doveadm_coi_verb *verb;

	int (*super_get_next_user)(struct doveadm_mail_cmd_context *ctx,
				   const char **username_r);
	/* the user that doveadm was told last (-A, -F), and whether it got as
	   far as to run the verb */
	const char *next_username;
	bool next_username_ran;
	/* the parameters are wrong */
	bool init_failed;
};

/* Allocates a command, of whose struct a struct doveadm_coi_cmd is the first
   member. */
struct doveadm_coi_cmd *
doveadm_coi_cmd_alloc(size_t size, const struct doveadm_coi_verb *verb);

/* Logs an error of the user and sets the exit status. Returns -1. */
int doveadm_coi_fail(struct doveadm_coi_cmd *cmd,
		     const struct doveadm_coi_user *duser,
		     enum mail_error error, const char *format, ...)
	ATTR_FORMAT(4, 5);
/* The same with a mailbox's own error, after "`what' failed: ". */
int doveadm_coi_fail_mailbox(struct doveadm_coi_cmd *cmd,
			     const struct doveadm_coi_user *duser,
			     struct mailbox *box, const char *what);

/* mailbox_alloc() of the user's INBOX, which has the server's entries. */
struct mailbox *
doveadm_coi_inbox_alloc(const struct doveadm_coi_user *duser);

/* Where the entries are among INBOX's attributes, and the key of one of
   COI_ENTRY_CONFIG (data stack). */
extern const char *const doveadm_coi_key_root;
const char *doveadm_coi_config_key(enum coi_config_key key);

/* Reads an entry. Returns 1 if it has a value, 0 if not (*value_r is NULL), -1
   after doveadm_coi_fail(). */
int doveadm_coi_get(struct doveadm_coi_cmd *cmd,
		    const struct doveadm_coi_user *duser, struct mailbox *inbox,
		    const char *key, const char **value_r);

struct doveadm_coi_change {
	const char *key;
	/* NULL removes */
	const char *value;
};

/* Sets entries as one SETMETADATA of a client would: all or none. Returns 0, or
   -1 after doveadm_coi_fail(). */
int doveadm_coi_set(struct doveadm_coi_cmd *cmd,
		    const struct doveadm_coi_user *duser,
		    const struct doveadm_coi_change *changes,
		    unsigned int count);

#endif
