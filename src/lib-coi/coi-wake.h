#ifndef COI_WAKE_H
#define COI_WAKE_H

/* How long to wait before a client is told that something changed (flow E).

   A single change is told at once, or nearly so. While changes keep coming each
   wait is twice the one before, up to Dovecot's own, so that a burst wakes a
   client some times and not once per message; quiet undoes that. Whatever the
   pattern of the changes, a client is woken at most 10 times in a second. */

/* Dovecot's own delay: never wait longer. */
#define COI_WAKE_DELAY_MAX_MSECS 500
/* A second wait in a row takes at least twice this. */
#define COI_WAKE_DELAY_GROWING_MSECS 5
/* Each time that it is quiet for so long undoes one doubling. */
#define COI_WAKE_CALM_MSECS 200
/* So much quiet undoes all: less than the second after which a client that
   NOTIFY tells of its selected mailbox may expect to be told at once again. */
#define COI_WAKE_QUIET_MSECS 900

struct coi_wake {
	unsigned int first_delay_msecs;
	/* how often the delay is to be doubled */
	unsigned int doublings;
	/* when the client is told, or was last */
	uint64_t told_msecs;
};

void coi_wake_init(struct coi_wake *wake, unsigned int first_delay_msecs);

/* Something changed at `now_msecs' (any clock) and the client is not about to
   be told anyway. Returns after how many msecs to tell it. */
unsigned int coi_wake_next(struct coi_wake *wake, uint64_t now_msecs);

#endif
