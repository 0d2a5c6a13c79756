/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "time-util.h"
#include "mail-storage.h"
#include "coi-classify.h"
#include "coi-limits.h"
#include "coi-store.h"
#include "coi-user.h"
#include "coi-webpush.h"
#include "coi-webpush-keys.h"
#include "coi-webpush-message.h"
#include "coi-webpush-quiet.h"
#include "coi-webpush-seen.h"
#include "coi-webpush-send.h"
#include "coi-webpush-subscriptions.h"
#include "coi-webpush-unseen.h"

/* What subscriptions may want (W11). */
enum coi_webpush_kind {
	COI_WEBPUSH_KIND_MAIL,
	COI_WEBPUSH_KIND_CHAT,

	COI_WEBPUSH_KIND_COUNT
};

/* The newest message of a kind that was read and nobody has been told of. */
struct coi_webpush_read {
	/* 0: none */
	uint32_t uid;
	/* see coi_webpush_message_get_chat() */
	const char *chat;
};

/* What waits of a mailbox. */
struct coi_webpush_waiting {
	/* of the strings; NULL: nothing waits */
	pool_t pool;
	uint32_t uid_validity;
	const char *folder;
	struct coi_webpush_read kinds[COI_WEBPUSH_KIND_COUNT];
};

struct coi_webpush_seen {
	struct coi_webpush_waiting waiting[COI_READING_MAILBOX_COUNT];
};

/* The stamps of what was told last. */
static const char *const coi_webpush_seen_keys[COI_READING_MAILBOX_COUNT] = {
	[COI_READING_INBOX] = "seen-push.inbox",
	[COI_READING_CHATS] = "seen-push.chats",
};

static struct coi_webpush_waiting *
coi_webpush_seen_get(struct coi_user *cuser, enum coi_reading_mailbox mailbox)
{
	if (cuser->push_seen == NULL) {
		cuser->push_seen = p_new(cuser->user->pool,
					 struct coi_webpush_seen, 1);
	}
	return &cuser->push_seen->waiting[mailbox];
}

static void coi_webpush_waiting_clear(struct coi_webpush_waiting *waiting)
{
	pool_unref(&waiting->pool);
	i_zero(waiting);
}

void coi_webpush_seen_deinit(struct coi_user *cuser)
{
	unsigned int i;

	for (i = 0; i < COI_READING_MAILBOX_COUNT &&
	     cuser->push_seen != NULL; i++)
		coi_webpush_waiting_clear(&cuser->push_seen->waiting[i]);
}

/*
 * Looking at what was read
 */

struct coi_webpush_look {
	struct coi_user *cuser;
	struct coi_webpush_view view;
	struct mail *mail;
	struct coi_webpush_waiting *waiting;

	/* some subscription wants one that is newer than what waits */
	bool wanted[COI_WEBPUSH_KIND_COUNT];
	/* of messages that may yet be read */
	unsigned int tries_left;
};

static void
coi_webpush_look_want(struct coi_user *cuser ATTR_UNUSED,
		      const char *id ATTR_UNUSED,
		      const struct webpush_subscription *subscription,
		      void *context)
{
	struct coi_webpush_look *look = context;

	if (!subscription->seen)
		return;
	if (webpush_subscription_wants(subscription, FALSE))
		look->wanted[COI_WEBPUSH_KIND_MAIL] = TRUE;
	if (webpush_subscription_wants(subscription, TRUE))
		look->wanted[COI_WEBPUSH_KIND_CHAT] = TRUE;
}

static bool coi_webpush_look_is_done(const struct coi_webpush_look *look)
{
	return look->tries_left == 0 ||
		(!look->wanted[COI_WEBPUSH_KIND_MAIL] &&
		 !look->wanted[COI_WEBPUSH_KIND_CHAT]);
}

static void
coi_webpush_look_note(struct coi_webpush_look *look,
		      const struct coi_ring *ring,
		      const struct coi_webpush_message *message)
{
	struct coi_webpush_waiting *waiting = look->waiting;
	struct coi_webpush_read *read = &waiting->kinds[ring->chat ?
		COI_WEBPUSH_KIND_CHAT : COI_WEBPUSH_KIND_MAIL];

	if (waiting->pool == NULL) {
		waiting->pool = pool_alloconly_create("coi webpush seen", 512);
		waiting->uid_validity = ring->uid_validity;
		waiting->folder = p_strdup(waiting->pool, ring->folder);
	}
	read->uid = ring->uid;
	e_debug(coi_user_get_event(look->cuser), "Message %u of %s was read, "
		"which is to be pushed", ring->uid, ring->folder);
	read->chat = p_strdup(waiting->pool,
		coi_webpush_message_get_chat(message, ring->chat,
					     ring->group_id));
}

