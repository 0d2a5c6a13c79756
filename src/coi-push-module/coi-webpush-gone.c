/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "llist.h"
#include "coi-deltachat.h"
#include "coi-entry.h"
#include "coi-store.h"
#include "coi-user.h"
#include "webpush-endpoint.h"
#include "coi-webpush-client.h"
#include "coi-webpush-gone.h"
#include "coi-webpush-send.h"
#include "coi-webpush-subscriptions.h"
#include "coi-webpush-tokens.h"

/* The question of one user, until it is answered or the user goes. */
struct coi_webpush_gone {
	struct coi_webpush_gone *prev, *next;

	struct coi_user *cuser;
	struct coi_webpush_ask *ask;
	/* for who waits for it */
	bool *answered;
};

static struct coi_webpush_gone *coi_webpush_gones;

static bool
coi_webpush_gone_matches(struct coi_user *cuser,
			 const struct webpush_subscription *subscription,
			 const char *endpoint_hash)
{
	struct webpush_endpoint_policy policy;
	struct webpush_endpoint endpoint;
	const char *error;

	coi_webpush_get_policy(cuser, &policy);
	return webpush_endpoint_parse(subscription->endpoint, &policy,
				      pool_datastack_create(), &endpoint,
				      &error) == 0 &&
		strcmp(webpush_endpoint_hash(&endpoint), endpoint_hash) == 0;
}

/* With the store locked. Returns 0, or -1 if it is to be tried again. */
static int
coi_webpush_gone_remove(struct coi_user *cuser,
			const struct coi_webpush_note *note)
{
	struct webpush_subscription subscription;
	const char *error;
	unsigned int count;
	int ret;

	if (coi_webpush_tokens_has_note(cuser, note)) {
		return coi_deltachat_remove(cuser, note->id, "gone",
					    &count);
	}
	ret = coi_webpush_subscriptions_read(cuser, note->id,
					     pool_datastack_create(),
					     &subscription, &error);
	if (ret < 0) {
		e_error(coi_user_get_event(cuser), "%s", error);
		return -1;
	}
	if (ret == 0 || !coi_webpush_gone_matches(cuser, &subscription,
						  note->endpoint_hash))
		return 0;
	return coi_webpush_subscriptions_remove(cuser, note->id, "gone");
}

static void
coi_webpush_gone_note(struct coi_user *cuser,
		      const struct coi_webpush_note *note)
{
	const char *error;
	int ret;

	if (!coi_entry_id_is_valid(COI_ENTRY_SUBSCRIPTION, note->id))
		return;
	if (coi_store_lock(cuser->store, &error) < 0) {
		e_error(coi_user_get_event(cuser),
			"Removing a subscription that is gone failed: %s",
			error);
		return;
	}
	ret = coi_webpush_gone_remove(cuser, note);
	coi_store_unlock(cuser->store);
	if (ret == 0)
		coi_webpush_client_forget(cuser, note);
}

static void coi_webpush_gone_free(struct coi_webpush_gone *gone)
{
	/* whoever lists next asks again */
	gone->cuser->push_gone_asked = FALSE;
	DLLIST_REMOVE(&coi_webpush_gones, gone);
	i_free(gone);
}

static void
coi_webpush_gone_answer(const struct coi_webpush_note *note, bool ok,
			void *context)
{
	struct coi_webpush_gone *gone = context;

	if (note != NULL) T_BEGIN {
		coi_webpush_gone_note(gone->cuser, note);
	} T_END; else {
		if (gone->answered != NULL)
			*gone->answered = ok;
		coi_webpush_gone_free(gone);
	}
}

static struct coi_webpush_gone *coi_webpush_gone_start(struct coi_user *cuser)
{
	struct coi_webpush_gone *gone = i_new(struct coi_webpush_gone, 1);

	gone->cuser = cuser;
	DLLIST_PREPEND(&coi_webpush_gones, gone);
	gone->ask = coi_webpush_client_ask(cuser, coi_webpush_gone_answer,
					   gone);
	return gone;
}

void coi_webpush_gone_ask(struct coi_user *cuser)
{
	if (cuser->push_gone_asked)
		return;
	cuser->push_gone_asked = TRUE;
	(void)coi_webpush_gone_start(cuser);
}

bool coi_webpush_gone_wait(struct coi_user *cuser)
{
	struct coi_webpush_gone *gone = coi_webpush_gone_start(cuser);
	bool answered = FALSE;

	gone->answered = &answered;
	coi_webpush_client_wait(gone->ask);
	coi_webpush_gone_abort(cuser);
	return answered;
}

void coi_webpush_gone_abort(struct coi_user *cuser)
{
	struct coi_webpush_gone *gone, *next;

	for (gone = coi_webpush_gones; gone != NULL; gone = next) {
		next = gone->next;
		if (gone->cuser == cuser) {
			coi_webpush_client_abort(&gone->ask);
			coi_webpush_gone_free(gone);
		}
	}
}
