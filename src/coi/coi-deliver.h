#ifndef COI_DELIVER_H
#define COI_DELIVER_H

/* The delivery hook of LMTP and LDA (flow A of doc/design.md).

   It stands outside Sieve's, because Pigeonhole never calls the next hook: the
   module's number is above Sieve's, and a user whose own plugin list loads
   Sieve later finds the hook set anew. */

void coi_deliver_init(void);
void coi_deliver_deinit(void);

/* Hook: a user was created, perhaps with plugins that set delivery hooks. */
void coi_deliver_reassert(void);

#endif
