/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "mail-storage-private.h"
#include "coi-mailboxes.h"
#include "coi-user.h"
#include "coi-contacts-session.h"

void coi_contacts_session_ref(struct coi_user *cuser)
{
	struct coi_contacts_session *session = cuser->contacts_session;

	if (session == NULL) {
		session = i_new(struct coi_contacts_session, 1);
		session->box = coi_mailboxes_alloc(cuser, COI_MAILBOX_CONTACTS,
						   MAILBOX_FLAG_IGNORE_ACLS);
		cuser->contacts_session = session;
	}
	session->refcount++;
}

void coi_contacts_session_unref(struct coi_user *cuser)
{
	struct coi_contacts_session *session = cuser->contacts_session;

	i_assert(session->refcount > 0);

	if (--session->refcount > 0)
		return;
	cuser->contacts_session = NULL;
	coi_store_unmap(&session->index_map);
	mailbox_free(&session->box);
	i_free(session);
}

/* mailbox_sync() makes an inconsistent view consistent, as that of a new maildir
   is. To do so it passes over all messages if some are \Recent, which nobody knows
   the first time. */
int coi_contacts_session_sync(struct coi_contacts_session *session)
{
	struct mailbox_sync_context *ctx;
	struct mailbox_sync_status status;

	if (session->synced) {
		ctx = mailbox_sync_init(session->box, 0);
		if (mailbox_sync_deinit(&ctx, &status) == 0)
			return 0;
	}
	session->synced = TRUE;
	return mailbox_sync(session->box, 0);
}
