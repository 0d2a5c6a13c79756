/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "module-context.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "compat-mailbox.h"
#include "coi-folders.h"
#include "coi-mailboxes.h"
#include "coi-metadata.h"
#include "coi-user.h"

#define COI_FOLDERS_CONTEXT(obj) \
	MODULE_CONTEXT_REQUIRE(obj, coi_folders_module)

#define COI_DEFAULT_TRASH "Trash"

static MODULE_CONTEXT_DEFINE_INIT(coi_folders_module,
				  &mail_storage_module_register);

/* Is this IMAP command being executed, and is the change the client's own? The
   imap process says so: no other one has commands of these names. */
static bool
coi_folders_is_command(struct coi_user *cuser, const char *cmd_name)
{
	struct event *event = event_get_global();
	const char *value;

	if (cuser->own_mailbox_change || event == NULL)
		return FALSE;
	value = event_find_field_recursive_str(event, "cmd_name");
	return null_strcmp(value, cmd_name) == 0;
}

static bool coi_folders_is_enabled(struct coi_user *cuser)
{
	enum coi_filter filter;

	return coi_user_get_active_filter(cuser, &filter) > 0;
}

/*
 * Names
 */

/* A namespace may be another one's alias: the same mailboxes under another
   prefix. */
static struct mail_namespace *coi_folders_get_ns(struct mailbox *box)
{
	struct mail_namespace *ns = box->list->ns;

	while (ns->alias_for != NULL)
		ns = ns->alias_for;
	return ns;
}

static const char *coi_folders_get_vname(struct mailbox *box)
{
	return mailbox_list_get_vname(coi_folders_get_ns(box)->list, box->name);
}

static bool coi_folders_is_chats(struct coi_user *cuser, struct mailbox *box)
{
	return strcmp(coi_folders_get_vname(box),
		      coi_mailboxes_get_vname(cuser, COI_MAILBOX_CHATS)) == 0;
}

static bool
coi_folders_is_below(const char *name, const char *parent, char sep)
{
	size_t len = strlen(parent);

	return strncmp(name, parent, len) == 0 && name[len] == sep;
}

/* Is the mailbox Chats, or one that has it below? Storage names are compared,
   since for clients everything may seem to be below INBOX. */
static bool coi_folders_holds_chats(struct mailbox *box, struct mailbox *chats)
{
	return coi_folders_get_ns(box) == coi_folders_get_ns(chats) &&
		(strcmp(box->name, chats->name) == 0 ||
		 coi_folders_is_below(chats->name, box->name,
			mailbox_list_get_hierarchy_sep(chats->list)));
}

static bool coi_folders_exists(struct mailbox *chats)
{
	enum mailbox_existence existence;

	return mailbox_exists(chats, FALSE, &existence) == 0 &&
		existence == MAILBOX_EXISTENCE_SELECT;
}

static struct mailbox *coi_folders_alloc_chats(struct coi_user *cuser)
{
	return coi_mailboxes_alloc(cuser, COI_MAILBOX_CHATS,
				   MAILBOX_FLAG_IGNORE_ACLS);
}

/* Chats' name (as clients see it) after renaming src, which holds it. */
static const char *
coi_folders_renamed_chats(struct mailbox *src, struct mailbox *dest,
			  struct mailbox *chats)
{
	char src_sep = mail_namespace_get_sep(coi_folders_get_ns(src));
	char dest_sep = mail_namespace_get_sep(coi_folders_get_ns(dest));
	const char *suffix = coi_folders_get_vname(chats) +
		strlen(coi_folders_get_vname(src));
	string_t *name = t_str_new(128);

	str_append(name, coi_folders_get_vname(dest));
	for (; *suffix != '\0'; suffix++) {
		str_append_c(name, *suffix == src_sep ? dest_sep : *suffix);
	}
	return str_c(name);
}

/* Is the name below trash: a mailbox with special use \Trash, or what everybody
   takes for it if configuration names none (S29)? */
static bool
coi_folders_is_below_trash(struct mail_user *user, const char *vname)
{
	struct mail_namespace *ns;
	const char *const *names;
	bool have_trash = FALSE;

	for (ns = user->namespaces; ns != NULL; ns = ns->next) {
		names = compat_mailbox_find_special_use(ns, "\\Trash");
		for (; *names != NULL; names++) {
			have_trash = TRUE;
			if (coi_folders_is_below(vname, *names,
						 mail_namespace_get_sep(ns)))
				return TRUE;
		}
	}
	ns = mail_namespace_find_inbox(user->namespaces);
	return !have_trash &&
		coi_folders_is_below(vname,
			t_strconcat(ns->prefix, COI_DEFAULT_TRASH, NULL),
			mail_namespace_get_sep(ns));
}

/*
 * Enabling and disabling
 */

static void coi_folders_enable(struct coi_user *cuser)
{
	enum mail_error error;
	const char *errstr;
	enum coi_filter filter;

	/* what failed was logged, and the client's command has succeeded */
	if (coi_user_get_active_filter(cuser, &filter) == 0)
		(void)coi_metadata_set_enabled(cuser, TRUE, &error, &errstr);
}

static int coi_folders_disable(struct coi_user *cuser, struct mailbox *box)
{
	enum mail_error error;
	const char *errstr;

	if (coi_metadata_set_enabled(cuser, FALSE, &error, &errstr) == 0)
		return 0;
	mail_storage_set_error(box->storage, error, errstr);
	return -1;
}

