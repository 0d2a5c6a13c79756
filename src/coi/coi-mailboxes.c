/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "coi-limits.h"
#include "coi-mailboxes.h"
#include "coi-user.h"

static const char *coi_mailbox_leaf_names[] = {
	[COI_MAILBOX_CONTACTS] = "Contacts",
	[COI_MAILBOX_CHATS] = "Chats",
};

static const char *
coi_mailboxes_with_separator(const char *name, char sep)
{
	char *copy = t_strdup_noconst(name);
	char *p;

	for (p = copy; *p != '\0'; p++) {
		if (*p == '/')
			*p = sep;
	}
	return copy;
}

/* A setting's mailbox name -> the client's name for it. */
static const char *coi_mailboxes_resolve(struct mail_user *user, const char *name)
{
	struct mail_namespace *inbox_ns =
		mail_namespace_find_inbox(user->namespaces);
	struct mail_namespace *ns;

	name = coi_mailboxes_with_separator(name,
					    mail_namespace_get_sep(inbox_ns));
	ns = mail_namespace_find(user->namespaces, name);
	if (ns != NULL && ns->prefix_len > 0 &&
	    ns->type == MAIL_NAMESPACE_TYPE_PRIVATE)
		return p_strdup(user->pool, name);
	return p_strconcat(user->pool, inbox_ns->prefix, name, NULL);
}

const char *coi_mailboxes_get_root(struct coi_user *cuser)
{
	if (cuser->root_vname == NULL) {
		cuser->root_vname = coi_mailboxes_resolve(cuser->user,
			cuser->set->coi_mailbox_root);
	}
	return cuser->root_vname;
}

static struct mail_namespace *
coi_mailboxes_find_ns(struct coi_user *cuser, const char *vname)
{
	struct mail_namespace *ns =
		mail_namespace_find(cuser->user->namespaces, vname);

	i_assert(ns != NULL);
	return ns;
}

static const char *
coi_mailboxes_make_vname(struct coi_user *cuser, enum coi_mailbox which)
{
	const char *root;

	if (which == COI_MAILBOX_BLOCKED) {
		return coi_mailboxes_resolve(cuser->user,
					     cuser->set->coi_mailbox_blocked);
	}
	root = coi_mailboxes_get_root(cuser);
	return p_strdup_printf(cuser->user->pool, "%s%c%s", root,
		mail_namespace_get_sep(coi_mailboxes_find_ns(cuser, root)),
		coi_mailbox_leaf_names[which]);
}

const char *coi_mailboxes_get_vname(struct coi_user *cuser,
				    enum coi_mailbox which)
{
	i_assert(which < COI_MAILBOX_COUNT);

	if (cuser->mailbox_vnames[which] == NULL) {
		cuser->mailbox_vnames[which] =
			coi_mailboxes_make_vname(cuser, which);
	}
	return cuser->mailbox_vnames[which];
}

struct mailbox *coi_mailboxes_alloc(struct coi_user *cuser,
				    enum coi_mailbox which,
				    enum mailbox_flags flags)
{
	const char *vname = coi_mailboxes_get_vname(cuser, which);

	return mailbox_alloc(coi_mailboxes_find_ns(cuser, vname)->list,
			     vname, flags);
}

bool coi_mailboxes_is(struct coi_user *cuser, struct mailbox *box,
		      enum coi_mailbox which)
{
	const char *vname = coi_mailboxes_get_vname(cuser, which);

	return mailbox_equals(box, coi_mailboxes_find_ns(cuser, vname), vname);
}

static int coi_mailboxes_create_locked(struct mailbox *box)
{
	enum mailbox_existence existence;

	if (mailbox_exists(box, FALSE, &existence) < 0)
		return -1;
	/* The list may still show a mailbox whose parent's place it only takes */
	if (existence == MAILBOX_EXISTENCE_SELECT && mailbox_open(box) == 0)
		return 0;
	if (mailbox_create(box, NULL, FALSE) < 0 &&
	    mailbox_get_last_mail_error(box) != MAIL_ERROR_EXISTS)
		return -1;
	return 0;
}

/* Dovecot creates under this lock too: without it a mailbox that another
   process is just making looks broken. */
static int coi_mailboxes_create(struct mailbox *box)
{
	int ret;

	if (mailbox_list_lock(box->list) < 0) {
		mail_storage_copy_list_error(box->storage, box->list);
		return -1;
	}
	ret = coi_mailboxes_create_locked(box);
	mailbox_list_unlock(box->list);
	return ret;
}

static int
coi_mailboxes_try_ensure(struct coi_user *cuser, enum coi_mailbox which,
			 enum mail_error *error_r, const char **client_error_r,
			 const char **log_error_r)
{
	struct mailbox *box =
		coi_mailboxes_alloc(cuser, which, MAILBOX_FLAG_IGNORE_ACLS);
	int ret;

	cuser->own_mailbox_change = TRUE;
	ret = coi_mailboxes_create(box);
	if (ret == 0 && which == COI_MAILBOX_CHATS)
		ret = mailbox_set_subscribed(box, TRUE);
	cuser->own_mailbox_change = FALSE;

	if (ret < 0) {
		*log_error_r = t_strdup(
			mailbox_get_last_internal_error(box, NULL));
		*client_error_r = t_strdup(mailbox_get_last_error(box, error_r));
	}
	mailbox_free(&box);
	return ret;
}

int coi_mailboxes_ensure(struct coi_user *cuser, enum coi_mailbox which,
			 enum mail_error *error_r, const char **client_error_r)
{
	const char *log_error = NULL;
	unsigned int i;

	/* "Not found" is what 2.4 says now and then of a mailbox, or of its
	   parent, that another process has made a moment ago */
	for (i = 0; i < COI_MAILBOX_CREATE_TRIES_MAX; i++) {
		if (coi_mailboxes_try_ensure(cuser, which, error_r,
					     client_error_r, &log_error) == 0)
			return 0;
		if (*error_r != MAIL_ERROR_NOTFOUND)
			break;
	}
	e_error(coi_user_get_event(cuser), "Creating mailbox %s failed: %s",
		coi_mailboxes_get_vname(cuser, which), log_error);
	return -1;
}
