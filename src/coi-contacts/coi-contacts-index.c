/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "buffer.h"
#include "write-full.h"
#include "coi-limits.h"
#include "coi-user.h"
#include "coi-contacts-index.h"
#include "coi-contacts-session.h"

#include <fcntl.h>
#include <unistd.h>

#define COI_STORE_KEY_INDEX "contacts.index"

static size_t coi_contacts_index_offset(unsigned int count)
{
	return COI_CONTACT_INDEX_HEADER_BYTES +
		(size_t)count * COI_CONTACT_INDEX_RECORD_BYTES;
}

static void
coi_contacts_index_start_anew(struct coi_contacts_index *index,
			      uint32_t uid_validity)
{
	i_zero(&index->header);
	index->header.uid_validity = uid_validity;
	index->rebuild = TRUE;
}

int coi_contacts_index_open(struct coi_contacts_index *index,
			    struct coi_user *cuser, uint32_t uid_validity,
			    const char **error_r)
{
	buffer_t *buf = t_buffer_create(COI_CONTACT_INDEX_HEADER_BYTES);
	size_t file_size;

	i_zero(index);
	index->cuser = cuser;
	i_array_init(&index->changed, 8);
	if (coi_store_read_part(cuser->store, COI_STORE_KEY_INDEX,
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
	i_assert(index->added == NULL);

	coi_contacts_index_start_anew(index, index->header.uid_validity);
	index->written_count = 0;
}

void coi_contacts_index_close(struct coi_contacts_index *index)
{
	struct coi_contacts_session *session = index->cuser->contacts_session;

	if (index->stale)
		coi_store_unmap(&index->map);
	else if (index->map.data != NULL) {
		coi_store_unmap(&session->index_map);
		session->index_map = index->map;
	}
	buffer_free(&index->added);
	array_free(&index->changed);
}

static int
coi_contacts_index_map(struct coi_contacts_index *index, const char **error_r)
{
	struct coi_contacts_session *session = index->cuser->contacts_session;
	size_t size = coi_contacts_index_offset(index->written_count);

	if (session->index_map.size == size) {
		index->map = session->index_map;
		i_zero(&session->index_map);
		return 0;
	}
	return coi_store_map(index->cuser->store, COI_STORE_KEY_INDEX, size,
			     &index->map, error_r);
}

int coi_contacts_index_load(struct coi_contacts_index *index,
			    const char **error_r)
{
	if (index->added != NULL)
		return 0;
	if (index->written_count > 0 &&
	    coi_contacts_index_map(index, error_r) < 0)
		return -1;
	index->added = buffer_create_dynamic(default_pool, 1024);
	return 0;
}

void coi_contacts_index_add(struct coi_contacts_index *index,
			    const struct coi_contact_index_record *records,
			    unsigned int count)
{
	unsigned int i;

	i_assert(count > 0 && records[0].uid > index->header.last_uid);

	for (i = 0; i < count; i++)
		coi_contact_index_append_record(index->added, &records[i]);
	index->header.record_count += count;
	index->header.message_count++;
	index->header.last_uid = records[0].uid;
}

void coi_contacts_index_set_flags(struct coi_contacts_index *index,
				  unsigned int idx, uint32_t flags)
{
	i_assert(idx < index->written_count);

	coi_contact_index_set_flags(PTR_OFFSET(index->map.data,
		coi_contacts_index_offset(idx)), flags);
	array_push_back(&index->changed, &idx);
	index->stale = TRUE;
}

/*
 * Saving
 */

static void
coi_contacts_index_append_living(const struct coi_contacts_index *index,
				 struct coi_contact_index_header *header,
				 buffer_t *dest)
{
	const unsigned char *data;
	unsigned int i;

	for (i = 0; i < index->header.record_count; i++) {
		data = coi_contacts_index_data(index, i);
		if (!coi_contact_index_is_dead(data)) {
			buffer_append(dest, data,
				      COI_CONTACT_INDEX_RECORD_BYTES);
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
	ret = coi_store_write(index->cuser->store, COI_STORE_KEY_INDEX,
			      buf->data, buf->used, error_r);
	buffer_free(&buf);
	return ret;
}

static int
coi_contacts_index_write_flags(struct coi_contacts_index *index, int fd)
{
	unsigned int idx;

	array_foreach_elem(&index->changed, idx) {
		if (pwrite_full(fd, coi_contacts_index_data(index, idx),
				COI_CONTACT_INDEX_RECORD_BYTES,
				coi_contacts_index_offset(idx)) < 0)
			return -1;
	}
	return 0;
}

/* The header comes last: until then no record is new, and that one is dead is
   found out again. */
static int
coi_contacts_index_write_fd(struct coi_contacts_index *index, int fd)
{
	buffer_t *head = t_buffer_create(COI_CONTACT_INDEX_HEADER_BYTES);

	if (coi_contacts_index_write_flags(index, fd) < 0 ||
	    pwrite_full(fd, index->added->data, index->added->used,
			coi_contacts_index_offset(index->written_count)) < 0)
		return -1;
	coi_contact_index_append_header(head, &index->header);
	return pwrite_full(fd, head->data, head->used, 0);
}

static int
coi_contacts_index_write_changes(struct coi_contacts_index *index,
				 const char **error_r)
{
	const char *path =
		coi_store_key_path(index->cuser->store, COI_STORE_KEY_INDEX);
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
	    header->record_count / 2) {
		index->stale = TRUE;
		coi_store_unmap(&index->cuser->contacts_session->index_map);
		return coi_contacts_index_write_anew(index, error_r);
	}
	if (coi_contacts_index_write_changes(index, error_r) < 0)
		return -1;
	index->stale = FALSE;
	return 0;
}
