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

/* Values from which on they are brought to the disk together and not one by
   one. */
#define COI_STORE_MANY_MIN 16

/* Milliseconds from the last \Seen, or the last body that was read, to the move
   into Chats (S35): a client that reads a message piece by piece still finds it
   in INBOX. */
#define COI_SEEN_MOVE_DELAY_MSECS 1500

/* Messages that are moved into Chats in one transaction. */
#define COI_SEEN_MOVE_BATCH_MAX 200

/* Messages that `doveadm coi sort' looks at or moves before it lets go of what it
   holds: memory, and the store's lock, for which others wait no longer than
   COI_STORE_LOCK_TIMEOUT_SECS. */
#define COI_SORT_BATCH_MAX 1000

/* Entries that `doveadm coi erase' removes in one transaction. */
#define COI_ERASE_BATCH_MAX 1000

/* How often the removal of a store is tried while others write to it, and the
   pause between two tries. */
#define COI_STORE_ERASE_TRIES_MAX 100
#define COI_STORE_ERASE_PAUSE_MSECS 10

/* Bytes of the list of UIDs that are being moved: half a million messages in
   the worst case. */
#define COI_SEEN_JOURNAL_MAX_BYTES (4*1024*1024)

/* How often a mailbox is tried to be made while another process makes it. */
#define COI_MAILBOX_CREATE_TRIES_MAX 10

/* Bytes kept of all From fields of a message together. More is not looked at:
   such a sender is not blocked (C5). */
#define COI_FROM_MAX_BYTES 8192

/* Bytes kept of all To fields of a message together, and of all Cc fields:
   room for COI_GROUP_PARTICIPANTS_MAX addresses with display names. */
#define COI_RECIPIENTS_MAX_BYTES (64*1024)

/* Bytes kept of Subject: room for COI_GROUP_NAME_MAX_BYTES in encoded words
   (RFC 2047), which make of one byte three and more. */
#define COI_SUBJECT_MAX_BYTES 4096

/* Bytes kept of Content-Type, which is looked at for its report-type (C11). */
#define COI_CONTENT_TYPE_MAX_BYTES 2048

/* Addresses in the From fields of a message: each costs a lookup. */
#define COI_FROM_ADDRESSES_MAX 16

/* Bytes of a normalised address. RFC 5321 4.5.3.1 allows 64 + 1 + 255, and a
   domain may be longer in UTF-8 than in ASCII. */
#define COI_ADDRESS_MAX_BYTES 512

/* Bytes of either part of the user's own address in a message that the server
   writes: a line stays below 998 (RFC 5322 2.1.1), even if all is quoted. */
#define COI_OWN_ADDRESS_PART_MAX_BYTES 255

/* Hashes that one contact message may name (C3: one for each address), and the
   bytes kept of all its COI-From-Hash fields together. */
#define COI_CONTACT_HASHES_MAX 256
#define COI_CONTACT_HASHES_MAX_BYTES (COI_CONTACT_HASHES_MAX * 128)

/* Contact messages that the server writes in one transaction. */
#define COI_CONTACT_WRITE_BATCH_MAX 200

/* What a killed writer has left in the store is removed when it is so old: as
   long as no writer takes. */
#define COI_STORE_LEFTOVER_SECS (60*60)

/* Records of messages that are gone, beyond half of all, from which on the index
   of contact messages is written anew. */
#define COI_CONTACT_INDEX_DEAD_MIN 100

/* Bytes of a contact's state, which a client may set. What we write takes less
   than 200; the rest is room for members that we do not know. */
#define COI_CONTACT_VALUE_MAX_BYTES 4096

/* Participants of a group, and bytes of its name: what arrives must not choose
   how much of the store is used. */
#define COI_GROUP_PARTICIPANTS_MAX 256
#define COI_GROUP_NAME_MAX_BYTES 256

/* Commas and semicolons in To that are looked at, and in Cc: room for
   COI_GROUP_PARTICIPANTS_MAX addresses with one in each display name. */
#define COI_GROUP_RECIPIENTS_MAX (2 * COI_GROUP_PARTICIPANTS_MAX)

