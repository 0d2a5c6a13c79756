#ifndef COI_DELTACHAT_H
#define COI_DELTACHAT_H

#include "coi-token.h"

struct coi_user;
struct mailbox;

/* The dialect of Delta Chat, which knows nothing of Web Push: a client sets the
   token of its device as the entry /private/devicetoken of INBOX, and for each
   message that rings the token goes to the administrator's URL, as it is. The
   entry is a set: each token is kept beside the others until nobody has set it
   for long. In the store, and to dsync, each is an entry of its own
   (COI_ENTRY_TOKEN); what rings is the plugin `coi_push' (coi-webpush.h).

   Unless the administrator has set a URL nothing here does anything. */

/* Has the administrator set it up (coi_deltachat_push_url)? A URL that is none is
   logged once. */
bool coi_deltachat_is_on(struct coi_user *cuser);
/* And is the plugin there that sends? For what is told to clients. */
bool coi_deltachat_is_available(struct coi_user *cuser);

/* Called within a data stack frame of its own. */
typedef void
coi_deltachat_callback_t(struct coi_user *cuser, const char *id,
			 const struct coi_token *token, void *context);
/* Calls back for each token that has not expired, in no order. Returns 0, or -1
   if not all could be listed or read, which is logged. */
int coi_deltachat_each(struct coi_user *cuser,
		       coi_deltachat_callback_t *callback, void *context);
/* Reads one, which may have expired. Returns 1, 0 if there is none, or -1 if it
   cannot be read or is none of ours; then *error_r (data stack) is for the
   log. */
int coi_deltachat_read(struct coi_user *cuser, const char *id,
		       struct coi_token *token_r, const char **error_r);

/* Appends the ids of all that the store has, whatever it has there, allocated from
   the array's pool. Returns 0, or -1 after logging why not. */
int coi_deltachat_list_ids(struct coi_user *cuser,
			   ARRAY_TYPE(const_string) *ids);
/* Are there any but this one? */
bool coi_deltachat_has_others(struct coi_user *cuser, const char *id);
/* Removes one, or with NULL all, and tells the event of the change. Returns 0 and
   how many there were, or -1 after logging why not. */
int coi_deltachat_remove(struct coi_user *cuser, const char *id,
			 const char *change, unsigned int *count_r);
/* Removes those that have expired; most times there are none, and no lock is
   taken. Errors are logged. */
void coi_deltachat_tidy(struct coi_user *cuser);

/* Tokens with the ids in `added' (ended by NULL, each once) are about to be
   written: appends the ids of those that have to give way, which have expired or
   are the oldest, and tells the events. Call it between lock and unlock. Returns
   0, or -1 if there are too many in `added' alone; then *error_r (data stack) may
   be sent to the client. */
int coi_deltachat_find_surplus(struct coi_user *cuser,
			       const char *const *added,
			       ARRAY_TYPE(const_string) *ids,
			       const char **error_r);

/* Hook: `box' was allocated. Does nothing unless it is on. */
void coi_deltachat_mailbox_allocated(struct mailbox *box);

#endif
