#ifndef STORAGE_USER_H
#define STORAGE_USER_H

#include "unit.h"
#include "mail-storage-private.h"
#include "coi-user.h"

/* One mail user in this process, with the plugin `coi' as Dovecot would hook
   it. Everything of a test lives below a temporary directory of its own; all of
   them are removed when the suite ends, also those of tests that failed. */

struct storage_user_settings {
	/* NULL: sdbox */
	const char *driver;
	/* of the namespace that has INBOX; NULL: "" and the driver's own */
	const char *prefix;
	const char *separator;
	/* of a second private namespace, NULL: there is none */
	const char *second_prefix;
	/* "setting=value", ended by NULL; NULL: none */
	const char *const *settings;
};

/* A test case whose tests run between the making and the unmaking of the
   storage service. */
TCase *storage_tcase_add(Suite *suite, const char *name);
/* Runs the suite. Returns main()'s exit status. */
int storage_run(Suite *suite);

/* Hooks of a test, inside the plugin's: they stand for the storage. Before the
   user is made; forgotten when the test ends. */
void storage_hooks_add(const struct mail_storage_hooks *hooks);

/* Makes the user; NULL: with the defaults. There is one at a time. Each new one
   of a test begins with an empty home. */
struct mail_user *storage_user_init(const struct storage_user_settings *set);
/* The same for tests that need COI's context of the user. */
struct coi_user *storage_coi_init(const struct storage_user_settings *set);
void storage_user_deinit(void);

/* Opens and synchronises a mailbox, creating it if needed. */
struct mailbox *storage_mailbox_open(struct mail_user *user, const char *vname);
/* Does it exist, as one that can be selected? Is it subscribed? */
bool storage_mailbox_exists(struct mail_user *user, const char *vname);
bool storage_mailbox_subscribed(struct mail_user *user, const char *vname);

/* Puts these values into the user's store; NULL: not set. */
void storage_set_state(struct coi_user *cuser, const char *enabled,
		       const char *message_filter);
/* What the store holds, as "enabled|message-filter" with "-" for what is not
   set (data stack); "none" if there is no state, "error" if it fails. */
const char *storage_get_state(struct coi_user *cuser);

/* Number of errors and warnings logged since the user was made, and of those
   with `text' in them; what is still there at the end fails the test. */
unsigned int storage_log_count(void);
unsigned int storage_log_count_with(const char *text);
/* They were expected. */
void storage_log_clear(void);

#endif