/* Returns TRUE if its reading is to be told. */
static bool
coi_webpush_look_read(struct coi_webpush_look *look, pool_t pool,
		      struct coi_ring *ring,
		      struct coi_webpush_message *message)
{
	const char *quiet, *error;

	if (!mail_set_uid(look->mail, ring->uid))
		return FALSE;
	if (coi_webpush_message_read(look->mail, pool, message, &error) < 0) {
		e_debug(coi_user_get_event(look->cuser), "No push of what was "
			"read: Reading its headers failed: %s", error);
		return FALSE;
	}
	/* as a delivery knows it */
	if (!ring->chat ||
	    !coi_group_id_find(&message->headers, &ring->group_id))
		ring->group_id = NULL;
	quiet = coi_webpush_quiet(look->cuser, ring, message);
	if (quiet != NULL) {
		e_debug(coi_user_get_event(look->cuser),
			"No push of what was read: %s", quiet);
	}
	return quiet == NULL;
}

static void
coi_webpush_look_at(struct coi_webpush_look *look, uint32_t uid)
{
	struct coi_ring ring = {
		.mail = look->mail,
		.folder = mailbox_get_vname(look->view.box),
		.uid = uid,
		.uid_validity = coi_webpush_view_uid_validity(&look->view),
	};
	enum coi_webpush_kind kind;
	struct coi_webpush_message message;
	pool_t pool;

	/* somebody may have taken it away again */
	if (!coi_webpush_view_is_seen(&look->view, uid, &ring.chat))
		return;
	kind = ring.chat ? COI_WEBPUSH_KIND_CHAT : COI_WEBPUSH_KIND_MAIL;
	if (uid <= look->waiting->kinds[kind].uid)
		look->wanted[kind] = FALSE;
	if (!look->wanted[kind])
		return;
	look->tries_left--;
	pool = pool_alloconly_create("coi webpush look", 4096);
	if (coi_webpush_look_read(look, pool, &ring, &message)) {
		coi_webpush_look_note(look, &ring, &message);
		look->wanted[kind] = FALSE;
	}
	pool_unref(&pool);
}

/* From the newest one downwards. */
static void
coi_webpush_look_at_all(struct coi_webpush_look *look,
			const ARRAY_TYPE(seq_range) *uids)
{
	const struct seq_range *ranges;
	unsigned int i, count;
	uint32_t uid;

	ranges = array_get(uids, &count);
	for (i = count; i > 0; i--) {
		for (uid = ranges[i-1].seq2; uid >= ranges[i-1].seq1; uid--) {
			if (coi_webpush_look_is_done(look))
				return;
			T_BEGIN {
				coi_webpush_look_at(look, uid);
			} T_END;
		}
	}
}

static void
coi_webpush_look_in_view(struct coi_webpush_look *look,
			 const struct coi_reading *reading)
{
	struct mailbox_transaction_context *t;

	if (coi_webpush_view_uid_validity(&look->view) !=
	    reading->uid_validity)
		return;
	if (look->waiting->uid_validity != reading->uid_validity)
		coi_webpush_waiting_clear(look->waiting);
	t = mailbox_transaction_begin(look->view.box, 0, __func__);
	look->mail = mail_alloc(t, 0, NULL);
	coi_webpush_look_at_all(look, reading->uids);
	mail_free(&look->mail);
	mailbox_transaction_rollback(&t);
}

static void
coi_webpush_look(struct coi_user *cuser, const struct coi_reading *reading,
		 struct coi_webpush_waiting *waiting)
{
	struct coi_webpush_look look = {
		.cuser = cuser,
		.waiting = waiting,
		.tries_left = COI_PUSH_SEEN_TRIES_MAX,
	};
	const char *error;
	int ret;

