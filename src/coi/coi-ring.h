#ifndef COI_RING_H
#define COI_RING_H

struct coi_user;
struct mail;
struct mailbox;

/* Which messages ring: once each that a delivery has stored where the user looks
   for new mail (W23b). What it says - who sends it, and whether the user wants to
   hear of it - is looked at by the plugin `coi_push' (coi-webpush.h).

   A delivery may store a message several times, and core may do so after our hook
   has returned. So the commits are collected while the hook runs, and one of them
   is chosen when it ends; after that the first one rings at once. */

struct coi_ring_delivery {
	struct mail *mail;
	/* where `keep' puts it */
	const char *default_mailbox;
	/* NULL: not known */
	const char *recipient;
	/* It gets $Chat. */
	bool chat;
	/* NULL: it belongs to no group. */
	const char *group_id;
};

/* The delivery begins, of a user who may have subscriptions. What it points to
   lives as long as the delivery. */
void coi_ring_begin(struct coi_user *cuser,
		    const struct coi_ring_delivery *delivery);

/* A save of the message was committed, without \Seen. uid 0: not known. */
void coi_ring_saved(struct coi_user *cuser, struct mailbox *box,
		    uint32_t uid_validity, uint32_t uid);

/* The hook returns. `done': core will not store the message. */
void coi_ring_end(struct coi_user *cuser, bool done);

#endif
