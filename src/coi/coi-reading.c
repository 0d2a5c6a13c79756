/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "coi-reading.h"
#include "coi-user.h"
#include "coi-webpush.h"

/* Never a wait for somebody else's work: \Recent stays, nothing is synced. */
#define COI_READING_FLAGS \
	(MAILBOX_FLAG_READONLY | MAILBOX_FLAG_IGNORE_ACLS)

bool coi_reading_find(struct coi_user *cuser, struct mailbox *box,
		      enum coi_reading_mailbox *mailbox_r)
{
	if (box->inbox_user)
		*mailbox_r = COI_READING_INBOX;
	else if (coi_mailboxes_is(cuser, box, COI_MAILBOX_CHATS))
		*mailbox_r = COI_READING_CHATS;
	else
		return FALSE;
	return TRUE;
}

struct mailbox *coi_reading_alloc(struct coi_user *cuser,
				  enum coi_reading_mailbox mailbox)
{
	struct mail_namespace *ns;

	switch (mailbox) {
	case COI_READING_INBOX:
		ns = mail_namespace_find_inbox(cuser->user->namespaces);
		return mailbox_alloc(ns->list, "INBOX", COI_READING_FLAGS);
	case COI_READING_CHATS:
		return coi_mailboxes_alloc(cuser, COI_MAILBOX_CHATS,
					   COI_READING_FLAGS);
	case COI_READING_MAILBOX_COUNT:
		break;
	}
	i_unreached();
}

bool coi_reading_is_wanted(struct coi_user *cuser)
{
	struct coi_active active;

	if (cuser->user->dsyncing || !coi_webpush_is_on(cuser))
		return FALSE;
	/* also while COI is off; if the store failed it is FALSE */
	(void)coi_user_get_active(cuser, &active);
	return active.has_seen_subscriptions;
}
