#ifndef COI_WEBPUSH_TOKENS_H
#define COI_WEBPUSH_TOKENS_H

#include "coi-token.h"
#include "coi-webpush.h"

struct coi_webpush_note;

/* Device tokens of Delta Chat (coi-deltachat.h): they ring as subscriptions do,
   with neither key nor encryption, at the URL that the administrator has set. */

struct coi_webpush_token {
	const char *id, *token, *generation;
};
ARRAY_DEFINE_TYPE(coi_webpush_token, struct coi_webpush_token);

/* Appends those that are to ring, allocated from the array's pool. What could not
   be read is logged. */
void coi_webpush_tokens_find(struct coi_user *cuser,
			     ARRAY_TYPE(coi_webpush_token) *tokens);
/* Has them ring. What goes wrong is logged. */
void coi_webpush_tokens_ring(struct coi_user *cuser,
			     const ARRAY_TYPE(coi_webpush_token) *tokens);

/* As `list' and `test' of struct coi_webpush_vfuncs;
   *found_r tells whether it is the id of a token. */
int coi_webpush_tokens_list(struct coi_user *cuser,
			    coi_webpush_info_callback_t *callback,
			    void *context);
int coi_webpush_tokens_test(struct coi_user *cuser, const char *id,
			    bool *found_r, const char **job_id_r,
			    struct coi_webpush_failure *failure_r);

/* Is the note about a token that the user has, and has not set again since? */
bool coi_webpush_tokens_has_note(struct coi_user *cuser,
				 const struct coi_webpush_note *note);

#endif
