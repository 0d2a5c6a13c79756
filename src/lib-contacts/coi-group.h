#ifndef COI_GROUP_H
#define COI_GROUP_H

#include "coi-address.h"
#include "coi-entry.h"
#include "coi-fields.h"

/* A group as the server knows it from its messages, so that a new device finds
   the user's groups (C8, C9, C10). State is the value of an entry below
   P/coi/groups.

   A group is `known' once a client of the user has appended a message or a
   group message of it. What arrives may make no more than a pending one, since
   a stranger can send anything, and may change either only if it comes from a
   participant. */

enum coi_group_notify {
	COI_GROUP_NOTIFY_ALL,
	COI_GROUP_NOTIFY_MENTIONS,
	COI_GROUP_NOTIFY_NONE,
};

/* All zero is the default, which is not stored. */
struct coi_group {
	/* What clients set. */
	enum coi_group_notify notify;
	/* 0: not muted. May be in the past. */
	time_t muted_until;

	/* What the server sets. NULL: a client has set something before the
	   first message of the group was seen. */
	const char *id;
	/* NULL: none yet. */
	const char *name;
	/* Normalised addresses, the sender of the first message first; the user
	   is one of them. */
	const char *const *participants;
	unsigned int participant_count;
	bool known;
	/* 0: never. */
	time_t modified;
};

/* The name of its entry below COI_ENTRY_GROUPS (data stack): ids are
   case-sensitive and entry names are not, so it is a hash. */
const char *coi_group_key(const char *id);

/* Reads a value that a client wants to set at `entry', its full name; `old' is
   what is stored (NULL: nothing). What the server sets stays as it is in `old'
   and is ignored in `value', as are members that we do not know. `modified' is
   set to `now'. Returns 0, or -1 if the value is not allowed; then
   *client_error_r (data stack) names entry and member, and may be sent to the
   client as it is. Strings of *group_r are those of `old'. */
int coi_group_validate(const char *entry, const char *value,
		       const struct coi_group *old, time_t now,
		       struct coi_group *group_r, const char **client_error_r);

/* The value as it is stored and as clients get it. Returns 0, or -1 if we did
   not write it; then *error_r (data stack) says why. Strings are allocated
   from `pool'. */
int coi_group_parse(const char *value, pool_t pool, struct coi_group *group_r,
		    const char **error_r);
void coi_group_format(const struct coi_group *group, string_t *dest);
/* Nothing that is worth an entry. */
bool coi_group_is_default(const struct coi_group *group);

/* Made by arriving mail only: the user has neither written to it nor set
   anything. */
bool coi_group_is_pending(const struct coi_group *group);
/* The same of a value, by no more than its first COI_GROUP_VALUE_HEAD_BYTES:
   what a client has set, and whether the group is known, stand there. */
#define COI_GROUP_VALUE_HEAD_BYTES 16
bool coi_group_value_is_pending(const void *data, size_t size);

/* What a group needs to know of a message. */
struct coi_group_message {
	/* A client of the user has appended it; otherwise it has arrived. */
	bool own;
	/* C11. It changes nothing. */
	bool receipt;
	enum coi_content content;
	struct coi_addresses from, to, cc;
	/* As it stands in the message; NULL if size is 0. */
	const unsigned char *subject;
	size_t subject_size;
};

/* Fills the facts from COI_FIELDS_GROUP of coi-fields.h. Total. */
void coi_group_message_read(const struct coi_fields *fields, bool own,
			    pool_t pool, struct coi_group_message *message_r);

enum coi_group_change {
	COI_GROUP_UNCHANGED,
	/* *group_r is to be stored. */
	COI_GROUP_CHANGED,
	/* The entry is to be removed. */
	COI_GROUP_REMOVED,
};

/* What a message of the group `id' makes of its state `old' (NULL: there is
   none). Total. *group_r is set if something changed; its strings are allocated
   from `pool', or are those of `old'. */
enum coi_group_change
coi_group_update(const struct coi_group *old, const char *id,
		 const struct coi_group_message *message, time_t now,
		 pool_t pool, struct coi_group *group_r);

/* A Subject as the name of a group: decoded, without reply prefixes ("Re:",
   "AW: ") and control characters, at most COI_GROUP_NAME_MAX_BYTES of it.
   NULL if nothing is left. Allocated from the data stack. */
const char *coi_group_name(const unsigned char *subject, size_t size);

#endif
