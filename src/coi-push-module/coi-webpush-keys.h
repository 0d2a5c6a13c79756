#ifndef COI_WEBPUSH_KEYS_H
#define COI_WEBPUSH_KEYS_H

#include "webpush-key.h"

struct coi_metadata_update;
struct coi_user;

/* The user's VAPID key, by which push services know who sends (W6, W30). It is
   made only when there is none: clients subscribe with its public part, and
   every subscription of the user's is worth nothing under another one. */

/* Reads the key. Returns 1, 0 if there is none, or -1 if there is one that
   cannot be used; that is logged once. The caller wipes it. */
int coi_webpush_keys_read(struct coi_user *cuser, struct webpush_key *key_r);

/* Makes one. Returns 0, or -1 with *error_r (data stack). The caller wipes
   it. */
int coi_webpush_keys_make(struct webpush_key *key_r, const char **error_r);
/* Has the update set the user's key to this one, in place of whatever there
   is. */
void coi_webpush_keys_add(struct coi_user *cuser, const struct webpush_key *key,
			  struct coi_metadata_update *update);

/* See struct coi_webpush_vfuncs. */
int coi_webpush_keys_prepare(struct coi_user *cuser);
int coi_webpush_keys_get_vapid(struct coi_user *cuser, bool raw,
			       const char **value_r);

#endif
