/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "istream.h"
#include "mail-storage.h"
#include "coi-headers.h"
#include "coi-message.h"

int coi_message_read(struct mail *mail, unsigned int wanted, pool_t pool,
		     struct coi_message *message_r, const char **error_r)
{
	struct coi_headers headers;
	struct istream *input;
	uoff_t old_offset;
	int ret;

	i_zero(message_r);
	if (mail_get_hdr_stream(mail, NULL, &input) < 0) {
		*error_r = t_strdup(mailbox_get_last_internal_error(mail->box,
								    NULL));
		return -1;
	}
	old_offset = input->v_offset;
	ret = coi_headers_read_fields(input, pool, wanted, &headers,
				      &message_r->fields, error_r);
	i_stream_seek(input, old_offset);
	if (ret < 0)
		return -1;
	coi_classify(&headers, &message_r->class);
	if (coi_group_id_find(&headers, &message_r->group_id))
		message_r->group_id = p_strdup(pool, message_r->group_id);
	return 0;
}
