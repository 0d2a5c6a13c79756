/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "message-header-decode.h"
#include "str.h"
#include "strfuncs.h"
#include "unichar.h"
#include "coi-limits.h"
#include "coi-group.h"

#include <ctype.h>

/* What mail programs of several languages put before the Subject of a reply or
   of a forwarded message. */
static const char *const coi_reply_prefixes[] = {
	"Re", "Fwd", "Fw", "Aw", "Wg", "Sv", "Vs", "Vb", "Antw", "Odp", "Rv",
	"Tr", "Rif", "Ynt",
};

static const char *coi_skip_spaces(const char *str)
{
	while (*str == ' ')
		str++;
	return str;
}

/* "[2]", "(2)" or "^2": some programs count. */
static const char *coi_skip_count(const char *str)
{
	const char *p = str + 1;
	char end;

	switch (*str) {
	case '[':
		end = ']';
		break;
	case '(':
		end = ')';
		break;
	case '^':
		end = '\0';
		break;
	default:
		return str;
	}
	if (!i_isdigit(*p))
		return str;
	while (i_isdigit(*p))
		p++;
	if (end == '\0')
		return p;
	return *p == end ? p + 1 : str;
}

/* Returns TRUE if there was one. */
static bool coi_skip_reply_prefix(const char **str)
{
	const char *p;
	unsigned int i;
	size_t len;

	for (i = 0; i < N_ELEMENTS(coi_reply_prefixes); i++) {
		len = strlen(coi_reply_prefixes[i]);
		if (strncasecmp(*str, coi_reply_prefixes[i], len) != 0)
			continue;
		p = coi_skip_spaces(coi_skip_count(*str + len));
		if (*p != ':')
			continue;
		*str = coi_skip_spaces(p + 1);
		return TRUE;
	}
	return FALSE;
}

/* Control characters, C1 included, and runs of white space become one space;
   none is left at the end. */
static const char *coi_text_clean(const string_t *text)
{
	const unsigned char *data = str_data(text);
	string_t *clean = t_str_new(str_len(text));
	size_t i, size = str_len(text);
	bool space = FALSE;

	for (i = 0; i < size; i++) {
		if (data[i] <= 0x20 || data[i] == 0x7f) {
			space = TRUE;
			continue;
		}
		if (data[i] == 0xc2 && i + 1 < size && data[i + 1] < 0xa0) {
			space = TRUE;
			i++;
			continue;
		}
		if (space && str_len(clean) > 0)
			str_append_c(clean, ' ');
		space = FALSE;
		str_append_c(clean, data[i]);
	}
	return str_c(clean);
}

const char *coi_group_name(const unsigned char *subject, size_t size)
{
	string_t *text = t_str_new(size);
	const char *name;
	size_t len;

	message_header_decode_utf8(subject, size, text, NULL);
	name = coi_text_clean(text);
	while (coi_skip_reply_prefix(&name)) ;

	len = strlen(name);
	if (len > COI_GROUP_NAME_MAX_BYTES) {
		len = uni_utf8_data_truncate((const unsigned char *)name, len,
					     COI_GROUP_NAME_MAX_BYTES);
		while (len > 0 && name[len - 1] == ' ')
			len--;
	}
	return len == 0 ? NULL : t_strndup(name, len);
}

/* How much of it is looked at: each address costs time, also one that was there
   before; and the last one of a field that is too long is not whole. */
static size_t coi_group_recipients_size(const struct coi_field_value *value)
{
	size_t i, end = 0;
	unsigned int count = 0;

	for (i = 0; i < value->size; i++) {
		if (value->data[i] != ',' && value->data[i] != ';')
			continue;
		end = i;
		if (++count == COI_GROUP_RECIPIENTS_MAX)
			return end;
	}
	return value->too_long ? end : value->size;
}

static void
coi_group_read_recipients(const struct coi_field_value *value, pool_t pool,
			  struct coi_addresses *addresses_r)
{
	coi_addresses_parse(pool, value->data, coi_group_recipients_size(value),
			    COI_GROUP_PARTICIPANTS_MAX, addresses_r);
}

void coi_group_message_read(const struct coi_fields *fields, bool own,
			    pool_t pool, struct coi_group_message *message_r)
{
	const struct coi_field_value *subject =
		&fields->values[COI_FIELD_SUBJECT];

	i_zero(message_r);
	message_r->own = own;
	message_r->receipt = coi_fields_is_receipt(fields);
	message_r->content = coi_fields_get_content(fields);
	coi_addresses_read_from(fields, pool, &message_r->from);
	coi_group_read_recipients(&fields->values[COI_FIELD_TO], pool,
				  &message_r->to);
	coi_group_read_recipients(&fields->values[COI_FIELD_CC], pool,
				  &message_r->cc);
	message_r->subject = subject->data;
	message_r->subject_size = subject->size;
}

/* Returns NULL in doubt: nobody is the sender of such a message. */
static const char *coi_group_sender(const struct coi_group_message *message)
{
	return message->from.verdict == COI_ADDRESS_LIST &&
		message->from.count == 1 ? message->from.list[0] : NULL;
}

static bool
coi_group_has_participant(const struct coi_group *group, const char *address)
{
	unsigned int i;

	for (i = 0; i < group->participant_count; i++) {
		if (strcmp(group->participants[i], address) == 0)
			return TRUE;
	}
	return FALSE;
}

