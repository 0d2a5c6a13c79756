/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "module-dir.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "compat-module.h"
#include "coi-contacts.h"
#include "coi-mailboxes.h"
#include "coi-user.h"

#define COI_CONTACTS_PLUGIN_NAME "coi_contacts"

static struct module *coi_contacts_modules;
static const struct coi_contacts_vfuncs *coi_contacts;
static bool coi_contacts_failed;

void coi_contacts_register(const struct coi_contacts_vfuncs *v)
{
	coi_contacts = v;
}

const struct coi_contacts_vfuncs *coi_contacts_get(struct coi_user *cuser)
{
	const char *error;

	if (coi_contacts != NULL || coi_contacts_failed)
		return coi_contacts;
	if (compat_module_load(&coi_contacts_modules, cuser->user,
			       COI_CONTACTS_PLUGIN_NAME, &error) < 0) {
		coi_contacts_failed = TRUE;
		e_error(coi_user_get_event(cuser), "Contacts and groups are "
			"off: Loading the plugin "COI_CONTACTS_PLUGIN_NAME
			" failed: %s", error);
	}
	return coi_contacts;
}

static const struct coi_contacts_vfuncs *
coi_contacts_get_for_mailbox(struct mailbox *box)
{
	struct mail_namespace *ns = mailbox_get_namespace(box);
	struct coi_user *cuser;

	if (ns->type != MAIL_NAMESPACE_TYPE_PRIVATE || box->inbox_user)
		return NULL;
	/* also in a delivery that is otherwise none of ours: what a script
	   files into Contacts must be told from what clients store there */
	cuser = coi_user_get(box->storage->user);
	if (cuser == NULL || cuser->user->dsyncing ||
	    !coi_mailboxes_is(cuser, box, COI_MAILBOX_CONTACTS))
		return NULL;
	return coi_contacts_get(cuser);
}

void coi_contacts_mailbox_allocated(struct mailbox *box)
{
	const struct coi_contacts_vfuncs *v = coi_contacts_get_for_mailbox(box);

	if (v != NULL)
		v->mailbox_allocated(box);
}

void coi_contacts_mail_allocated(struct mail *mail)
{
	if (coi_contacts != NULL)
		coi_contacts->mail_allocated(mail);
}

void coi_contacts_deinit(void)
{
	module_dir_unload(&coi_contacts_modules);
	coi_contacts = NULL;
	coi_contacts_failed = FALSE;
}