/* Deleting or renaming `box' failed, for reasons that remain its last error. */
static void
coi_folders_reenable(struct coi_user *cuser, struct mailbox *box)
{
	struct mailbox *chats = coi_folders_alloc_chats(cuser);

	mail_storage_last_error_push(box->storage);
	if (coi_folders_exists(chats))
		coi_folders_enable(cuser);
	mail_storage_last_error_pop(box->storage);
	mailbox_free(&chats);
}

/*
 * Create, delete, rename
 */

static int
coi_folders_create_box(struct mailbox *box, const struct mailbox_update *update,
		       bool directory)
{
	union mailbox_module_context *fbox = COI_FOLDERS_CONTEXT(box);
	struct coi_user *cuser = coi_user_get(box->storage->user);

	if (fbox->super.create_box(box, update, directory) < 0)
		return -1;
	/* not if it is only the place of mailboxes below */
	if (coi_folders_is_command(cuser, "CREATE") &&
	    coi_folders_is_chats(cuser, box) && coi_folders_exists(box))
		coi_folders_enable(cuser);
	return 0;
}

/* Does the client delete Chats while COI is enabled? One that is not open is no
   mailbox but the place of some below. */
static bool
coi_folders_must_disable(struct coi_user *cuser, struct mailbox *box)
{
	return box->opened && coi_folders_is_command(cuser, "DELETE") &&
		coi_folders_is_chats(cuser, box) &&
		coi_folders_is_enabled(cuser);
}

static int coi_folders_delete_box(struct mailbox *box)
{
	union mailbox_module_context *fbox = COI_FOLDERS_CONTEXT(box);
	struct coi_user *cuser = coi_user_get(box->storage->user);

	if (!coi_folders_must_disable(cuser, box))
		return fbox->super.delete_box(box);

	if (coi_folders_disable(cuser, box) < 0)
		return -1;
	if (fbox->super.delete_box(box) < 0) {
		coi_folders_reenable(cuser, box);
		return -1;
	}
	return 0;
}

static void
coi_folders_refuse_rename(struct coi_user *cuser, struct mailbox *box)
{
	const char *chats = coi_mailboxes_get_vname(cuser, COI_MAILBOX_CHATS);
	const char *vname = mailbox_get_vname(box);

	mail_storage_set_error(box->storage, MAIL_ERROR_NOTPOSSIBLE,
		t_strdup_printf("Mailbox %s can't be renamed: "
			"chat messages are filed into %s while COI is enabled. "
			"Disable COI first, or delete the mailbox or move it "
			"below Trash, which disables COI", vname, chats));
}

/* Returns 1 if renaming takes Chats to trash, 0 if it leaves Chats alone, -1 if
   it may not be (S24, S30). */
static int
coi_folders_check_rename(struct coi_user *cuser, struct mailbox *src,
			 struct mailbox *dest, struct mailbox *chats)
{
	if (!coi_folders_holds_chats(src, chats) ||
	    !coi_folders_is_enabled(cuser) || !coi_folders_exists(chats))
		return 0;
	if (coi_folders_is_below_trash(cuser->user,
			coi_folders_renamed_chats(src, dest, chats)))
		return 1;
	coi_folders_refuse_rename(cuser, src);
	return -1;
}

static int
coi_folders_client_rename(struct coi_user *cuser, struct mailbox *src,
			  struct mailbox *dest, struct mailbox *chats)
{
	union mailbox_module_context *fbox = COI_FOLDERS_CONTEXT(src);
	/* A rename may put Chats where there was none. */
	bool may_appear = coi_folders_holds_chats(dest, chats) &&
		!coi_folders_exists(chats);
	int ret;

	ret = coi_folders_check_rename(cuser, src, dest, chats);
	if (ret < 0 || (ret > 0 && coi_folders_disable(cuser, src) < 0))
		return -1;
	if (fbox->super.rename_box(src, dest) < 0) {
		if (ret > 0)
			coi_folders_reenable(cuser, src);
		return -1;
	}
	if (may_appear && coi_folders_exists(chats))
		coi_folders_enable(cuser);
	return 0;
}

static int coi_folders_rename_box(struct mailbox *src, struct mailbox *dest)
{
	union mailbox_module_context *fbox = COI_FOLDERS_CONTEXT(src);
	struct coi_user *cuser = coi_user_get(src->storage->user);
	struct mailbox *chats;
	int ret;

	if (!coi_folders_is_command(cuser, "RENAME"))
		return fbox->super.rename_box(src, dest);
	chats = coi_folders_alloc_chats(cuser);
	ret = coi_folders_client_rename(cuser, src, dest, chats);
	mailbox_free(&chats);
	return ret;
}

void coi_folders_mailbox_allocated(struct mailbox *box)
{
	struct mail_namespace *ns = mailbox_get_namespace(box);
	struct mailbox_vfuncs *v = box->vlast;
	union mailbox_module_context *fbox;

	if (ns->type != MAIL_NAMESPACE_TYPE_PRIVATE ||
	    coi_user_get_unless_idle(box->storage->user) == NULL)
		return;
	fbox = p_new(box->pool, union mailbox_module_context, 1);
	fbox->super = *v;
	box->vlast = &fbox->super;
	v->create_box = coi_folders_create_box;
	v->delete_box = coi_folders_delete_box;
	v->rename_box = coi_folders_rename_box;
	MODULE_CONTEXT_SET_SELF(box, coi_folders_module, fbox);
}
