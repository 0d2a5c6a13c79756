/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "coi-contact.h"
#include "coi-entries.h"
#include "coi-group.h"
#include "coi-notify.h"
#include "coi-user.h"
#include "coi-webpush.h"
#include "coi-webpush-message.h"
#include "coi-webpush-quiet.h"

static void coi_webpush_quiet_fail(struct coi_user *cuser, const char *error)
{
	e_error(coi_user_get_event(cuser), "Pushing as if nothing was muted: %s",
		error);
}

/*
 * The user's own addresses
 */

static void
coi_webpush_own_add(ARRAY_TYPE(const_string) *own, const char *text)
{
	const char *address;

	if (text != NULL && strchr(text, '@') != NULL &&
	    coi_address_normalize(text, &address) == 0)
		array_push_back(own, &address);
}

/* Ended by NULL (data stack). */
static const char *const *
coi_webpush_get_own(struct coi_user *cuser, const struct coi_ring *ring)
{
	ARRAY_TYPE(const_string) own;
	const char *const *words;

	t_array_init(&own, 4);
	coi_webpush_own_add(&own, cuser->user->username);
	coi_webpush_own_add(&own, ring->recipient);
	words = t_strsplit_spaces(cuser->set->coi_user_addresses, " ");
	for (; *words != NULL; words++)
		coi_webpush_own_add(&own, *words);
	array_append_zero(&own);
	return array_front(&own);
}

/* All of the senders: From can be forged, and one more address in it must not
   silence a message. */
static bool
coi_webpush_is_own(const struct coi_addresses *from, const char *const *own)
{
	unsigned int i;

	if (from->verdict != COI_ADDRESS_LIST || from->count == 0)
		return FALSE;
	for (i = 0; i < from->count; i++) {
		if (!str_array_find(own, from->list[i]))
			return FALSE;
	}
	return TRUE;
}

/*
 * Contacts
 */

static bool
coi_webpush_hash_is_muted(struct coi_user *cuser, const char *hash)
{
	struct coi_contact contact;
	const char *value, *error;
	int ret;

	if (hash == NULL)
		return FALSE;
	ret = coi_entries_read(cuser->store, COI_ENTRY_CONTACT, hash, &value,
			       &error);
	if (ret > 0 && coi_contact_parse(value, &contact, &error) < 0)
		ret = -1;
	if (ret < 0)
		coi_webpush_quiet_fail(cuser, error);
	return ret > 0 &&
		coi_notify_contact(&contact, ioloop_time) != COI_NOTIFY_YES;
}

/* Also all of them; C3: clients may know an address in either form. */
static bool
coi_webpush_contact_is_muted(struct coi_user *cuser,
			     const struct coi_addresses *from)
{
	unsigned int i;

	if (from->verdict != COI_ADDRESS_LIST || from->count == 0)
		return FALSE;
	for (i = 0; i < from->count; i++) {
		if (!coi_webpush_hash_is_muted(cuser,
				coi_address_hash(from->list[i])) &&
		    !coi_webpush_hash_is_muted(cuser,
				coi_address_hash_alabel(from->list[i])))
			return FALSE;
	}
	return TRUE;
}

/*
 * Groups
 */

static enum coi_notify
coi_webpush_group_notify(struct coi_user *cuser, const char *group_id)
{
	struct coi_group group;
	const char *value, *error;
	int ret;

	ret = coi_entries_read(cuser->store, COI_ENTRY_GROUP,
			       coi_group_key(group_id), &value, &error);
	if (ret > 0 && coi_group_parse(value, pool_datastack_create(), &group,
				       &error) < 0)
		ret = -1;
	if (ret < 0)
		coi_webpush_quiet_fail(cuser, error);
	return ret <= 0 ? COI_NOTIFY_YES :
		coi_notify_group(&group, ioloop_time);
}

/* C10: a mention breaks a mute, but not that of who wants no notice at all. */
static bool
coi_webpush_group_is_muted(struct coi_user *cuser, const struct coi_ring *ring,
			   const struct coi_webpush_message *message,
			   const char *const *own)
{
	const char *error;
	int ret;

	switch (coi_webpush_group_notify(cuser, ring->group_id)) {
	case COI_NOTIFY_YES:
		return FALSE;
	case COI_NOTIFY_NO:
		return TRUE;
	case COI_NOTIFY_MENTION:
		break;
	}
	ret = coi_webpush_message_mentions(message, own, &error);
	if (ret < 0)
		coi_webpush_quiet_fail(cuser, error);
	return ret == 0;
}

const char *coi_webpush_quiet(struct coi_user *cuser,
			      const struct coi_ring *ring,
			      const struct coi_webpush_message *message)
{
	const char *const *own;

	if (coi_fields_is_receipt(&message->fields))
		return "receipt";
	own = coi_webpush_get_own(cuser, ring);
	if (coi_webpush_is_own(&message->from, own))
		return "own";
	if (ring->group_id != NULL) {
		return coi_webpush_group_is_muted(cuser, ring, message, own) ?
			"group muted" : NULL;
	}
	return coi_webpush_contact_is_muted(cuser, &message->from) ?
		"contact muted" : NULL;
}
