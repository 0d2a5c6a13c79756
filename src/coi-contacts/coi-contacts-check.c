/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "str.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "coi-contact.h"
#include "coi-entries.h"
#include "coi-group.h"
#include "coi-limits.h"
#include "coi-metadata.h"
#include "coi-state.h"
#include "coi-store.h"
#include "coi-user.h"
#include "coi-contacts-check.h"
#include "coi-contacts-messages.h"
#include "coi-contacts-sync.h"

void coi_contacts_check_problem(struct coi_contacts_check *check,
				const char *format, ...)
{
	va_list args;

	va_start(args, format);
	T_BEGIN {
		check->problem(t_strdup_vprintf(format, args), check->context);
	} T_END;
	va_end(args);
}

void coi_contacts_check_fail(struct coi_contacts_check *check,
			     const char *error)
{
	e_error(coi_user_get_event(check->cuser), "Checking failed: %s", error);
	check->failed = TRUE;
}

/*
 * Mailboxes (S21, S22)
 */

static void
coi_contacts_check_fail_mailbox(struct coi_contacts_check *check,
				struct mailbox *box)
{
	coi_contacts_check_fail(check, t_strdup_printf("Mailbox %s: %s",
		mailbox_get_vname(box),
		mailbox_get_last_internal_error(box, NULL)));
}

/* Returns 1 if it can be opened, 0 if there is none, -1 on error. */
static int coi_contacts_check_open(struct mailbox *box)
{
	enum mailbox_existence existence;

	if (mailbox_exists(box, FALSE, &existence) < 0)
		return -1;
	if (existence != MAILBOX_EXISTENCE_SELECT)
		return 0;
	if (mailbox_open(box) == 0)
		return 1;
	/* the list may still show what only its children hold */
	return mailbox_get_last_mail_error(box) == MAIL_ERROR_NOTFOUND ? 0 : -1;
}

static int coi_contacts_check_subscribed(struct mailbox *box)
{
	if (mailbox_list_iter_subscriptions_refresh(box->list) < 0) {
		mail_storage_copy_list_error(box->storage, box->list);
		return -1;
	}
	return mailbox_is_subscribed(box) ? 1 : 0;
}

/* Returns 1 if the mailbox is as it should be, 0 after telling what is not, -1
   on error. */
static int
coi_contacts_check_look_at(struct coi_contacts_check *check,
			   struct mailbox *box, enum coi_mailbox which)
{
	int ret;

	ret = coi_contacts_check_open(box);
	if (ret == 0) {
		coi_contacts_check_problem(check, "Mailbox %s is missing",
					   mailbox_get_vname(box));
	}
	if (ret <= 0 || which != COI_MAILBOX_CHATS)
		return ret;
	ret = coi_contacts_check_subscribed(box);
	if (ret == 0) {
		coi_contacts_check_problem(check, "Mailbox %s is not subscribed",
					   mailbox_get_vname(box));
	}
	return ret;
}

static void
coi_contacts_check_mailbox(struct coi_contacts_check *check,
			   enum coi_mailbox which)
{
	struct mailbox *box = coi_mailboxes_alloc(check->cuser, which,
						  MAILBOX_FLAG_IGNORE_ACLS);
	enum mail_error error;
	const char *errstr;
	int ret;

	ret = coi_contacts_check_look_at(check, box, which);
	if (ret < 0)
		coi_contacts_check_fail_mailbox(check, box);
	mailbox_free(&box);
	if (ret == 0 && coi_mailboxes_ensure(check->cuser, which, &error,
					     &errstr) < 0)
		check->failed = TRUE;
}

/*
 * Entries that cannot be read
 */

/* Returns 0, or -1 if we have not written it; then *error_r (data stack) says
   why. */
static int
coi_contacts_check_parse(struct coi_contacts_check *check,
			 enum coi_entry_class class, const char *hash,
			 const char *value, const char **error_r)
{
	struct coi_contacts_check_pending *pending;
	struct coi_contact contact;
	struct coi_group group;

	if (class == COI_ENTRY_CONTACT)
		return coi_contact_parse(value, &contact, error_r);
	if (coi_group_parse(value, pool_datastack_create(), &group,
			    error_r) < 0)
		return -1;
	if (coi_group_is_pending(&group)) {
		pending = array_append_space(&check->pending);
		pending->hash = p_strdup(check->pool, hash);
		pending->modified = group.modified;
	}
	return 0;
}

