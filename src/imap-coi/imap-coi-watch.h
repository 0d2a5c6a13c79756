#ifndef IMAP_COI_WATCH_H
#define IMAP_COI_WATCH_H

/* Watches files, and says soon after that they changed (flow E).

   The kernel watches directories for us, and stat() says whether it was one of
   our files. Not the files themselves, because

   - a process has one inotify descriptor, on which a second watch of the same
     file is the same watch: Dovecot calls only whoever asked last, and what the
     first one to go takes away is gone for both. Core watches the log files, so
     we stay off them, and its own notifications stay as they are.
   - log files are rotated: the watch of a file follows the old one.

   Two watches of ours may want the same directory: they share it. Where inotify
   cannot be had nothing is said, and Dovecot's own notifications are all. */

struct stat;
struct imap_coi_watch;

typedef void imap_coi_watch_callback_t(void *context);

/* Nothing is watched yet. The callback may do anything, deinit included. */
struct imap_coi_watch *
imap_coi_watch_init(unsigned int delay_msecs,
		    imap_coi_watch_callback_t *callback, void *context);
#define imap_coi_watch_init(delay_msecs, callback, context) \
	imap_coi_watch_init(delay_msecs - \
		CALLBACK_TYPECHECK(callback, void (*)(typeof(context))), \
		(imap_coi_watch_callback_t *)callback, context)
void imap_coi_watch_deinit(struct imap_coi_watch **watch);

/* Says whether all that is in a file with this stat was seen, perhaps because
   we wrote it. */
typedef bool imap_coi_watch_known_t(const struct stat *st, void *context);

/* Watch a file, which need not exist; its directory should. `known' gets the
   callback's context and may be NULL. */
void imap_coi_watch_add_file(struct imap_coi_watch *watch, const char *path,
			     imap_coi_watch_known_t *known);
/* Watch a directory for files that come and go; or, in core's place, a file
   that core watches. */
void imap_coi_watch_add_itself(struct imap_coi_watch *watch, const char *path);

/* Have the kernel watch from now on, or no longer; a callback that was due is
   dropped then. Both may be repeated. */
void imap_coi_watch_start(struct imap_coi_watch *watch);
void imap_coi_watch_stop(struct imap_coi_watch *watch);

/* What is there now was seen: only what comes later is a change. */
void imap_coi_watch_seen(struct imap_coi_watch *watch);
/* If anything changed since it was last seen, or nothing ever was, the callback
   is going to be called. */
void imap_coi_watch_check(struct imap_coi_watch *watch);

#endif
