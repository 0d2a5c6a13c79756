#ifndef COI_WEBPUSH_RING_H
#define COI_WEBPUSH_RING_H

#include "coi-webpush.h"

/* See `ring' of struct coi_webpush_vfuncs. */
void coi_webpush_ring(struct coi_user *cuser, const struct coi_ring *ring);

#endif
