#ifndef COI_WEBPUSH_GONE_H
#define COI_WEBPUSH_GONE_H

struct coi_user;

/* Subscriptions that do not exist any more, as a push service has told the
   worker (W31): they are removed, if they still are those that the worker
   means. */

/* Asks for them, unless it has just asked; they go when the answer comes. */
void coi_webpush_gone_ask(struct coi_user *cuser);
/* Asks, and waits for the answer for a short time. Returns FALSE if there was
   none. */
bool coi_webpush_gone_wait(struct coi_user *cuser);
/* The user goes. */
void coi_webpush_gone_abort(struct coi_user *cuser);

#endif