/* Bytes of a group's id in its state. C8 has no limit, but an id that reaches
   the end of COI_HEADER_VALUE_MAX_BYTES has no dot after it. */
#define COI_GROUP_ID_MAX_BYTES COI_HEADER_VALUE_MAX_BYTES

/* Groups of a user that arriving mail made and that the user has not taken
   part in yet. */
#define COI_GROUPS_PENDING_MAX 50

/* Bytes of the list of them, each a line of COI_HASH_LEN: room for those that
   dsync adds and for those that are gone. */
#define COI_GROUPS_PENDING_LIST_MAX_BYTES (4 * COI_GROUPS_PENDING_MAX * 65)

/* Bytes of a group's state: the participants with every byte escaped, and
   their quotes and commas; then the id, the name and the rest. A client's value
   may hold all of it, since it may send back what it got. */
#define COI_GROUP_VALUE_MAX_BYTES \
	(COI_GROUP_PARTICIPANTS_MAX * (2 * COI_ADDRESS_MAX_BYTES + 3) + 4096)

/* Levels of objects and arrays in a JSON value. Ours have two; more may stand
   in members that we ignore. */
#define COI_JSON_DEPTH_MAX 16

/* Characters of a subscription's id (W9). */
#define COI_PUSH_ID_MIN_LEN 10
#define COI_PUSH_ID_MAX_LEN 36

/* W10: bytes of the names of client and device, of an endpoint (the document
   has 512; those of UnifiedPush are longer), and of a key as text. */
#define COI_PUSH_CLIENT_MAX_BYTES 128
#define COI_PUSH_ENDPOINT_MAX_BYTES 1024
#define COI_PUSH_KEY_MAX_BYTES 256

/* Bytes of a subscription, as a client sets it and as it is stored. What we
   write takes less than 4,000; the rest is room for members that we do not
   know. */
#define COI_PUSH_VALUE_MAX_BYTES 8192

/* Bytes of the text by which a subscription is validated (W17), and how many
   wrong ones a client may send (W20). */
#define COI_PUSH_VALIDATION_MAX_BYTES 1024
#define COI_PUSH_VALIDATION_TRIES_MAX 5

/* Ports that endpoints may have, and characters of the secret that seals keys. */
#define COI_PUSH_PORTS_MAX 16
#define COI_SECRET_MIN_LEN 16

/* Subscriptions that a user may be allowed: each costs every delivery. */
#define COI_PUSH_SUBSCRIPTIONS_MAX 100

/* Subscriptions that a user may try to make in an hour (W33), and bytes of the
   list of the times when that was. */
#define COI_PUSH_ATTEMPTS_MAX 10
#define COI_PUSH_ATTEMPTS_SECS (60*60)
#define COI_PUSH_ATTEMPTS_MAX_BYTES (COI_PUSH_ATTEMPTS_MAX * 24)

/* Bytes of a device token of Delta Chat, and of one as it is stored: with a
   time before it. */
#define COI_TOKEN_MAX_BYTES 4096
#define COI_TOKEN_VALUE_MAX_BYTES (COI_TOKEN_MAX_BYTES + 32)

/* Seconds until a token goes that nobody has set again. */
#define COI_TOKEN_LIFETIME_SECS (90*24*60*60)

/* Bytes of a VAPID key as it is stored. */
#define COI_PUSH_KEY_VALUE_MAX_BYTES 512

/* Bytes of whom to ask about our pushes, as the administrator sets it (W30). */
#define COI_PUSH_SUBJECT_MAX_BYTES 255

/* W26: bytes of a JSON string before it is cut, in its escaped form. The rule
   wants 100 and, for Content-Type, 200 at least; the last character may take
   up to six. */
#define COI_PUSH_TEXT_MAX_BYTES 206
#define COI_PUSH_CONTENT_TYPE_MAX_BYTES 206

/* Bytes above which a mailbox name (W26) and a group's id (W27) are left out
   of a payload. */
