/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "buffer.h"
#include "write-full.h"
#include "coi-limits.h"
#include "coi-store.h"
#include "coi-contacts-index.h"

#include <fcntl.h>
#include <unistd.h>

#define COI_STORE_KEY_INDEX "contacts.index"

static size_t coi_contacts_index_offset(unsigned int idx)
{
	return (size_t)idx * COI_CONTACT_INDEX_RECORD_BYTES;
}

static void
coi_contacts_index_start_anew(struct coi_contacts_index *index,
			      uint32_t uid_validity)
{
	i_zero(&index->header);
	index->header.uid_validity = uid_validity;
	index->rebuild = TRUE;
	index->records = buffer_create_dynamic(default_pool, 1024);
}

int coi_contacts_index_open(struct coi_contacts_index *index,
			    struct coi_store *store, uint32_t uid_validity,
			    const char **error_r)
{
	buffer_t *buf = t_buffer_create(COI_CONTACT_INDEX_HEADER_BYTES);
	size_t file_size;

	i_zero(index);
	index->store = store;
	i_array_init(&index->killed, 8);
	if (coi_store_read_part(store, COI_STORE_KEY_INDEX,
				COI_CONTACT_INDEX_HEADER_BYTES, buf,
				&file_size, error_r) < 0)
		return -1;
	if (!coi_contact_index_read_header(buf->data, buf->used, file_size,
					   &index->header) ||
	    index->header.uid_validity != uid_validity)
		coi_contacts_index_start_anew(index, uid_validity);
	index->written_count = index->header.record_count;
	return 0;
}

void coi_contacts_index_forget(struct coi_contacts_index *index)
{
	i_assert(index->records == NULL);

	coi_contacts_index_start_anew(index, index->header.uid_validity);
	index->written_count = 0;
}

void coi_contacts_index_close(struct coi_contacts_index *index)
{
	buffer_free(&index->records);
	array_free(&index->killed);
}

void coi_contacts_index_count(struct coi_contacts_index *index)
{
	struct coi_contact_index_header *header = &index->header;
	struct coi_contact_index_record record;
	uint32_t uid = 0;
	unsigned int i;

	header->message_count = header->dead_count = 0;
	for (i = 0; i < header->record_count; i++) {
		coi_contacts_index_get(index, i, &record);
		if (record.dead)
			header->dead_count++;
		else if (record.uid != uid) {
			header->message_count++;
			uid = record.uid;
		}
	}
}

int coi_contacts_index_load(struct coi_contacts_index *index,
			    const char **error_r)
{
	size_t file_size, size = COI_CONTACT_INDEX_HEADER_BYTES +
		coi_contacts_index_offset(index->header.record_count);
	int ret;

	if (index->records != NULL)
		return 0;
	index->records = buffer_create_dynamic(default_pool, size);
	ret = coi_store_read_part(index->store, COI_STORE_KEY_INDEX, size,
				  index->records, &file_size, error_r);
	if (ret > 0 && index->records->used == size) {
		buffer_delete(index->records, 0,
			      COI_CONTACT_INDEX_HEADER_BYTES);
		return 0;
	}
	if (ret >= 0)
		*error_r = COI_STORE_KEY_INDEX" became shorter";
	buffer_free(&index->records);
	return -1;
}

void coi_contacts_index_get(const struct coi_contacts_index *index,
			    unsigned int idx,
			    struct coi_contact_index_record *record_r)
{
	i_assert(idx < index->header.record_count);

	coi_contact_index_read_record(
		CONST_PTR_OFFSET(index->records->data,
				 coi_contacts_index_offset(idx)), record_r);
}

void coi_contacts_index_add(struct coi_contacts_index *index,
			    const struct coi_contact_index_record *records,
			    unsigned int count)
{
	unsigned int i;

	i_assert(count > 0 && records[0].uid > index->header.last_uid);

	for (i = 0; i < count; i++)
		coi_contact_index_append_record(index->records, &records[i]);
	index->header.record_count += count;
	index->header.message_count++;
	index->header.last_uid = records[0].uid;
}

