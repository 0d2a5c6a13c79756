#ifndef COI_CONTACTS_INDEX_H
#define COI_CONTACTS_INDEX_H

#include "coi-contact-index.h"

struct coi_store;

/* The file of coi-contact-index.h in the store. Use it between lock and unlock
   of the store only. Errors (data stack) are for the log. */
struct coi_contacts_index {
	struct coi_store *store;
	struct coi_contact_index_header header;

	/* The file knows nothing about this mailbox: it is written anew. */
	bool rebuild;
	/* The records, once they are loaded; NULL: not yet. */
	buffer_t *records;
	/* Those that are in the file already. */
	unsigned int written_count;
	/* Positions of those among them that are dead since. */
	ARRAY(unsigned int) killed;
};

/* Reads the header. What is there of another mailbox (uid_validity), or is
   damaged, is as if it were not there. Returns 0, or -1 if it cannot be read;
   it is to be closed in both cases. */
int coi_contacts_index_open(struct coi_contacts_index *index,
			    struct coi_store *store, uint32_t uid_validity,
			    const char **error_r);
void coi_contacts_index_close(struct coi_contacts_index *index);

/* As if there were no file yet: all messages are to be looked at. Until it is
   saved the file stays. Call it before the records are loaded. */
void coi_contacts_index_forget(struct coi_contacts_index *index);
/* Reads the records, if that has not happened yet. */
int coi_contacts_index_load(struct coi_contacts_index *index,
			    const char **error_r);
/* Once they are loaded: header.record_count of them. */
void coi_contacts_index_get(const struct coi_contacts_index *index,
			    unsigned int idx,
			    struct coi_contact_index_record *record_r);
/* Adds the records of one message, `count' > 0. */
void coi_contacts_index_add(struct coi_contacts_index *index,
			    const struct coi_contact_index_record *records,
			    unsigned int count);
/* Marks a record dead, whose message is gone. Count them after the last one. */
void coi_contacts_index_kill(struct coi_contacts_index *index,
			     unsigned int idx);
void coi_contacts_index_count(struct coi_contacts_index *index);
/* Writes what has changed. Loses nothing if it is killed meanwhile. */
int coi_contacts_index_save(struct coi_contacts_index *index,
			    const char **error_r);

#endif