	(void)coi_webpush_subscriptions_each(cuser, coi_webpush_look_want,
					     &look);
	if (coi_webpush_look_is_done(&look))
		return;
	ret = coi_webpush_view_open(cuser, reading->mailbox, &look.view,
				    &error);
	if (ret > 0) {
		coi_webpush_look_in_view(&look, reading);
		coi_webpush_view_close(&look.view);
	} else if (ret < 0) {
		e_error(coi_user_get_event(cuser),
			"No push of what was read: %s", error);
	}
}

/*
 * Pushing
 */

struct coi_webpush_telling {
	const struct coi_webpush_waiting *waiting;
	const struct webpush_key *key;
	struct webpush_payload payload;
};

/* Returns NULL if there is nothing for it. */
static const struct coi_webpush_read *
coi_webpush_telling_find(const struct coi_webpush_telling *telling,
			 const struct webpush_subscription *subscription)
{
	const struct coi_webpush_read *kinds = telling->waiting->kinds;
	const struct coi_webpush_read *found = NULL;
	unsigned int i;

	for (i = 0; i < COI_WEBPUSH_KIND_COUNT; i++) {
		if (kinds[i].uid != 0 &&
		    webpush_subscription_wants(subscription,
					       i == COI_WEBPUSH_KIND_CHAT) &&
		    (found == NULL || kinds[i].uid > found->uid))
			found = &kinds[i];
	}
	return found;
}

static void
coi_webpush_telling_push(struct coi_user *cuser, const char *id,
			 const struct webpush_subscription *subscription,
			 void *context)
{
	struct coi_webpush_telling *telling = context;
	const struct coi_webpush_read *read =
		coi_webpush_telling_find(telling, subscription);
	string_t *payload = t_str_new(512);
	struct coi_webpush_push push;

	if (!subscription->seen || read == NULL)
		return;
	telling->payload.uid = read->uid;
	webpush_payload_format_seen(&telling->payload, payload);
	i_zero(&push);
	push.payload = payload;
	push.chat = read->chat;
	push.urgency = PUSH_JOB_URGENCY_NORMAL;
	push.ttl_secs = cuser->set->coi_push_ttl;
	coi_webpush_send(cuser, telling->key, id, subscription, &push);
}

static void
coi_webpush_tell(struct coi_user *cuser,
		 const struct coi_webpush_waiting *waiting)
{
	struct webpush_key key;
	struct coi_webpush_telling telling = {
		.waiting = waiting,
		.key = &key,
		.payload = {
			.uid_validity = waiting->uid_validity,
			.folder = waiting->folder,
		},
	};

	if (coi_webpush_keys_read(cuser, &key) <= 0)
		return;
	telling.payload.has_unseen = coi_webpush_unseen_count(cuser,
		&telling.payload.unseen);
	(void)coi_webpush_subscriptions_each(cuser, coi_webpush_telling_push,
					     &telling);
	webpush_key_wipe(&key);
}

/* Returns TRUE if it may be told now. */
static bool
coi_webpush_seen_may_tell(struct coi_user *cuser,
			  const struct coi_reading *reading,
			  unsigned int *wait_msecs_r)
{
	const char *error;
	int ret;

	ret = coi_store_rate_try(cuser->store,
				 coi_webpush_seen_keys[reading->mailbox],
				 i_microseconds() / 1000,
				 COI_PUSH_SEEN_WINDOW_MSECS, wait_msecs_r,
				 &error);
	if (ret < 0) {
		e_error(coi_user_get_event(cuser),
			"Pushing what was read at once: %s", error);
	}
	return ret != 0 || reading->when == COI_READING_LAST;
}

unsigned int coi_webpush_seen(struct coi_user *cuser,
			      const struct coi_reading *reading)
{
	struct coi_webpush_waiting *waiting =
		coi_webpush_seen_get(cuser, reading->mailbox);
	unsigned int wait_msecs = 0;

	if (array_count(reading->uids) > 0)
		coi_webpush_look(cuser, reading, waiting);
	if (waiting->pool == NULL)
		return 0;
	if (reading->when == COI_READING_LATER ||
	    !coi_webpush_seen_may_tell(cuser, reading, &wait_msecs))
		return wait_msecs;
	coi_webpush_tell(cuser, waiting);
	coi_webpush_waiting_clear(waiting);
	return 0;
}
