/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "hostpid.h"
#include "ioloop.h"
#include "istream.h"
#include "randgen.h"
#include "str.h"
#include "mail-storage-private.h"
#include "coi-contact.h"
#include "coi-contacts.h"
#include "coi-save.h"
#include "coi-store.h"
#include "coi-user.h"
#include "coi-contacts-messages.h"
#include "coi-contacts-messages-private.h"
#include "coi-contacts-session.h"

/*
 * A message of our own (C1)
 */

/* The user's own address, as far as we know it. */
static void
coi_contacts_writer_from(struct coi_user *cuser,
			 struct coi_contact_message *message)
{
	const char *address = t_strsplit_spaces(
		cuser->set->coi_user_addresses, " ")[0];
	const char *at;

	if (address == NULL)
		address = cuser->user->username;
	at = strrchr(address, '@');
	message->from_mailbox = at == NULL ? address :
		t_strdup_until(address, at);
	message->from_domain = at == NULL ? my_hostdomain() : at + 1;
}

/* S37: it is detected as chat like any other. Returns NULL if the user has COI
   off. */
static struct mail_keywords *
coi_contacts_writer_keywords(struct coi_contacts_writer *w)
{
	static const char *const keywords[] = { COI_KEYWORD_CHAT, NULL };
	enum coi_filter filter;

	return coi_user_get_active_filter(w->cuser, &filter) <= 0 ? NULL :
		mailbox_keywords_create_valid(w->box, keywords);
}

static int
coi_contacts_writer_save_new(struct coi_contacts_writer *w,
			     struct mailbox_transaction_context *t,
			     const struct coi_contacts_wanted *wanted)
{
	struct coi_contact_message message;
	struct mail_save_context *ctx;
	struct mail_keywords *keywords;
	struct istream *input;
	string_t *str = t_str_new(512);
	int ret;

	i_zero(&message);
	message.now = ioloop_time;
	random_fill(message.random, sizeof(message.random));
	message.hash = wanted->hash;
	message.blocked = wanted->blocked;
	coi_contacts_writer_from(w->cuser, &message);
	coi_contact_write_message(&message, str);

	input = i_stream_create_from_data(str_data(str), str_len(str));
	ctx = mailbox_save_alloc(t);
	keywords = coi_contacts_writer_keywords(w);
	mailbox_save_set_flags(ctx, MAIL_SEEN, keywords);
	if (keywords != NULL)
		mailbox_keywords_unref(&keywords);
	ret = coi_contacts_writer_save(&ctx, input);
	i_stream_unref(&input);
	return ret;
}

/*
 * All of it
 */

static bool
coi_contacts_wanted_is_new(const struct coi_contacts_wanted *wanted)
{
	return wanted->blocked && !wanted->found;
}

static int
coi_contacts_writer_save_all(struct coi_contacts_writer *w,
			     struct mailbox_transaction_context *t)
{
	const struct coi_contacts_wanted *wanted;
	int ret;

	ret = array_count(&w->others) == 0 ? 0 :
		coi_contacts_writer_replace_all(w, t);
	array_foreach(&w->wanted, wanted) {
		if (ret == 0 && coi_contacts_wanted_is_new(wanted)) T_BEGIN {
			ret = coi_contacts_writer_save_new(w, t, wanted);
		} T_END;
	}
	return ret;
}

static bool coi_contacts_writer_has_work(const struct coi_contacts_writer *w)
{
	const struct coi_contacts_wanted *wanted;

	array_foreach(&w->wanted, wanted) {
		if (coi_contacts_wanted_is_new(wanted))
			return TRUE;
	}
	return array_count(&w->others) > 0;
}

