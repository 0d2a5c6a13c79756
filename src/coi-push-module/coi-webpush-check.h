#ifndef COI_WEBPUSH_CHECK_H
#define COI_WEBPUSH_CHECK_H

#include "coi-webpush.h"

/* See `check' of struct coi_webpush_vfuncs. */
int coi_webpush_check_user(struct coi_user *cuser,
			   coi_contacts_problem_t *problem, void *context);

#endif
