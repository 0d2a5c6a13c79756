#ifndef COI_WEBPUSH_QUIET_H
#define COI_WEBPUSH_QUIET_H

struct coi_ring;
struct coi_user;
struct coi_webpush_message;

/* Why a message does not ring, by what it says (W23, W23b, C10, C11): a read
   receipt, the user's own, muted. A word for the log; NULL: it rings. In doubt,
   and after logging errors, it does. */
const char *coi_webpush_quiet(struct coi_user *cuser,
			      const struct coi_ring *ring,
			      const struct coi_webpush_message *message);

#endif
