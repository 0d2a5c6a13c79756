/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "coi-entries.h"
#include "coi-metadata.h"
#include "coi-store.h"
#include "coi-user.h"
#include "webpush-text.h"
#include "coi-webpush-keys.h"
#include "coi-webpush-seal.h"

#include <sodium.h>

static void coi_webpush_keys_fail(struct coi_user *cuser, const char *error)
{
	if (cuser->push_key_error_logged)
		return;
	cuser->push_key_error_logged = TRUE;
	e_error(coi_user_get_event(cuser), "Push is off for this user: %s",
		error);
}

static void
coi_webpush_keys_get_secrets(struct coi_user *cuser,
			     struct coi_webpush_secrets *secrets_r)
{
	secrets_r->current = cuser->set->coi_secret;
	secrets_r->previous = cuser->set->coi_secret_previous;
}

/* As webpush_key_init(), for which one failure is as good as the other here. */
static int
coi_webpush_keys_init(const unsigned char *private_key,
		      struct webpush_key *key_r, const char **error_r)
{
	int ret = webpush_key_init(private_key, key_r, error_r);

	if (ret == 0)
		*error_r = "The VAPID key is none";
	return ret > 0 ? 0 : -1;
}

static int
coi_webpush_keys_open(struct coi_user *cuser, struct webpush_key *key_r,
		      enum coi_webpush_seal *seal_r, const char **error_r)
{
	unsigned char private_key[WEBPUSH_PRIVATE_KEY_BYTES];
	struct coi_webpush_secrets secrets;
	const char *stored;
	int ret;

	ret = coi_entries_read(cuser->store, COI_ENTRY_VAPID,
			       COI_ENTRY_VAPID_ID, &stored, error_r);
	if (ret <= 0)
		return ret;
	coi_webpush_keys_get_secrets(cuser, &secrets);
	if (coi_webpush_unseal(&secrets, stored, private_key, seal_r,
			       error_r) < 0)
		return -1;
	ret = coi_webpush_keys_init(private_key, key_r, error_r);
	sodium_memzero(private_key, sizeof(private_key));
	return ret < 0 ? -1 : 1;
}

static int
coi_webpush_keys_look(struct coi_user *cuser, struct webpush_key *key_r,
		      enum coi_webpush_seal *seal_r)
{
	const char *error;
	int ret;

	T_BEGIN {
		ret = coi_webpush_keys_open(cuser, key_r, seal_r, &error);
		if (ret < 0)
			coi_webpush_keys_fail(cuser, error);
	} T_END;
	return ret;
}

int coi_webpush_keys_read(struct coi_user *cuser, struct webpush_key *key_r)
{
	enum coi_webpush_seal seal;

	return coi_webpush_keys_look(cuser, key_r, &seal);
}

int coi_webpush_keys_make(struct webpush_key *key_r, const char **error_r)
{
	unsigned char private_key[WEBPUSH_PRIVATE_KEY_BYTES];
	int ret;

	do {
		randombytes_buf(private_key, sizeof(private_key));
		ret = webpush_key_init(private_key, key_r, error_r);
	} while (ret == 0);
	sodium_memzero(private_key, sizeof(private_key));
	return ret < 0 ? -1 : 0;
}

void coi_webpush_keys_add(struct coi_user *cuser, const struct webpush_key *key,
			  struct coi_metadata_update *update)
{
	struct coi_webpush_secrets secrets;
	string_t *value = t_str_new(128);

	coi_webpush_keys_get_secrets(cuser, &secrets);
	coi_webpush_seal(&secrets, key->private_key, value);
	coi_metadata_update_entry(update, COI_ENTRY_VAPID, COI_ENTRY_VAPID_ID,
				  str_c(value));
}

static int
coi_webpush_keys_write(struct coi_user *cuser, const struct webpush_key *key)
{
	struct coi_metadata_update *update = coi_metadata_update_begin(cuser);

	coi_webpush_keys_add(cuser, key, update);
	return coi_metadata_update_commit(&update);
}

/* With the store locked: another process may have just done it. */
static int
coi_webpush_keys_ensure_locked(struct coi_user *cuser,
			       struct webpush_key *key_r)
{
	enum coi_webpush_seal seal = COI_WEBPUSH_SEAL_STALE;
	const char *error;
	int ret;

	ret = coi_webpush_keys_look(cuser, key_r, &seal);
	if (ret < 0)
		return -1;
	if (ret == 0 && coi_webpush_keys_make(key_r, &error) < 0) {
		coi_webpush_keys_fail(cuser, error);
		return -1;
	}
	if (seal == COI_WEBPUSH_SEAL_CURRENT)
		return 0;
	T_BEGIN {
		ret = coi_webpush_keys_write(cuser, key_r);
	} T_END;
	if (ret < 0)
		webpush_key_wipe(key_r);
	return ret;
}

/* Makes the key if there is none, and seals it anew if it should be. */
static int
coi_webpush_keys_ensure(struct coi_user *cuser, struct webpush_key *key_r)
{
	enum coi_webpush_seal seal;
	const char *error;
	int ret;

	ret = coi_webpush_keys_look(cuser, key_r, &seal);
	if (ret < 0)
		return -1;
	if (ret > 0 && seal == COI_WEBPUSH_SEAL_CURRENT)
		return 0;
	if (ret > 0)
		webpush_key_wipe(key_r);
	if (coi_store_lock(cuser->store, &error) < 0) {
		coi_webpush_keys_fail(cuser, error);
		return -1;
	}
	ret = coi_webpush_keys_ensure_locked(cuser, key_r);
	coi_store_unlock(cuser->store);
	return ret;
}

int coi_webpush_keys_prepare(struct coi_user *cuser)
{
	struct webpush_key key;

	if (coi_webpush_keys_ensure(cuser, &key) < 0)
		return -1;
	webpush_key_wipe(&key);
	return 0;
}

int coi_webpush_keys_get_vapid(struct coi_user *cuser, bool raw,
			       const char **value_r)
{
	string_t *str = t_str_new(256);
	struct webpush_key key;

	if (coi_webpush_keys_ensure(cuser, &key) < 0)
		return -1;
	if (raw)
		webpush_base64url_append(str, key.point, sizeof(key.point));
	else
		webpush_point_append_pem(str, key.point);
	webpush_key_wipe(&key);
	*value_r = str_c(str);
	return 0;
}
