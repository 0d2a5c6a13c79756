#ifndef DOVEADM_COI_ENTRIES_H
#define DOVEADM_COI_ENTRIES_H

struct mailbox;
struct doveadm_coi_cmd;
struct doveadm_coi_user;

/* The entries of which a user has many. */

/* The key of an entry of a class, which is COI_ENTRY_CONTACTS or COI_ENTRY_GROUPS
   (data stack). */
const char *doveadm_coi_entry_key(const char *class, const char *hash);

/* Called for each entry, within a data stack frame. Returns 0 to go on, -1 after
   doveadm_coi_fail() to end. */
typedef int doveadm_coi_entry_callback_t(void *context, const char *hash,
					 const char *value);

/* Returns 0, or -1 after doveadm_coi_fail(). */
int doveadm_coi_each_entry(struct doveadm_coi_cmd *cmd,
			   const struct doveadm_coi_user *duser,
			   struct mailbox *inbox, const char *class,
			   doveadm_coi_entry_callback_t *callback,
			   void *context);

#endif
