/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "imap-common.h"
#include "ioloop.h"
#include "mail-index-private.h"
#include "mail-index-view-private.h"
#include "mail-transaction-log-private.h"
#include "mail-storage-private.h"
#include "maildir-storage.h"
#include "imap-notify.h"
#include "coi-user.h"
#include "imap-coi-watch.h"
#include "imap-coi-wake.h"

#include <sys/stat.h>

#define IMAP_COI_MAILBOX_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, imap_coi_storage_module)

struct imap_coi_mailbox {
	union mailbox_module_context module_ctx;
	unsigned int delay_msecs;
	/* exists only while somebody wants to hear of changes */
	struct imap_coi_watch *watch;

	/* What NOTIFY wanted to be called, and for which client, when it last
	   watched its selected mailbox. */
	mailbox_notify_callback_t *notify_callback;
	struct client *notify_client;
};

static MODULE_CONTEXT_DEFINE_INIT(imap_coi_storage_module,
				  &mail_storage_module_register);

bool imap_coi_wake_get_delay(struct mail_user *user, unsigned int *msecs_r)
{
	struct coi_user *cuser = coi_user_get(user);

	if (cuser == NULL ||
	    cuser->set->coi_idle_delay >= COI_IDLE_DELAY_DOVECOT_MSECS)
		return FALSE;
	*msecs_r = cuser->set->coi_idle_delay;
	return TRUE;
}

/* The client that has the mailbox selected, or NULL. */
static struct client *imap_coi_client_find(struct mailbox *box)
{
	struct client *client;

	for (client = imap_clients; client != NULL; client = client->next) {
		if (client->mailbox == box && !client->disconnected)
			return client;
	}
	return NULL;
}

/* Whether the client wants NOTIFY to tell it of its selected mailbox. */
static bool imap_coi_client_has_notify(const struct client *client)
{
	return client != NULL && client->notify_ctx != NULL &&
		client->notify_ctx->selected_set;
}

/* Core stops watching for NOTIFY when a command begins, its own answer to a
   change included, and begins again 1,000 ms after the last one ended. We stay,
   and as soon as no command is running, do what core would do later. */
static void imap_coi_mailbox_changed_unwatched(struct imap_coi_mailbox *cbox,
					       struct mailbox *box)
{
	struct client *client = imap_coi_client_find(box);

	if (!imap_coi_client_has_notify(client) ||
	    client != cbox->notify_client ||
	    client->command_queue_size > 0 ||
	    client->notify_ctx->to_watch == NULL) {
		/* not seen: noticed when core begins to watch again */
		return;
	}
	imap_coi_watch_seen(cbox->watch);
	cbox->notify_callback(box, client);
}

static void imap_coi_mailbox_changed(struct mailbox *box)
{
	struct imap_coi_mailbox *cbox = IMAP_COI_MAILBOX_CONTEXT_REQUIRE(box);

	if (box->notify_callback == NULL) {
		imap_coi_mailbox_changed_unwatched(cbox, box);
		return;
	}
	imap_coi_watch_seen(cbox->watch);
	/* core's own call for the same change need not come any more */
	timeout_remove(&box->to_notify_delay);
	box->notify_callback(box, box->notify_context);
	/* the mailbox may be gone */
}

/* The selected mailbox shows all that is in this log: what changed last was our
   own answer to a change, such as taking \Recent away. */
static bool imap_coi_mailbox_log_is_known(const struct stat *st, void *context)
{
	struct mailbox *box = context;
	const struct mail_transaction_log_file *head = box->index->log->head;

	return st->st_ino == head->st_ino &&
		CMP_DEV_T(st->st_dev, head->st_dev) &&
		box->view->log_file_head_seq == head->hdr.file_seq &&
		box->view->log_file_head_offset == (uoff_t)st->st_size;
}

