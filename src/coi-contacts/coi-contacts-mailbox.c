/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "module-context.h"
#include "mail-storage-private.h"
#include "coi-user.h"
#include "coi-contacts-mailbox.h"
#include "coi-contacts-sync.h"

#define COI_CONTACTS_CONTEXT(obj) \
	MODULE_CONTEXT(obj, coi_contacts_storage_module)
#define COI_CONTACTS_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, coi_contacts_storage_module)
#define COI_CONTACTS_MAIL_CONTEXT(obj) \
	MODULE_CONTEXT_REQUIRE(obj, coi_contacts_mail_module)

struct coi_contacts_mailbox {
	union mailbox_module_context module_ctx;

	/* Somebody may have changed Contacts without us: nobody has looked yet
	   in this session, or messages are about to be expunged. */
	bool look;
};

static MODULE_CONTEXT_DEFINE_INIT(coi_contacts_storage_module,
				  &mail_storage_module_register);
static MODULE_CONTEXT_DEFINE_INIT(coi_contacts_mail_module,
				  &mail_module_register);

static void coi_contacts_mailbox_look(struct mailbox *box)
{
	/* failures are logged, and the client's command has succeeded */
	(void)coi_contacts_catch_up(coi_user_get(box->storage->user));
}

static int
coi_contacts_transaction_commit(struct mailbox_transaction_context *t,
				struct mail_transaction_commit_changes *changes_r)
{
	struct mailbox *box = t->box;
	struct coi_contacts_mailbox *cbox = COI_CONTACTS_CONTEXT_REQUIRE(box);
	bool saved = t->save_count > 0;
	int ret;

	ret = cbox->module_ctx.super.transaction_commit(t, changes_r);
	if (ret == 0 && saved)
		coi_contacts_mailbox_look(box);
	return ret;
}

static int
coi_contacts_sync_deinit(struct mailbox_sync_context *ctx,
			 struct mailbox_sync_status *status_r)
{
	struct mailbox *box = ctx->box;
	struct coi_contacts_mailbox *cbox = COI_CONTACTS_CONTEXT_REQUIRE(box);
	int ret;

	ret = cbox->module_ctx.super.sync_deinit(ctx, status_r);
	if (ret == 0 && cbox->look) {
		cbox->look = FALSE;
		coi_contacts_mailbox_look(box);
	}
	return ret;
}

/*
 * Deliveries
 */

/* From can be forged (C5), so what strangers send must not block or unblock
   anybody, wherever a script files it. */
#define COI_CONTACTS_KEYWORD_DELIVERED "$COIDelivered"

static const char *const coi_contacts_delivered_keywords[] = {
	COI_CONTACTS_KEYWORD_DELIVERED, NULL
};

bool coi_contacts_mail_was_delivered(struct mail *mail)
{
	return str_array_icase_find(mail_get_keywords(mail),
				    COI_CONTACTS_KEYWORD_DELIVERED);
}

/* A delivery stores its message by this. */
static int
coi_contacts_copy_delivered(struct mail_save_context *ctx, struct mail *mail)
{
	struct mailbox *box = ctx->transaction->box;
	struct coi_contacts_mailbox *cbox = COI_CONTACTS_CONTEXT_REQUIRE(box);
	struct mail_keywords *delivered, *old = ctx->data.keywords;

	delivered = mailbox_keywords_create_valid(box,
		coi_contacts_delivered_keywords);
	if (old == NULL)
		ctx->data.keywords = delivered;
	else {
		ctx->data.keywords = mailbox_keywords_merge(old, delivered);
		mailbox_keywords_unref(&delivered);
		mailbox_keywords_unref(&old);
	}
	return cbox->module_ctx.super.copy(ctx, mail);
}

/*
 * Hooks
 */

static void coi_contacts_mail_expunge(struct mail *_mail)
{
	struct mail_private *mail = container_of(_mail, struct mail_private,
						 mail);
	union mail_module_context *cmail = COI_CONTACTS_MAIL_CONTEXT(mail);
	struct coi_contacts_mailbox *cbox =
		COI_CONTACTS_CONTEXT_REQUIRE(_mail->box);

	cbox->look = TRUE;
	cmail->super.expunge(_mail);
}

void coi_contacts_contacts_mail_allocated(struct mail *_mail)
{
	struct mail_private *mail = container_of(_mail, struct mail_private,
						 mail);
	struct mail_vfuncs *v = mail->vlast;
	union mail_module_context *cmail;

	if (COI_CONTACTS_CONTEXT(_mail->box) == NULL ||
	    coi_user_get(_mail->box->storage->user)->delivering)
		return;
	cmail = p_new(mail->pool, union mail_module_context, 1);
	cmail->super = *v;
	mail->vlast = &cmail->super;
	v->expunge = coi_contacts_mail_expunge;
	MODULE_CONTEXT_SET_SELF(mail, coi_contacts_mail_module, cmail);
}

void coi_contacts_contacts_allocated(struct mailbox *box)
{
	struct mailbox_vfuncs *v = box->vlast;
	struct coi_contacts_mailbox *cbox;

	cbox = p_new(box->pool, struct coi_contacts_mailbox, 1);
	cbox->look = TRUE;
	cbox->module_ctx.super = *v;
	box->vlast = &cbox->module_ctx.super;
	if (coi_user_get(box->storage->user)->delivering)
		v->copy = coi_contacts_copy_delivered;
	else {
		v->transaction_commit = coi_contacts_transaction_commit;
		v->sync_deinit = coi_contacts_sync_deinit;
	}
	MODULE_CONTEXT_SET(box, coi_contacts_storage_module, cbox);
}
