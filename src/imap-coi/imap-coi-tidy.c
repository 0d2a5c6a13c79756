/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "imap-common.h"
#include "ioloop.h"
#include "mail-storage-private.h"
#include "coi-user.h"
#include "coi-webpush.h"
#include "imap-coi-tidy.h"

static void imap_coi_tidy(struct coi_user *cuser)
{
	timeout_remove(&cuser->to_push_tidy);
	T_BEGIN {
		coi_webpush_tidy_rarely(cuser);
	} T_END;
}

void imap_coi_tidy_mailbox_allocated(struct mailbox *box)
{
	struct coi_user *cuser = coi_user_get(box->storage->user);

	/* only SELECT asks for this flag */
	if (cuser == NULL || cuser->push_tidied || !box->inbox_user ||
	    (box->flags & MAILBOX_FLAG_DROP_RECENT) == 0)
		return;
	cuser->push_tidied = TRUE;
	cuser->to_push_tidy = timeout_add_short_to(io_loop_get_root(), 0,
						   imap_coi_tidy, cuser);
}