static void
imap_coi_mailbox_watch_init(struct imap_coi_mailbox *cbox, struct mailbox *box)
{
	const char *path;

	cbox->watch = imap_coi_watch_init(cbox->delay_msecs,
					  imap_coi_mailbox_changed, box);
	if (mailbox_get_path_to(box, MAILBOX_LIST_PATH_TYPE_INDEX, &path) > 0) {
		imap_coi_watch_add_file(cbox->watch,
			t_strconcat(path, "/"MAIL_INDEX_PREFIX".log", NULL),
			imap_coi_mailbox_log_is_known);
	}
	if (strcmp(box->storage->name, MAILDIR_STORAGE_NAME) == 0) {
		/* Mail may come in without any change of the index. These are
		   what core itself watches. */
		path = mailbox_get_path(box);
		imap_coi_watch_add_itself(cbox->watch,
			t_strconcat(path, "/new", NULL));
		imap_coi_watch_add_itself(cbox->watch,
			t_strconcat(path, "/cur", NULL));
	}
}

/* Core has begun to watch. */
static void
imap_coi_mailbox_watch_start(struct imap_coi_mailbox *cbox, struct mailbox *box)
{
	struct client *client = imap_coi_client_find(box);

	if (cbox->watch == NULL)
		imap_coi_mailbox_watch_init(cbox, box);
	imap_coi_watch_start(cbox->watch);
	if (imap_coi_client_has_notify(client) &&
	    client->command_queue_size == 0) {
		/* NOTIFY: what changed since it stopped is lost unless somebody
		   looks (2.3 does not) */
		cbox->notify_callback = box->notify_callback;
		cbox->notify_client = client;
		imap_coi_watch_check(cbox->watch);
	} else {
		/* IDLE looks itself, after this */
		imap_coi_watch_seen(cbox->watch);
	}
}

/* Core has stopped to watch. */
static void
imap_coi_mailbox_watch_stop(struct imap_coi_mailbox *cbox, struct mailbox *box)
{
	if (imap_coi_client_has_notify(imap_coi_client_find(box))) {
		imap_coi_watch_start(cbox->watch);
		imap_coi_watch_check(cbox->watch);
	} else {
		imap_coi_watch_deinit(&cbox->watch);
	}
}

static void imap_coi_mailbox_notify_changes(struct mailbox *box)
{
	struct imap_coi_mailbox *cbox = IMAP_COI_MAILBOX_CONTEXT_REQUIRE(box);

	/* Of a Maildir we watch the same directories as core: it has to add its
	   watch before we add ours, and remove its watch after we removed ours
	   (see imap-coi-watch.h). */
	if (cbox->watch != NULL)
		imap_coi_watch_stop(cbox->watch);
	cbox->module_ctx.super.notify_changes(box);

	if (box->notify_callback != NULL)
		imap_coi_mailbox_watch_start(cbox, box);
	else if (cbox->watch != NULL)
		imap_coi_mailbox_watch_stop(cbox, box);
}

static void imap_coi_mailbox_close(struct mailbox *box)
{
	struct imap_coi_mailbox *cbox = IMAP_COI_MAILBOX_CONTEXT_REQUIRE(box);

	imap_coi_watch_deinit(&cbox->watch);
	cbox->module_ctx.super.close(box);
}

void imap_coi_wake_mailbox_allocated(struct mailbox *box)
{
	struct mailbox_vfuncs *v = box->vlast;
	struct imap_coi_mailbox *cbox;
	unsigned int delay_msecs;

	if (!imap_coi_wake_get_delay(box->storage->user, &delay_msecs))
		return;

	cbox = p_new(box->pool, struct imap_coi_mailbox, 1);
	cbox->module_ctx.super = *v;
	box->vlast = &cbox->module_ctx.super;
	v->notify_changes = imap_coi_mailbox_notify_changes;
	v->close = imap_coi_mailbox_close;

	cbox->delay_msecs = delay_msecs;
	MODULE_CONTEXT_SET(box, imap_coi_storage_module, cbox);
}