#define COI_PUSH_FOLDER_MAX_BYTES 200
#define COI_PUSH_GROUP_ID_MAX_BYTES 128

/* Seconds that a push service is asked to keep a push: more than any of them
   does. */
#define COI_PUSH_TTL_MAX_SECS (28*24*60*60)

/* Characters of a Topic (RFC 8030 5.4). */
#define COI_PUSH_TOPIC_MAX_LEN 32

/* Seconds until a push is sent again: after the first failure, and at most.
   In between they double. */
#define COI_PUSH_RETRY_MIN_SECS 5
#define COI_PUSH_RETRY_MAX_SECS (15*60)

/* Seconds that a push service may ask us to wait: jobs do not live longer. */
#define COI_PUSH_RETRY_AFTER_MAX_SECS (24*60*60)

/* Characters of a job's id, and bytes of a user's name in a job. */
#define COI_PUSH_JOB_ID_MIN_LEN 16
#define COI_PUSH_JOB_ID_MAX_LEN 64
#define COI_PUSH_USER_MAX_BYTES 512

/* Bytes of an Authorization header: an endpoint's host and a subject, in
   base64, and a key and a signature. */
#define COI_PUSH_AUTHORIZATION_MAX_BYTES 2048

/* Bytes of a payload above which a smaller one goes with it: some push services
   take less than RFC 8030 7.2 wants. */
#define COI_PUSH_SMALL_MIN_BYTES 2048

/* Milliseconds in which what is read in a mailbox is pushed once, and messages
   that are looked at for one that is to be told of. */
#define COI_PUSH_SEEN_WINDOW_MSECS (5*1000)
#define COI_PUSH_SEEN_TRIES_MAX 16

/* Milliseconds in which one of a user's sessions asks once what push services say
   is gone. */
#define COI_PUSH_TIDY_WINDOW_MSECS (60*60*1000)

/* Milliseconds until a session looks at what was read while an earlier push
   waits for its time: less than COI_SEEN_MOVE_DELAY_MSECS. And until it looks
   again whether its command has ended. */
#define COI_PUSH_SEEN_LOOK_MSECS 500
#define COI_PUSH_SEEN_BUSY_MSECS 200

/* C10: bytes of decoded text in which mentions are looked for, how many of what
   looks like one are read, and bytes of a name in one. */
#define COI_MENTION_TEXT_MAX_BYTES (64*1024)
#define COI_MENTIONS_MAX 1000
#define COI_MENTION_NAME_MAX_BYTES 256

/* Seconds until a job is dropped, at least: some services take none without a
   moment's delay. */
#define COI_PUSH_DEADLINE_MIN_SECS 60

/* Commands to the worker that a mail process keeps until they are answered. */
#define COI_PUSH_UNANSWERED_MAX 256

/* Seconds without any answer after which it does not go on writing to a worker:
   what that does not read takes memory. */
#define COI_PUSH_HUNG_SECS 10

/* Milliseconds: from a lost connection to the worker to the next try, doubled
   after each; without work until it is closed; and that a process waits for the
   worker when it ends. */
#define COI_PUSH_RECONNECT_MIN_MSECS 100
#define COI_PUSH_RECONNECT_MAX_MSECS (30*1000)
#define COI_PUSH_IDLE_MSECS (10*1000)
#define COI_PUSH_WAIT_MSECS (2*1000)

/* Milliseconds in which the worker has to say something when doveadm asks for its
   queue. */
#define COI_PUSH_QUEUE_WAIT_MSECS (10*1000)

/* Bytes of a job's line: two bodies of 4096 in base64, and all the rest. */
#define COI_PUSH_JOB_LINE_MAX_BYTES 16384

/* Bytes of a line that a mail process and the worker say to each other: a job's
   and the word before it. */
#define COI_PUSH_LINE_MAX_BYTES (COI_PUSH_JOB_LINE_MAX_BYTES + 64)

/* Jobs that a user may have in the worker's queue: far more than a phone that
   was off for hours wants to hear of. */
#define COI_PUSH_USER_JOBS_MAX 1000

/* Notes that the worker keeps about subscriptions which are gone, of one user
   and of all, and for how long. */