static int coi_contacts_writer_write(struct coi_contacts_writer *w)
{
	struct mailbox_transaction_context *t;

	t = mailbox_transaction_begin(w->box, MAILBOX_TRANSACTION_FLAG_EXTERNAL,
				      __func__);
	if (coi_contacts_writer_save_all(w, t) < 0) {
		mailbox_transaction_rollback(&t);
		return -1;
	}
	if (mailbox_transaction_commit(&t) < 0)
		return -1;
	/* it is done: the newer ones decide, should the old ones stay (C7);
	   whoever synchronises the mailbox next removes their files */
	if (coi_contacts_writer_expunge(w) < 0) {
		e_error(coi_user_get_event(w->cuser),
			"Expunging contact messages that were replaced "
			"failed: %s",
			mailbox_get_last_internal_error(w->box, NULL));
	}
	return 0;
}

static int coi_contacts_writer_open(struct coi_contacts_writer *w)
{
	enum mail_error error;
	const char *errstr;

	if (mailbox_open(w->box) < 0 &&
	    (mailbox_get_last_mail_error(w->box) != MAIL_ERROR_NOTFOUND ||
	     coi_mailboxes_ensure(w->cuser, COI_MAILBOX_CONTACTS,
				  &error, &errstr) < 0 ||
	     mailbox_open(w->box) < 0))
		return -1;
	return coi_contacts_session_sync(w->cuser->contacts_session);
}

static int coi_contacts_writer_run(struct coi_contacts_writer *w)
{
	/* who blocks nobody needs no Contacts */
	if (!w->blocks_any && mailbox_open(w->box) < 0 &&
	    mailbox_get_last_mail_error(w->box) == MAIL_ERROR_NOTFOUND)
		return 0;
	if (coi_contacts_writer_open(w) < 0 || coi_contacts_writer_find(w) < 0)
		return -1;
	return !coi_contacts_writer_has_work(w) ? 0 :
		coi_contacts_writer_write(w);
}

static void
coi_contacts_writer_fail(struct coi_contacts_writer *w,
			 enum mail_error *error_r, const char **client_error_r)
{
	const char *error;

	*error_r = MAIL_ERROR_TEMP;
	*client_error_r = MAIL_ERRSTR_CRITICAL_MSG;
	error = w->error;
	if (error == NULL) {
		error = mailbox_get_last_internal_error(w->box, NULL);
		*client_error_r = t_strdup(mailbox_get_last_error(w->box,
								  error_r));
	}
	/* of a full mailbox nobody's log needs to hear */
	if (*error_r != MAIL_ERROR_NOQUOTA) {
		e_error(coi_user_get_event(w->cuser),
			"Writing a contact message failed: %s", error);
	}
}

static void
coi_contacts_writer_init(struct coi_contacts_writer *w,
			 struct coi_user *cuser,
			 const struct coi_contact_block *blocks,
			 unsigned int count)
{
	struct coi_contacts_wanted *wanted;
	unsigned int i;

	i_zero(w);
	w->cuser = cuser;
	t_array_init(&w->wanted, count);
	t_array_init(&w->same, 4);
	t_array_init(&w->others, 4);
	t_array_init(&w->blocking, 4);
	t_array_init(&w->replaced, 4);
	t_array_init(&w->texts, 4);
	for (i = 0; i < count; i++) {
		wanted = array_append_space(&w->wanted);
		wanted->hash = blocks[i].hash;
		wanted->blocked = blocks[i].blocked;
		coi_contact_index_digest(wanted->hash, wanted->digest);
		w->first_bytes[wanted->digest[0]] = TRUE;
		if (wanted->blocked)
			w->blocks_any = TRUE;
	}
}

int coi_contacts_set_blocked(struct coi_user *cuser,
			     const struct coi_contact_block *blocks,
			     unsigned int count, enum mail_error *error_r,
			     const char **client_error_r)
{
	struct coi_contacts_writer w;
	int ret;

	coi_contacts_writer_init(&w, cuser, blocks, count);
	coi_contacts_session_ref(cuser);
	w.box = cuser->contacts_session->box;
	cuser->contacts_busy = TRUE;
	ret = coi_contacts_writer_run(&w);
	cuser->contacts_busy = FALSE;
	if (ret < 0)
		coi_contacts_writer_fail(&w, error_r, client_error_r);
	coi_contacts_session_unref(cuser);
	return ret;
}
