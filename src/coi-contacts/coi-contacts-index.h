#ifndef COI_CONTACTS_INDEX_H
#define COI_CONTACTS_INDEX_H

#include "coi-contact-index.h"
#include "coi-store.h"

struct coi_user;

/* The file of coi-contact-index.h in the store, while there is a
   coi_contacts_session. Use it between lock and unlock of the store only. Errors
   (data stack) are for the log. */
struct coi_contacts_index {
	struct coi_user *cuser;
	struct coi_contact_index_header header;

	/* The file knows nothing about this mailbox: it is written anew. */
	bool rebuild;
	/* The map is not as the file is. */
	bool stale;
	/* Records in the file. */
	unsigned int written_count;
	/* Its header and records, once they are loaded. */
	struct coi_store_map map;
	/* Positions of those whose flags have changed since. */
	ARRAY(unsigned int) changed;
	/* Records to be added to them. NULL: they are not loaded yet. */
	buffer_t *added;
};

/* Reads the header. What is there of another mailbox (uid_validity), or is
   damaged, is as if it were not there. Returns 0, or -1 if it cannot be read;
   it is to be closed in both cases. */
int coi_contacts_index_open(struct coi_contacts_index *index,
			    struct coi_user *cuser, uint32_t uid_validity,
			    const char **error_r);
void coi_contacts_index_close(struct coi_contacts_index *index);

/* As if there were no file yet: all messages are to be looked at. Until it is
   saved the file stays. Call it before the records are loaded. */
void coi_contacts_index_forget(struct coi_contacts_index *index);
/* Reads the records, if that has not happened yet. */
int coi_contacts_index_load(struct coi_contacts_index *index,
			    const char **error_r);
/* Once they are loaded: header.record_count of them. Valid until one is added. */
static inline const unsigned char *
coi_contacts_index_data(const struct coi_contacts_index *index,
			unsigned int idx)
{
	return idx < index->written_count ?
		CONST_PTR_OFFSET(index->map.data,
				 COI_CONTACT_INDEX_HEADER_BYTES +
				 (size_t)idx * COI_CONTACT_INDEX_RECORD_BYTES) :
		CONST_PTR_OFFSET(index->added->data,
				 (size_t)(idx - index->written_count) *
				 COI_CONTACT_INDEX_RECORD_BYTES);
}
/* Adds the records of one message, `count' > 0. */
void coi_contacts_index_add(struct coi_contacts_index *index,
			    const struct coi_contact_index_record *records,
			    unsigned int count);
/* Changes the flags of a record of the file; the caller counts. */
void coi_contacts_index_set_flags(struct coi_contacts_index *index,
				  unsigned int idx, uint32_t flags);
/* Writes what has changed. Loses nothing if it is killed meanwhile. */
int coi_contacts_index_save(struct coi_contacts_index *index,
			    const char **error_r);

#endif
