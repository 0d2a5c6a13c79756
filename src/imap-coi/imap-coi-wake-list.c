/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "imap-common.h"
#include "llist.h"
#include "module-context.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "mailbox-list-index.h"
#include "imap-coi-watch.h"
#include "imap-coi-wake.h"

#define IMAP_COI_LIST_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, imap_coi_list_module)

/* One NOTIFY. A list has two of them while a client replaces its NOTIFY. */
struct imap_coi_list_wait {
	struct imap_coi_list_wait *prev, *next;
	struct mailbox_list_notify *notify;
	struct imap_coi_watch *watch;
};

struct imap_coi_list {
	union mailbox_list_module_context module_ctx;
	unsigned int delay_msecs;
	struct imap_coi_list_wait *waits;
};

static MODULE_CONTEXT_DEFINE_INIT(imap_coi_list_module,
				  &mailbox_list_module_register);

static struct imap_coi_list_wait *
imap_coi_list_wait_find(struct imap_coi_list *clist,
			struct mailbox_list_notify *notify)
{
	struct imap_coi_list_wait *wait;

	for (wait = clist->waits; wait != NULL; wait = wait->next) {
		if (wait->notify == notify)
			return wait;
	}
	return NULL;
}

/* A client of this list is in the middle of a response. */
static bool imap_coi_list_is_busy(struct mailbox_list *list)
{
	struct client *client;

	for (client = imap_clients; client != NULL; client = client->next) {
		if (client->user == list->ns->user &&
		    client->output_cmd_lock != NULL)
			return TRUE;
	}
	return FALSE;
}

static void imap_coi_list_changed(struct imap_coi_list_wait *wait)
{
	struct mailbox_list *list = wait->notify->list;

	if (imap_coi_list_is_busy(list)) {
		/* later */
		imap_coi_watch_check(wait->watch);
		return;
	}
	imap_coi_watch_seen(wait->watch);
	list->v.notify_flush(wait->notify);
}

static void
imap_coi_list_wait_add_paths(struct imap_coi_list_wait *wait)
{
	struct mailbox_list *list = wait->notify->list;
	struct mailbox_list_index *ilist = INDEX_LIST_CONTEXT(list);
	const char *path, *dir;

	i_assert(ilist != NULL);
	if (ilist->path[0] == '/') {
		path = t_strconcat(ilist->path, ".log", NULL);
		imap_coi_watch_add_file(wait->watch, path, NULL);
		/* This one takes core's place. If core heard of it too, then at
		   our call it would be busy with the list and forget to look at
		   INBOX, which it may not hear of itself: its watch of INBOX
		   goes away with that of a selected INBOX. */
		imap_coi_watch_add_itself(wait->watch, path);
	}
	/* what changes in INBOX the list's index does not say by default */
	if ((list->ns->flags & NAMESPACE_FLAG_INBOX_ANY) != 0 &&
	    mailbox_list_get_path(list, "INBOX", MAILBOX_LIST_PATH_TYPE_INDEX,
				  &dir) > 0) {
		imap_coi_watch_add_file(wait->watch,
			t_strconcat(dir, "/"MAIL_INDEX_PREFIX".log", NULL), NULL);
	}
}

static void
imap_coi_list_wait_begin(struct imap_coi_list *clist,
			 struct mailbox_list_notify *notify)
{
	struct imap_coi_list_wait *wait;

	wait = i_new(struct imap_coi_list_wait, 1);
	wait->notify = notify;
	wait->watch = imap_coi_watch_init(clist->delay_msecs,
					  imap_coi_list_changed, wait);
	T_BEGIN {
		imap_coi_list_wait_add_paths(wait);
	} T_END;
	imap_coi_watch_start(wait->watch);
	imap_coi_watch_seen(wait->watch);
	DLLIST_PREPEND(&clist->waits, wait);
}

static void
imap_coi_list_wait_end(struct imap_coi_list *clist,
		       struct imap_coi_list_wait *wait)
{
	DLLIST_REMOVE(&clist->waits, wait);
	imap_coi_watch_deinit(&wait->watch);
	i_free(wait);
}

static void
imap_coi_list_notify_wait(struct mailbox_list_notify *notify,
			  void (*callback)(void *context), void *context)
{
	struct imap_coi_list *clist =
		IMAP_COI_LIST_CONTEXT_REQUIRE(notify->list);
	struct imap_coi_list_wait *wait =
		imap_coi_list_wait_find(clist, notify);

	clist->module_ctx.super.notify_wait(notify, callback, context);
	if (callback != NULL && wait == NULL)
		imap_coi_list_wait_begin(clist, notify);
	else if (callback == NULL && wait != NULL)
		imap_coi_list_wait_end(clist, wait);
}

static void imap_coi_list_notify_deinit(struct mailbox_list_notify *notify)
{
	struct imap_coi_list *clist =
		IMAP_COI_LIST_CONTEXT_REQUIRE(notify->list);
	struct imap_coi_list_wait *wait =
		imap_coi_list_wait_find(clist, notify);

	if (wait != NULL)
		imap_coi_list_wait_end(clist, wait);
	clist->module_ctx.super.notify_deinit(notify);
}

void imap_coi_wake_list_created(struct mailbox_list *list)
{
	struct mailbox_list_vfuncs *v = list->vlast;
	struct imap_coi_list *clist;
	unsigned int delay_msecs;

	if (!imap_coi_wake_get_delay(list->ns->user, &delay_msecs))
		return;

	clist = p_new(list->pool, struct imap_coi_list, 1);
	clist->module_ctx.super = *v;
	list->vlast = &clist->module_ctx.super;
	/* Core's hooks come after those of plugins: it is only then that the
	   list index, if there is one, puts its functions below ours. */
	v->notify_wait = imap_coi_list_notify_wait;
	v->notify_deinit = imap_coi_list_notify_deinit;

	clist->delay_msecs = delay_msecs;
	MODULE_CONTEXT_SET(list, imap_coi_list_module, clist);
}
