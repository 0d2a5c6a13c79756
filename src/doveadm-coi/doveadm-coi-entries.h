#ifndef DOVEADM_COI_ENTRIES_H
#define DOVEADM_COI_ENTRIES_H

#include "coi-contact.h"
#include "coi-group.h"

struct mailbox;
struct doveadm_coi_cmd;
struct doveadm_coi_user;

/* The entries of which a user has many. A class is COI_ENTRY_CONTACTS or
   COI_ENTRY_GROUPS. Callbacks are called in no order, within a data stack frame
   of their own. */

/* The key of an entry among INBOX's attributes (data stack). */
const char *doveadm_coi_entry_key(const char *class, const char *hash);

typedef void doveadm_coi_entry_callback_t(void *context, const char *hash,
					  const char *value);
typedef void doveadm_coi_contact_callback_t(void *context, const char *hash,
					    const struct coi_contact *contact);
typedef void doveadm_coi_group_callback_t(void *context, const char *hash,
					  const struct coi_group *group);

/* Returns 0, or -1 after doveadm_coi_fail(). */
int doveadm_coi_each_entry(struct doveadm_coi_cmd *cmd,
			   const struct doveadm_coi_user *duser,
			   struct mailbox *inbox, const char *class,
			   doveadm_coi_entry_callback_t *callback,
			   void *context);
/* Appends the last part of each entry's name to `ids', allocated from `pool',
   also of those whose value cannot be read. Returns as the above. */
int doveadm_coi_list_ids(struct doveadm_coi_cmd *cmd,
			 const struct doveadm_coi_user *duser,
			 const char *class, pool_t pool,
			 ARRAY_TYPE(const_string) *ids);
/* The same as the first, with the values read. One that cannot be read is passed over after
   doveadm_coi_fail(), which the exit status tells. */
int doveadm_coi_each_contact(struct doveadm_coi_cmd *cmd,
			     const struct doveadm_coi_user *duser,
			     struct mailbox *inbox,
			     doveadm_coi_contact_callback_t *callback,
			     void *context);
int doveadm_coi_each_group(struct doveadm_coi_cmd *cmd,
			   const struct doveadm_coi_user *duser,
			   struct mailbox *inbox,
			   doveadm_coi_group_callback_t *callback,
			   void *context);

/* Reads the contact; one that has no entry is the default. Returns 1 if it has
   one, 0 if not, or -1 after doveadm_coi_fail(). */
int doveadm_coi_get_contact(struct doveadm_coi_cmd *cmd,
			    const struct doveadm_coi_user *duser,
			    struct mailbox *inbox, const char *hash,
			    struct coi_contact *contact_r);

/* A point of time as it is printed: RFC 3339, or "" for none (data stack). */
const char *doveadm_coi_time_str(time_t value);

#endif
