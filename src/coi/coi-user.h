#ifndef COI_USER_H
#define COI_USER_H

#include "module-context.h"
#include "mail-user.h"
#include "coi-config.h"
#include "coi-mailboxes.h"
#include "coi-settings.h"

struct coi_ring_watch;
struct coi_store;
struct coi_webpush_seen;

/* What the plugin keeps for one user of this process. It holds no copy of what
   the store says: settings made by another session are obeyed by the next
   command and the next delivery (S42). */
struct coi_user {
	union mail_user_module_context module_ctx;
	struct mail_user *user;
	/* see coi_user_get_event() */
	struct event *_event;
	const struct coi_settings *set;
	struct coi_store *store;

	/* the clients' names of COI's mailboxes, made when first asked for */
	const char *root_vname;
	const char *mailbox_vnames[COI_MAILBOX_COUNT];

	/* The user is here for a delivery (in lmtp and dovecot-lda a user lives
	   for one message): the delivery hook has looked at the message, saves
	   need not look again. Core's own saves come after the hook. */
	bool delivering;
	/* That message is chat: every save of it gets $Chat (S37). */
	bool delivering_chat;
	/* It was stored in a mailbox of the user's own namespaces. */
	bool delivery_stored;
	/* It may ring (coi-ring.h); NULL: it does not. */
	struct coi_ring_watch *ring;
	/* We create, rename or subscribe mailboxes ourselves: no command of a
	   client (S31). */
	bool own_mailbox_change;
	/* What coi_contacts keeps while it works. */
	struct coi_contacts_session *contacts_session;
	/* We work in Contacts ourselves (coi-contacts.h). */
	bool contacts_busy;
	/* The store's failure was logged already. */
	bool store_error_logged;
	/* The same for the key of Web Push. */
	bool push_key_error_logged;
	/* Called before the filter `seen' moves; may be NULL. */
	void (*before_seen_move)(struct mail_user *user);
	/* What was read, and is to be pushed (coi-reading.h). */
	struct coi_webpush_seen *push_seen;
	/* Subscriptions that are gone are being asked for (coi-webpush.h). */
	bool push_gone_asked;
	/* This session has looked for them, or is going to. */
	bool push_tidied;
	struct timeout *to_push_tidy;
};

/* The user's COI context, or NULL: not a user of this plugin (raw and shared
   storage users, `coi = no', bad settings). */
struct coi_user *coi_user_get(struct mail_user *user);

/* The same for hooks of mailboxes and mails that do nothing in a delivery
   unless its message is chat, because each function that a plugin overrides
   costs every delivery. */
struct coi_user *coi_user_get_unless_idle(struct mail_user *user);

/* The user's event for what we log: category "coi", prefix "coi: ", child of
   the user's own. It is made when first asked for: most deliveries log
   nothing. */
struct event *coi_user_get_event(struct coi_user *cuser);

/* How COI acts for a user. */
struct coi_active {
	enum coi_filter filter;
	/* see coi-config.h */
	bool has_blocked;
	bool has_subscriptions;
	bool has_seen_subscriptions;
};

/* Tells whether to act for this user now, and how. Returns 1 if COI is enabled
   and *active_r is set, 0 if not, -1 if the store failed or holds a filter that
   is none (S41); that is logged once per user. Subscriptions ring also for users
   who have COI off: their marks are set unless the store failed. */
int coi_user_get_active(struct coi_user *cuser, struct coi_active *active_r);
/* The same for those who need the filter only. */
int coi_user_get_active_filter(struct coi_user *cuser,
			       enum coi_filter *filter_r);

/* Hook: a user was created. Sets the context up, or does nothing. */
void coi_user_created(struct mail_user *user);

#endif
