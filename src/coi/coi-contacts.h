#ifndef COI_CONTACTS_H
#define COI_CONTACTS_H

#include "mail-error.h"
#include "coi-entry.h"

struct mail;
struct mailbox;
struct coi_fields;
struct coi_user;

/* The plugin `coi_contacts', which knows what contacts and groups mean. It needs
   libraries that most processes do without, so it is loaded when it is needed
   for the first time; an admin need not know of it. */

/* What becomes of a value that a client wants to set. */
struct coi_entry_verdict {
	/* NULL: it is the default, which is not stored */
	const char *stored;
	/* It blocks the contact. */
	bool blocked;
};

/* A contact that is to be blocked, or not. */
struct coi_contact_block {
	const char *hash;
	bool blocked;
};

/* Is told of one thing that `check' has found; `problem' is for the admin. */
typedef void coi_contacts_problem_t(const char *problem, void *context);

struct coi_contacts_vfuncs {
	/* Judges `value' for `entry', the client's full name for it; `old' is
	   what is stored (NULL: nothing). Returns 0, or -1 if it is not
	   allowed; then *client_error_r (data stack) says why. */
	int (*judge)(enum coi_entry_class class, const char *entry,
		     const char *value, const char *old, time_t now,
		     struct coi_entry_verdict *verdict_r,
		     const char **client_error_r);

	/* Around several of the functions below, between lock and unlock of the
	   store: opening Contacts is most of their work, if it is large. */
	void (*begin)(struct coi_user *cuser);
	void (*end)(struct coi_user *cuser);

	/* Makes the entries follow the messages in Contacts that nobody has
	   looked at yet, and those that are gone (C4, C7). Returns 0, or -1
	   after logging why not; then it happens at the next occasion. */
	int (*catch_up)(struct coi_user *cuser);
	/* Makes the messages in Contacts that name one of the hashes, each of
	   which stands there once, say whether it is blocked (C6), and writes
	   one if there is none (C1): all of them, or none. Where a message
	   names several that shall not be the same, it blocks them. Returns 0,
	   or -1 with what may be told to the client; the log knows more. */
	int (*set_blocked)(struct coi_user *cuser,
			   const struct coi_contact_block *blocks,
			   unsigned int count, enum mail_error *error_r,
			   const char **client_error_r);

	/* Does the user block all senders of a message (C4, C5)? `fields' has
	   COI_FIELDS_SENDER. In doubt, and after logging errors, FALSE. */
	bool (*is_blocked)(struct coi_user *cuser,
			   const struct coi_fields *fields);
	/* A message of the group `id' was delivered, or appended by the user's
	   own client. `fields' has COI_FIELDS_GROUP. */
	void (*group_message)(struct coi_user *cuser, const char *id,
			      const struct coi_fields *fields, bool own);

	/* Finds what does not agree among the entries, the messages in
	   Contacts, the mailboxes and what the store keeps about them, tells of
	   each and mends it. Of a user without a store there is nothing to be
	   found, and none is made. Returns 0, or -1 if something could not be
	   checked or mended, which is logged. */
	int (*check)(struct coi_user *cuser, coi_contacts_problem_t *problem,
		     void *context);

	/* Hooks: the user's mailbox Contacts was allocated, and a mail of
	   it. */
	void (*mailbox_allocated)(struct mailbox *box);
	void (*mail_allocated)(struct mail *mail);
};

/* The plugin's functions, loading it if need be; NULL if it cannot be loaded,
   which is logged once. */
const struct coi_contacts_vfuncs *coi_contacts_get(struct coi_user *cuser);

/* Called by the plugin when it is loaded. */
void coi_contacts_register(const struct coi_contacts_vfuncs *v);

/* Hooks: load the plugin when Contacts is used. */
void coi_contacts_mailbox_allocated(struct mailbox *box);
void coi_contacts_mail_allocated(struct mail *mail);

/* Unloads it. */
void coi_contacts_deinit(void);

#endif