/* Returns 1 if the entry is as it should be, or gone; 0 if we have not written
   it, -1 if that cannot be told, both with *error_r (data stack). */
static int
coi_contacts_check_read(struct coi_contacts_check *check,
			enum coi_entry_class class, const char *hash,
			const char **error_r)
{
	size_t size, max = coi_entry_value_max_bytes(class);
	buffer_t *buf = t_buffer_create(256);
	int ret;

	ret = coi_store_read_part(check->cuser->store,
				  coi_entry_store_key(class, hash), max, buf,
				  &size, error_r);
	if (ret <= 0)
		return ret < 0 ? -1 : 1;
	if (size > max)
		*error_r = t_strdup_printf("longer than %zu bytes", max);
	else if (memchr(buf->data, '\0', buf->used) != NULL)
		*error_r = "has a NUL byte";
	else if (coi_contacts_check_parse(check, class, hash, str_c(buf),
					  error_r) == 0)
		return 1;
	return 0;
}

static void
coi_contacts_check_entry(struct coi_contacts_check *check,
			 enum coi_entry_class class, const char *hash,
			 struct coi_metadata_update *update)
{
	const char *error;
	int ret;

	ret = coi_contacts_check_read(check, class, hash, &error);
	if (ret > 0)
		return;
	if (ret == 0) {
		coi_contacts_check_problem(check, "Entry %s/%s is damaged: %s",
			coi_entry_class_name(class), hash, error);
		/* here, since some of them no update could read as what it
		   replaces; and there, so that dsync hears of it */
		ret = coi_store_remove(check->cuser->store,
			coi_entry_store_key(class, hash), &error);
	}
	if (ret < 0)
		coi_contacts_check_fail(check, error);
	else
		coi_metadata_update_entry(update, class, hash, NULL);
}

static void
coi_contacts_check_entries(struct coi_contacts_check *check,
			   enum coi_entry_class class)
{
	struct coi_metadata_update *update =
		coi_metadata_update_begin(check->cuser);
	struct coi_entries_iter *iter =
		coi_entries_iter_init(check->cuser->store, class);
	const char *hash, *error;

	while ((hash = coi_entries_iter_next(iter)) != NULL) T_BEGIN {
		coi_contacts_check_entry(check, class, hash, update);
	} T_END;
	if (coi_entries_iter_deinit(&iter, &error) < 0)
		coi_contacts_check_fail(check, error);
	if (coi_metadata_update_commit(&update) < 0)
		check->failed = TRUE;
}

/*
 * Contacts and their messages
 */

/* Writes messages for some of them. */
static void
coi_contacts_check_write(struct coi_contacts_check *check, unsigned int first,
			 unsigned int count)
{
	struct coi_contact_block *blocks =
		t_new(struct coi_contact_block, count);
	enum mail_error error;
	const char *errstr;
	unsigned int i;

	for (i = 0; i < count; i++) {
		blocks[i].hash = array_idx_elem(&check->unnamed, first + i);
		blocks[i].blocked = TRUE;
	}
	if (coi_contacts_set_blocked(check->cuser, blocks, count, &error,
				     &errstr) == 0)
		return;
	check->failed = TRUE;
	/* the others are logged where they happen */
	if (error == MAIL_ERROR_NOQUOTA) {
		coi_contacts_check_fail(check, t_strdup_printf(
			"Writing contact messages failed: %s", errstr));
	}
}

static void coi_contacts_check_unnamed(struct coi_contacts_check *check)
{
	const char *hash;
	unsigned int i, count;

	/* who has disabled COI and removed its mailboxes gets none back */
	if (!check->have_contacts || array_count(&check->unnamed) == 0)
		return;
	array_foreach_elem(&check->unnamed, hash) {
		coi_contacts_check_problem(check,
			"Contact %s is blocked, but no message says so", hash);
	}
	count = array_count(&check->unnamed);
	for (i = 0; i < count; i += COI_CONTACT_WRITE_BATCH_MAX) T_BEGIN {
		coi_contacts_check_write(check, i,
			I_MIN(count - i, COI_CONTACT_WRITE_BATCH_MAX));
	} T_END;
	if (coi_contacts_catch_up(check->cuser) < 0)
		check->failed = TRUE;
}

