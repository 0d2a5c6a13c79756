#ifndef COI_WEBPUSH_CLIENT_H
#define COI_WEBPUSH_CLIENT_H

struct coi_user;
struct push_job;

/* The process's connection to the worker (push-protocol.h).

   Nothing here waits: a mail process writes once, and reads the answers when its
   ioloop runs. What the worker has not answered yet is kept, up to a limit, and
   sent again after a reconnect. Only when the process ends it waits for the
   answers, for a short time. If the worker cannot be reached, the log has one
   line until it can be again, and mail goes on. */

/* Hands over a job; `line' is what push_job_format() has made of it. */
void coi_webpush_client_job(struct coi_user *cuser, const struct push_job *job,
			    const char *line);
/* Drops the jobs of a subscription. */
void coi_webpush_client_cancel(struct coi_user *cuser, const char *id);

/* A subscription that a push service says does not exist any more. */
struct coi_webpush_note {
	const char *id, *endpoint_hash;
};
struct coi_webpush_ask;

/* Called once for each such note, and with NULL at the end of them, whereupon
   the question is freed; `ok' tells whether these were all. */
typedef void
coi_webpush_note_callback_t(const struct coi_webpush_note *note, bool ok,
			    void *context);
/* Asks for the notes about the user. */
struct coi_webpush_ask *
coi_webpush_client_ask(struct coi_user *cuser,
		       coi_webpush_note_callback_t *callback, void *context);
/* Waits for the answer, for a short time: for doveadm. Callbacks are called. */
void coi_webpush_client_wait(struct coi_webpush_ask *ask);
/* The callback is not called any more. */
void coi_webpush_client_abort(struct coi_webpush_ask **ask);
/* The note has been dealt with. */
void coi_webpush_client_forget(struct coi_user *cuser,
			       const struct coi_webpush_note *note);

/* Waits until all commands are answered, for a short time: for doveadm. Returns
   0, or -1 if they are not, or one was refused since the last call; then *error_r
   (data stack) says so. */
int coi_webpush_client_flush(const char **error_r);

/* Waits for what is not answered yet, and disconnects. */
void coi_webpush_client_deinit(void);

#endif