void coi_contacts_index_kill(struct coi_contacts_index *index, unsigned int idx)
{
	struct coi_contact_index_record record;
	buffer_t *buf;

	coi_contacts_index_get(index, idx, &record);
	record.dead = TRUE;
	T_BEGIN {
		buf = t_buffer_create(COI_CONTACT_INDEX_RECORD_BYTES);
		coi_contact_index_append_record(buf, &record);
		buffer_write(index->records, coi_contacts_index_offset(idx),
			     buf->data, buf->used);
	} T_END;
	if (idx < index->written_count)
		array_push_back(&index->killed, &idx);
}

/*
 * Saving
 */

static void
coi_contacts_index_append_living(const struct coi_contacts_index *index,
				 struct coi_contact_index_header *header,
				 buffer_t *dest)
{
	struct coi_contact_index_record record;
	unsigned int i;

	for (i = 0; i < index->header.record_count; i++) {
		coi_contacts_index_get(index, i, &record);
		if (!record.dead) {
			coi_contact_index_append_record(dest, &record);
			header->record_count++;
		}
	}
}

/* Without what is dead. */
static int
coi_contacts_index_write_anew(struct coi_contacts_index *index,
			      const char **error_r)
{
	struct coi_contact_index_header header = index->header;
	buffer_t *buf = buffer_create_dynamic(default_pool, 1024);
	buffer_t *head = t_buffer_create(COI_CONTACT_INDEX_HEADER_BYTES);
	int ret;

	buffer_append_zero(buf, COI_CONTACT_INDEX_HEADER_BYTES);
	header.record_count = header.dead_count = 0;
	coi_contacts_index_append_living(index, &header, buf);
	coi_contact_index_append_header(head, &header);
	buffer_write(buf, 0, head->data, head->used);
	ret = coi_store_write(index->store, COI_STORE_KEY_INDEX,
			      buf->data, buf->used, error_r);
	buffer_free(&buf);
	return ret;
}

static int
coi_contacts_index_write_record(struct coi_contacts_index *index, int fd,
				unsigned int idx, unsigned int count)
{
	size_t offset = coi_contacts_index_offset(idx);

	return pwrite_full(fd, CONST_PTR_OFFSET(index->records->data, offset),
			   coi_contacts_index_offset(count),
			   COI_CONTACT_INDEX_HEADER_BYTES + offset);
}

/* The header comes last: until then no record is new, and that one is dead is
   found out again. */
static int
coi_contacts_index_write_fd(struct coi_contacts_index *index, int fd)
{
	buffer_t *head = t_buffer_create(COI_CONTACT_INDEX_HEADER_BYTES);
	unsigned int idx;

	array_foreach_elem(&index->killed, idx) {
		if (coi_contacts_index_write_record(index, fd, idx, 1) < 0)
			return -1;
	}
	if (coi_contacts_index_write_record(index, fd, index->written_count,
			index->header.record_count - index->written_count) < 0)
		return -1;
	coi_contact_index_append_header(head, &index->header);
	return pwrite_full(fd, head->data, head->used, 0);
}

static int
coi_contacts_index_write_changes(struct coi_contacts_index *index,
				 const char **error_r)
{
	const char *path =
		coi_store_key_path(index->store, COI_STORE_KEY_INDEX);
	int fd, ret;

	fd = open(path, O_RDWR);
	if (fd == -1) {
		*error_r = t_strdup_printf("open(%s) failed: %m", path);
		return -1;
	}
	ret = coi_contacts_index_write_fd(index, fd);
	if (ret < 0)
		*error_r = t_strdup_printf("write(%s) failed: %m", path);
	i_close_fd(&fd);
	return ret;
}

int coi_contacts_index_save(struct coi_contacts_index *index,
			    const char **error_r)
{
	const struct coi_contact_index_header *header = &index->header;

	if (index->rebuild || header->dead_count > COI_CONTACT_INDEX_DEAD_MIN +
	    header->record_count / 2)
		return coi_contacts_index_write_anew(index, error_r);
	return coi_contacts_index_write_changes(index, error_r);
}
