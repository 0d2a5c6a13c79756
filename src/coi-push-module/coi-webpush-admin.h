#ifndef COI_WEBPUSH_ADMIN_H
#define COI_WEBPUSH_ADMIN_H

#include "coi-webpush.h"

/* What `doveadm coi push' does: see struct coi_webpush_vfuncs. */
int coi_webpush_admin_list(struct coi_user *cuser,
			   coi_webpush_info_callback_t *callback,
			   void *context);
int coi_webpush_admin_test(struct coi_user *cuser, const char *id,
			   const char **job_id_r,
			   struct coi_webpush_failure *failure_r);
int coi_webpush_admin_rekey(struct coi_user *cuser, unsigned int *removed_r,
			    struct coi_webpush_failure *failure_r);

#endif
