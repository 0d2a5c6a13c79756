#ifndef COI_WEBPUSH_H
#define COI_WEBPUSH_H

#include "mail-error.h"
#include "coi-contacts.h"

struct mail;
struct coi_reading;
struct coi_user;

/* The plugin `coi_push', which knows what subscriptions and pushes are. It needs
   libcrypto, which costs each process that loads it 415 kB, so it is loaded when
   a user touches an entry of Web Push, or a message rings, for the first
   time. */

enum coi_webpush_validation {
	COI_WEBPUSH_VALIDATION_OK,
	/* The text is wrong. */
	COI_WEBPUSH_VALIDATION_WRONG,
	/* Too late, or wrong too often (W19, W20): it is to be removed. */
	COI_WEBPUSH_VALIDATION_DISCARD,
};

/* A message that rings, where the user finds it (W23b). */
struct coi_ring {
	/* It can be read as often as need be. */
	struct mail *mail;
	/* The mailbox as clients see it; uid 0: not known. */
	const char *folder;
	uint32_t uid, uid_validity;
	/* It carries $Chat; NULL: it belongs to no group. */
	bool chat;
	const char *group_id;
	/* Whom the delivery was for; NULL: not known. */
	const char *recipient;
};

/* A subscription as an administrator may see it; strings may be "". */
struct coi_webpush_info {
	const char *id;
	const char *client, *device;
	const char *msgtype;
	bool validated;
	time_t created;
	/* The push service's host; "" if it may not be pushed to (any more). */
	const char *host;
	/* Who knows these can push to the device. Of a device token it is the
	   first alone, in place of an endpoint; the others are NULL. */
	const char *endpoint, *p256dh, *auth;
};

/* Called within a data stack frame of its own. */
typedef void
coi_webpush_info_callback_t(void *context, const struct coi_webpush_info *info);

/* Why an administrator's wish was not fulfilled. The text is in the data
   stack. */
struct coi_webpush_failure {
	enum mail_error error;
	const char *text;
};

/* `stored' is the value of an entry as the store has it. */
struct coi_webpush_vfuncs {
	/* Makes sure that the user has a key that can be used, making one if
	   there is none (W6). Returns 0, or -1 after logging why not. */
	int (*prepare)(struct coi_user *cuser);
	/* The public key for clients (data stack): as PEM, or `raw'. Returns
	   as the above. */
	int (*get_vapid)(struct coi_user *cuser, bool raw,
			 const char **value_r);

	/* Judges the value of a new subscription for `entry', the client's full
	   name for it. Returns 0 and what is to be stored (data stack), or -1
	   if it is not allowed; then *client_error_r (data stack) says why. */
	int (*judge)(struct coi_user *cuser, const char *entry,
		     const char *value, time_t now, const char **stored_r,
		     const char **client_error_r);
	/* What the text makes of the subscription; *stored_r (data stack) is
	   the same with that noted, unless it is to be removed. */
	enum coi_webpush_validation
		(*validate)(struct coi_user *cuser, const char *stored,
			    const char *text, time_t now,
			    const char **stored_r);
	/* The subscription as clients see it (data stack), NULL if they do
	   not. */
	const char *(*show)(struct coi_user *cuser, const char *stored,
			    time_t now);

	/* It was made or replaced: pushes the text that validates it (W17). */
	void (*subscribed)(struct coi_user *cuser, const char *id,
			   const char *stored);
	/* It was removed or replaced: drops what waits to be pushed. */
	void (*cancel)(struct coi_user *cuser, const char *id);
	/* Removes those that were not validated in time (W20). Asks for those
	   that push services say do not exist any more (W31), and removes them
	   when the answer comes. */
	void (*tidy)(struct coi_user *cuser);

	/* A message was delivered: pushes it, unless its content says that it
	   shall not ring. */
	void (*ring)(struct coi_user *cuser, const struct coi_ring *ring);

	/* Messages have got \Seen: pushes that, or keeps it in mind until the
	   last such push is some time ago. It opens mailboxes and reads
	   headers, so call it while no command waits. Returns after how many
	   msecs to call it again, 0: there is no need. */
	unsigned int (*seen)(struct coi_user *cuser,
			     const struct coi_reading *reading);

	/* As that of contacts. */
	int (*check)(struct coi_user *cuser, coi_contacts_problem_t *problem,
		     void *context);

	/* Calls back for each subscription and token, in no order. Returns 0, or -1 if
	   some could not be listed or read, which is logged. */
	int (*list)(struct coi_user *cuser,
		    coi_webpush_info_callback_t *callback, void *context);
	/* Pushes a notification that says it is a test, and waits until the
	   worker has it, for a short time. Returns 0 and the job's id (data
	   stack), or -1. */
	int (*test)(struct coi_user *cuser, const char *id,
		    const char **job_id_r,
		    struct coi_webpush_failure *failure_r);
	/* Makes another VAPID key, whatever has become of the old one, and
	   removes all subscriptions, which are worth nothing under it. Returns
	   1 and how many these were, 0 if there was nothing to reset, or
	   -1. */
	int (*rekey)(struct coi_user *cuser, unsigned int *removed_r,
		     struct coi_webpush_failure *failure_r);
	/* Waits until the worker has answered all that this process has told
	   it, for a short time. Returns 0, or -1 if it has not, or has refused
	   something; then *error_r (data stack) says which. */
	int (*flush)(const char **error_r);

	/* The user goes. */
	void (*user_deinit)(struct coi_user *cuser);
};

/* Has the administrator set up push (coi_push_subject)? */
bool coi_webpush_is_on(struct coi_user *cuser);
/* Is the plugin there? */
bool coi_webpush_is_installed(struct coi_user *cuser);
/* Both. For what is told to clients. */
bool coi_webpush_is_available(struct coi_user *cuser);

/* The plugin's functions, loading it if need be; NULL if it cannot be loaded,
   which is logged once. */
const struct coi_webpush_vfuncs *coi_webpush_get(struct coi_user *cuser);

/* Called by the plugin when it is loaded. */
void coi_webpush_register(const struct coi_webpush_vfuncs *v);

/* Calls `tidy' if the user may have subscriptions, but not more often than once in
   COI_PUSH_TIDY_WINDOW_MSECS in all sessions. */
void coi_webpush_tidy_rarely(struct coi_user *cuser);

/* The user goes. */
void coi_webpush_user_deinit(struct coi_user *cuser);
/* Checks what is kept for push, as `check' of contacts does. */
int coi_webpush_check(struct coi_user *cuser, coi_contacts_problem_t *problem,
		      void *context);

/* Unloads it. */
void coi_webpush_deinit(void);

#endif
