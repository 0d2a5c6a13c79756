/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "module-context.h"
#include "mail-namespace.h"
#include "mailbox-list-private.h"
#include "coi-store.h"
#include "coi-store-hide.h"

#define COI_STORE_HIDE_CONTEXT(obj) \
	MODULE_CONTEXT(obj, coi_store_hide_module)
#define COI_STORE_HIDE_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, coi_store_hide_module)

static MODULE_CONTEXT_DEFINE_INIT(coi_store_hide_module,
				  &mailbox_list_module_register);

static bool
coi_store_hide_is_internal_name(struct mailbox_list *list, const char *name)
{
	union mailbox_list_module_context *hlist =
		COI_STORE_HIDE_CONTEXT_REQUIRE(list);

	return strcmp(name, COI_STORE_DIRNAME) == 0 ||
		hlist->super.is_internal_name(list, name);
}

void coi_store_hide_namespace_storage_added(struct mail_namespace *ns)
{
	struct mailbox_list *list = ns->list;
	union mailbox_list_module_context *hlist;

	/* Formats without reserved names keep control files apart from the
	   directories of mailboxes, and look less at those as long as there
	   is no such function. */
	if (ns->type != MAIL_NAMESPACE_TYPE_PRIVATE ||
	    list->v.is_internal_name == NULL ||
	    COI_STORE_HIDE_CONTEXT(list) != NULL)
		return;
	hlist = p_new(list->pool, union mailbox_list_module_context, 1);
	/* not by vlast: the storage has set the function itself in v, after
	   the plugins had their turn */
	hlist->super = list->v;
	list->v.is_internal_name = coi_store_hide_is_internal_name;
	MODULE_CONTEXT_SET_SELF(list, coi_store_hide_module, hlist);
}
