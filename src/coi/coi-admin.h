#ifndef COI_ADMIN_H
#define COI_ADMIN_H

#include "coi-classify.h"
#include "coi-contacts.h"
#include "coi-deltachat.h"
#include "coi-seen-move.h"
#include "coi-user.h"

struct mail;
struct coi_contacts_vfuncs;
struct coi_webpush_vfuncs;

/* What the verbs of `doveadm coi' ask of this plugin beyond the METADATA
   entries, which they use as any client does.

   doveadm looks the table up in the loaded plugin when a verb runs. So the
   module with the verbs has no symbols that only this plugin resolves, and
   doveadm loads it, and can tell what is missing, without it too. */
struct coi_admin_vfuncs {
	/* coi_user_get() */
	struct coi_user *(*user_get)(struct mail_user *user);
	/* coi_user_get_active_filter() */
	int (*get_active_filter)(struct coi_user *cuser,
				 enum coi_filter *filter_r);
	/* coi_mailboxes_alloc() */
	struct mailbox *(*mailbox_alloc)(struct coi_user *cuser,
					 enum coi_mailbox which,
					 enum mailbox_flags flags);
	/* Reads the message's headers. Returns 0, or -1 with *error_r (data
	   stack) if they cannot be read. */
	int (*classify)(struct mail *mail, struct coi_class *class_r,
			const char **error_r);
	/* coi_seen_move_unseen_too() */
	void (*move)(struct mailbox *inbox, const ARRAY_TYPE(seq_range) *uids,
		     struct coi_seen_result *result_r);
	/* coi_store_erase() */
	int (*erase)(struct coi_user *cuser, const char **error_r);
	/* coi_webpush_check() */
	int (*check_push)(struct coi_user *cuser,
			  coi_contacts_problem_t *problem, void *context);
	/* coi_subscriptions_count() */
	int (*count_subscriptions)(struct coi_user *cuser,
				   unsigned int *count_r,
				   const char **error_r);
	/* coi_webpush_is_on() */
	bool (*push_is_on)(struct coi_user *cuser);
	/* coi_deltachat_is_on(), coi_deltachat_each(), coi_deltachat_remove() */
	bool (*tokens_are_on)(struct coi_user *cuser);
	int (*each_token)(struct coi_user *cuser,
			  coi_deltachat_callback_t *callback, void *context);
	int (*remove_token)(struct coi_user *cuser, const char *id,
			    const char *change, unsigned int *count_r);
	/* coi_webpush_get() */
	const struct coi_webpush_vfuncs *(*push_get)(struct coi_user *cuser);
	/* coi_contacts_get() */
	const struct coi_contacts_vfuncs *(*contacts_get)(struct coi_user *cuser);
};

/* The name by which it is looked up. */
#define COI_ADMIN_SYMBOL "coi_plugin_admin"
extern const struct coi_admin_vfuncs coi_plugin_admin;

#endif
