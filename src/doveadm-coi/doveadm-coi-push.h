#ifndef DOVEADM_COI_PUSH_H
#define DOVEADM_COI_PUSH_H

#include "coi-webpush.h"

struct doveadm_coi_cmd;
struct doveadm_coi_user;

/* What the verbs of Web Push share. */

/* The plugin's functions, or NULL after doveadm_coi_fail(). */
const struct coi_webpush_vfuncs *
doveadm_coi_push_get(struct doveadm_coi_cmd *cmd,
		     const struct doveadm_coi_user *duser);
/* The same for what makes sense only where the administrator has set up push. */
const struct coi_webpush_vfuncs *
doveadm_coi_push_get_on(struct doveadm_coi_cmd *cmd,
			const struct doveadm_coi_user *duser);

/* Reads the parameter `id', if it is given (else *id_r is NULL). Returns 0, or -1
   with *error_r (data stack) if no subscription can have that name. */
int doveadm_coi_push_read_id(struct doveadm_coi_cmd *cmd, const char **id_r,
			     const char **error_r);

#endif
