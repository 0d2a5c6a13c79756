#ifndef COI_LIMITS_H
#define COI_LIMITS_H

/* Every ceiling of the project stands here: value, unit, and the rule or the
   reason that it comes from. */

/* Bytes kept of one header value that is looked into (Message-ID, the first
   id of References). Longer values are cut there; a cut id is still compared
   by its beginning. The longest line that RFC 5322 2.1.1 allows. */
#define COI_HEADER_VALUE_MAX_BYTES 998

/* Bytes of a value that a client may set below P/coi/config. The longest
   valid one is "active" (S17, S35); the rest is room for an error text that
   still quotes what was sent. */
#define COI_CONFIG_VALUE_MAX_BYTES 64

/* Bytes of a value that is quoted in an error text for the client. */
#define COI_ERROR_VALUE_MAX_BYTES 80

/* Bytes of the store's state file. Anything larger was not written by us. */
#define COI_STATE_MAX_BYTES 4096

/* Bytes of a mailbox name in a setting; Dovecot's own limit for a level. */
#define COI_MAILBOX_NAME_MAX_BYTES 255

/* Seconds that a writer waits for another one's lock on the store. */
#define COI_STORE_LOCK_TIMEOUT_SECS 10

/* Milliseconds from the last \Seen, or the last body that was read, to the move
   into Chats (S35): a client that reads a message piece by piece still finds it
   in INBOX. */
#define COI_SEEN_MOVE_DELAY_MSECS 1500

/* Messages that are moved into Chats in one transaction. */
#define COI_SEEN_MOVE_BATCH_MAX 200

/* Bytes of the list of UIDs that are being moved: half a million messages in
   the worst case. */
#define COI_SEEN_JOURNAL_MAX_BYTES (4*1024*1024)

/* How often a mailbox is tried to be made while another process makes it. */
#define COI_MAILBOX_CREATE_TRIES_MAX 10

#endif
