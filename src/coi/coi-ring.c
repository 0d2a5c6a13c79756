/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "compat-mailbox.h"
#include "coi-mailboxes.h"
#include "coi-ring.h"
#include "coi-user.h"
#include "coi-webpush.h"

/* The better the higher. */
enum coi_ring_rank {
	COI_RING_RANK_NONE,
	COI_RING_RANK_LAST,
	COI_RING_RANK_DEFAULT,
	COI_RING_RANK_CHATS,
};

struct coi_ring_watch {
	struct coi_ring_delivery delivery;
	/* The hook has returned: core stores the message. */
	bool hook_ended;

	/* The best commit so far. */
	enum coi_ring_rank rank;
	const char *folder;
	uint32_t uid, uid_validity;
};

void coi_ring_begin(struct coi_user *cuser,
		    const struct coi_ring_delivery *delivery)
{
	/* lives as long as the user: so long core may store messages */
	cuser->ring = p_new(cuser->user->pool, struct coi_ring_watch, 1);
	cuser->ring->delivery = *delivery;
}

static bool
coi_ring_has_special_use(struct mailbox *box, const char *special_use)
{
	return str_array_find(compat_mailbox_find_special_use(
		mailbox_get_namespace(box), special_use), box->vname);
}

static enum coi_ring_rank
coi_ring_rank(struct coi_user *cuser, struct mailbox *box)
{
	const char *default_mailbox = cuser->ring->delivery.default_mailbox;

	if (coi_mailboxes_is(cuser, box, COI_MAILBOX_BLOCKED) ||
	    coi_ring_has_special_use(box, "\\Junk") ||
	    coi_ring_has_special_use(box, "\\Trash"))
		return COI_RING_RANK_NONE;
	if (coi_mailboxes_is(cuser, box, COI_MAILBOX_CHATS))
		return COI_RING_RANK_CHATS;
	if (strcmp(box->vname, default_mailbox) == 0 ||
	    (box->inbox_user && strcasecmp(default_mailbox, "INBOX") == 0))
		return COI_RING_RANK_DEFAULT;
	return COI_RING_RANK_LAST;
}

static void coi_ring_now(struct coi_user *cuser)
{
	struct coi_ring_watch *watch = cuser->ring;
	const struct coi_webpush_vfuncs *v;
	const struct coi_ring ring = {
		.mail = watch->delivery.mail,
		.folder = watch->folder,
		.uid = watch->uid,
		.uid_validity = watch->uid_validity,
		.chat = watch->delivery.chat,
		.group_id = watch->delivery.group_id,
		.recipient = watch->delivery.recipient,
	};

	cuser->ring = NULL;
	v = coi_webpush_get(cuser);
	if (v != NULL) T_BEGIN {
		v->ring(cuser, &ring);
	} T_END;
}

void coi_ring_saved(struct coi_user *cuser, struct mailbox *box,
		    uint32_t uid_validity, uint32_t uid)
{
	struct coi_ring_watch *watch = cuser->ring;
	enum coi_ring_rank rank;

	T_BEGIN {
		rank = coi_ring_rank(cuser, box);
	} T_END;
	/* of several that are as good the last one counts */
	if (rank == COI_RING_RANK_NONE || rank < watch->rank)
		return;
	watch->rank = rank;
	watch->folder = p_strdup(cuser->user->pool, box->vname);
	watch->uid = uid;
	watch->uid_validity = uid_validity;
	if (watch->hook_ended)
		coi_ring_now(cuser);
}

void coi_ring_end(struct coi_user *cuser, bool done)
{
	struct coi_ring_watch *watch = cuser->ring;

	if (watch->rank != COI_RING_RANK_NONE)
		coi_ring_now(cuser);
	else if (done)
		cuser->ring = NULL;
	else
		watch->hook_ended = TRUE;
}