/* A mark that nobody needs any more only costs a look at each message. */
static void coi_contacts_check_mark(struct coi_contacts_check *check)
{
	const char *error;

	if (check->has_blocked && !check->marked_blocked) {
		coi_contacts_check_problem(check, "Contacts are blocked, but "
			"deliveries do not know that they have to look");
	}
	if (coi_state_set_has_blocked(check->cuser->store, check->has_blocked,
				      &error) < 0)
		coi_contacts_check_fail(check, error);
}

static void coi_contacts_check_contacts(struct coi_contacts_check *check)
{
	if (coi_contacts_sync_check(check) < 0) {
		/* without them nothing can be said about the rest */
		check->failed = TRUE;
		return;
	}
	coi_contacts_check_unnamed(check);
	coi_contacts_check_mark(check);
}

/*
 * The store's own files
 */

static void coi_contacts_check_leftovers(struct coi_contacts_check *check)
{
	unsigned int count;
	const char *error;

	if (coi_store_remove_leftovers(check->cuser->store,
				       ioloop_time - COI_STORE_LEFTOVER_SECS,
				       &count, &error) < 0)
		coi_contacts_check_fail(check, error);
	if (count > 0) {
		coi_contacts_check_problem(check, "%u temporary files are left "
			"of writers that were killed", count);
	}
}

static void
coi_contacts_check_count(struct coi_contacts_check *check,
			 enum coi_entry_class class)
{
	const char *error;
	int ret;

	ret = coi_entries_recount(check->cuser->store, class, &error);
	if (ret < 0)
		coi_contacts_check_fail(check, error);
	else if (ret == 0) {
		coi_contacts_check_problem(check,
			"The number of entries below %s is not the right one",
			coi_entry_class_name(class));
	}
}

/*
 * All of it
 */

static void coi_contacts_check_locked(struct coi_contacts_check *check)
{
	/* the others are those of push */
	enum coi_entry_class class;

	coi_contacts_check_leftovers(check);
	for (class = 0; class <= COI_ENTRY_GROUP; class++)
		coi_contacts_check_entries(check, class);
	coi_contacts_check_contacts(check);
	coi_contacts_check_groups(check);
	for (class = 0; class <= COI_ENTRY_GROUP; class++)
		coi_contacts_check_count(check, class);
}

/* Returns 0, or -1 if nothing can be done without it. */
static int coi_contacts_check_read_state(struct coi_contacts_check *check)
{
	struct coi_config config;
	const char *error;

	if (coi_state_read(check->cuser->store, pool_datastack_create(),
			   &config, &error) < 0) {
		coi_contacts_check_fail(check, error);
		return -1;
	}
	check->enabled = coi_config_is_enabled(&config);
	check->marked_blocked = config.has_blocked;
	return 0;
}

static void coi_contacts_check_run(struct coi_contacts_check *check)
{
	struct coi_store *store = check->cuser->store;
	enum coi_mailbox which;
	const char *error;
	int ret;

	ret = coi_store_exists(store, &error);
	if (ret == 0)
		return;
	if (ret < 0 || coi_store_lock(store, &error) < 0) {
		coi_contacts_check_fail(check, error);
		return;
	}
	if (coi_contacts_check_read_state(check) == 0) {
		for (which = 0; check->enabled && which < COI_MAILBOX_COUNT;
		     which++)
			coi_contacts_check_mailbox(check, which);
		coi_contacts_check_locked(check);
	}
	coi_store_unlock(store);
}

int coi_contacts_check(struct coi_user *cuser, coi_contacts_problem_t *problem,
		       void *context)
{
	struct coi_contacts_check check;

	i_zero(&check);
	check.cuser = cuser;
	check.problem = problem;
	check.context = context;
	check.pool = pool_alloconly_create("coi contacts check", 1024);
	p_array_init(&check.pending, check.pool, COI_GROUPS_PENDING_MAX);
	p_array_init(&check.unnamed, check.pool, 4);
	T_BEGIN {
		coi_contacts_check_run(&check);
	} T_END;
	pool_unref(&check.pool);
	return check.failed ? -1 : 0;
}
