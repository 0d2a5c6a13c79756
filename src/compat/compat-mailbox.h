#ifndef COMPAT_MAILBOX_H
#define COMPAT_MAILBOX_H

/* What `mailbox NAME {}' blocks say, on Dovecot 2.3 and 2.4. */

struct mail_namespace;

/* Returns the names (as clients see them, NULL-ended, data stack) of the
   mailboxes that the namespace's configuration gives this special use, for
   example "\\Trash". They need not exist. */
const char *const *
compat_mailbox_find_special_use(struct mail_namespace *ns,
				const char *special_use);

#endif