static void coi_group_set_participants(struct coi_group *group,
				       const char *const *participants,
				       unsigned int count)
{
	group->participants = count == 0 ? NULL : participants;
	group->participant_count = count;
}

static bool
coi_group_add_participants(struct coi_group *group, pool_t pool,
			   const char *const *addresses, unsigned int count)
{
	unsigned int i, old_count = group->participant_count;
	const char **list = NULL;

	for (i = 0; i < count; i++) {
		if (group->participant_count == COI_GROUP_PARTICIPANTS_MAX)
			break;
		if (coi_group_has_participant(group, addresses[i]))
			continue;
		if (list == NULL) {
			list = p_new(pool, const char *,
				     COI_GROUP_PARTICIPANTS_MAX);
			if (old_count > 0) {
				memcpy(list, group->participants,
				       old_count * sizeof(*list));
			}
			group->participants = list;
		}
		/* @UNSAFE */
		list[group->participant_count++] = p_strdup(pool, addresses[i]);
	}
	return list != NULL;
}

static bool
coi_group_remove_participant(struct coi_group *group, pool_t pool,
			     const char *address)
{
	const char **list;
	unsigned int i, count = 0;

	if (!coi_group_has_participant(group, address))
		return FALSE;
	list = p_new(pool, const char *, group->participant_count);
	for (i = 0; i < group->participant_count; i++) {
		if (strcmp(group->participants[i], address) != 0)
			list[count++] = group->participants[i];
	}
	coi_group_set_participants(group, list, count);
	return TRUE;
}

/* Subject is the group's name, but not that of a group message: the client
   specification's example has "Group". */
static bool
coi_group_take_name(struct coi_group *group, pool_t pool,
		   const struct coi_group_message *message)
{
	const char *name;

	if (message->content == COI_CONTENT_GROUP || message->subject_size == 0)
		return FALSE;
	name = coi_group_name(message->subject, message->subject_size);
	if (name == NULL || null_strcmp(name, group->name) == 0)
		return FALSE;
	group->name = p_strdup(pool, name);
	return TRUE;
}

/* Name and participants, from a message whose sender may change them. */
static bool
coi_group_learn(struct coi_group *group, pool_t pool,
		const struct coi_group_message *message)
{
	const char *sender = coi_group_sender(message);
	bool changed = FALSE;

	if (coi_group_take_name(group, pool, message))
		changed = TRUE;
	if (sender != NULL &&
	    coi_group_add_participants(group, pool, &sender, 1))
		changed = TRUE;
	if (coi_group_add_participants(group, pool, message->to.list,
				       message->to.count))
		changed = TRUE;
	if (coi_group_add_participants(group, pool, message->cc.list,
				       message->cc.count))
		changed = TRUE;
	return changed;
}

/* The user takes part now. What a stranger may have put into the pending group
   counts only if the user writes to the one who made it; a group message, which
   has no recipients, tells nothing about that. */
static void coi_group_make_known(struct coi_group *group,
				 const struct coi_group_message *message)
{
	const char *author = group->participant_count == 0 ? NULL :
		group->participants[0];

	group->known = TRUE;
	if (author == NULL || message->to.count + message->cc.count == 0 ||
	    coi_addresses_have(&message->to, author) ||
	    coi_addresses_have(&message->cc, author))
		return;
	group->name = NULL;
	coi_group_set_participants(group, NULL, 0);
}

static enum coi_group_change
coi_group_update_own(const struct coi_group *old,
		     const struct coi_group_message *message, pool_t pool,
		     struct coi_group *group)
{
	bool changed = FALSE;

	if (message->content == COI_CONTENT_GROUPLEFT)
		return old == NULL ? COI_GROUP_UNCHANGED : COI_GROUP_REMOVED;
	if (!group->known) {
		coi_group_make_known(group, message);
		changed = TRUE;
	}
	if (coi_group_learn(group, pool, message))
		changed = TRUE;
	return changed ? COI_GROUP_CHANGED : COI_GROUP_UNCHANGED;
}

static enum coi_group_change
coi_group_update_arrived(const struct coi_group_message *message, pool_t pool,
			 struct coi_group *group)
{
	const char *sender = coi_group_sender(message);
	bool changed;

	if (sender == NULL)
		return COI_GROUP_UNCHANGED;
	if (message->content == COI_CONTENT_GROUPLEFT)
		changed = coi_group_remove_participant(group, pool, sender);
	else if (group->id != NULL && !coi_group_has_participant(group, sender))
		changed = FALSE;
	else
		changed = coi_group_learn(group, pool, message);
	return changed ? COI_GROUP_CHANGED : COI_GROUP_UNCHANGED;
}

enum coi_group_change
coi_group_update(const struct coi_group *old, const char *id,
		 const struct coi_group_message *message, time_t now,
		 pool_t pool, struct coi_group *group_r)
{
	struct coi_group group;
	enum coi_group_change change;

	/* Clients send them unasked, to whom they like, with a Subject of their
	   own. */
	if (message->receipt)
		return COI_GROUP_UNCHANGED;

	i_zero(&group);
	if (old != NULL)
		group = *old;
	change = message->own ?
		coi_group_update_own(old, message, pool, &group) :
		coi_group_update_arrived(message, pool, &group);
	if (change == COI_GROUP_CHANGED) {
		if (group.id == NULL)
			group.id = p_strdup(pool, id);
		group.modified = now;
		*group_r = group;
	}
	return change;
}