#define COI_PUSH_USER_GONE_MAX 100
#define COI_PUSH_GONE_MAX 100000
#define COI_PUSH_GONE_SECS (30*24*60*60)

/* Seconds of failure without a success in between after which a subscription
   counts as gone (W34), and lanes that it is known of since when they fail. */
#define COI_PUSH_FAILING_SECS (14*24*60*60)
#define COI_PUSH_FAILING_MAX 100000

/* Pushes that are on their way at the same time: all, to one origin before it has
   answered (or if it knows HTTP/1.1 only), to one that knows HTTP/2, and of one
   user. */
#define COI_PUSH_ACTIVE_MAX 256
#define COI_PUSH_ORIGIN_ACTIVE_MAX 100
#define COI_PUSH_ORIGIN_CONNECTIONS_MAX 8
#define COI_PUSH_USER_ACTIVE_MAX 4

/* Connections to push services that are kept. */
#define COI_PUSH_CONNECTIONS_MAX 64

/* Failures one after the other until nothing more is sent to an origin, and the
   seconds until it is tried again: after these, and at most. In between they
   double. */
#define COI_PUSH_ORIGIN_FAILURES_MAX 5
#define COI_PUSH_ORIGIN_PAUSE_MIN_SECS 15
#define COI_PUSH_ORIGIN_PAUSE_MAX_SECS (15*60)

/* Bytes of a push service's answer, headers and all. Nothing in it but the
   status and Retry-After is of use. */
#define COI_PUSH_ANSWER_MAX_BYTES 16384

/* Seconds in which a connection to a push service has to be made. */
#define COI_PUSH_CONNECT_TIMEOUT_SECS 10

/* Seconds for which an address is believed in: what its DNS says, but within
   these. And for which a failure is not asked about again. */
#define COI_PUSH_RESOLVE_MIN_SECS 30
#define COI_PUSH_RESOLVE_MAX_SECS 300
#define COI_PUSH_RESOLVE_FAILED_SECS 5
/* Milliseconds until a DNS server is asked again, and how often. */
#define COI_PUSH_RESOLVE_TIMEOUT_MSECS 2000
#define COI_PUSH_RESOLVE_TRIES 2
/* Names and addresses of each that are remembered. */
#define COI_PUSH_RESOLVE_NAMES_MAX 1000
#define COI_PUSH_RESOLVE_ADDRESSES_MAX 8

/* Jobs that are added to the worker's queue, or expire, in one transaction. */
#define COI_PUSH_QUEUE_BATCH_MAX 500

/* Seconds until a queue that cannot be written is tried again. */
#define COI_PUSH_QUEUE_RETRY_SECS 1

/* Milliseconds between two looks for jobs whose time is over, and as long as
   there are more. */
#define COI_PUSH_QUEUE_EXPIRE_MSECS (60*1000)
#define COI_PUSH_QUEUE_EXPIRE_MORE_MSECS 20

/* Milliseconds without a change after which a queue is made smaller, and pages of
   it that are given back at once. */
#define COI_PUSH_QUEUE_TIDY_MSECS 5000
#define COI_PUSH_QUEUE_TIDY_PAGES 2000

/* Bytes of a queue that is checked before it is used. Dovecot does not wait long
   for a service to start; damage in a larger one is found when it is met. */
#define COI_PUSH_QUEUE_CHECK_MAX_BYTES (64*1024*1024)

/* Bytes that are read of a client of the worker at once. More than a line, since
   what comes together is written together. */
#define COI_PUSH_CLIENT_INPUT_MAX_BYTES (4 * COI_PUSH_LINE_MAX_BYTES)

/* Bytes that wait for a client of the worker to read them: then it is gone. */
#define COI_PUSH_CLIENT_OUTPUT_MAX_BYTES (256*1024)

/* Jobs that are read at once for the list of them, and bytes of the list that
   wait for its reader. */
#define COI_PUSH_LIST_PAGE_JOBS 100
#define COI_PUSH_LIST_PAGE_BYTES 16384

#endif
