#ifndef COI_WEBPUSH_SEEN_H
#define COI_WEBPUSH_SEEN_H

struct coi_reading;
struct coi_user;

/* Tells the subscriptions that want to know of it what has been read elsewhere:
   see struct coi_webpush_vfuncs.

   A message counts if it would ring now (W23b), by its $Chat, its sender and
   whom the user has muted; where it was delivered to, and that it rang then,
   nobody has noted. Of several only the newest is told of, to each subscription
   the newest of the kind it wants, with the Topic of the push that it had. What
   it says is read at once, since it may be moved away before its push goes. */
unsigned int coi_webpush_seen(struct coi_user *cuser,
			      const struct coi_reading *reading);
/* The user goes. */
void coi_webpush_seen_deinit(struct coi_user *cuser);

#endif
