#ifndef COI_SETTINGS_H
#define COI_SETTINGS_H

#include "coi-config.h"
#include "coi-push-config.h"

struct mail_user;

/* Delay from which on Dovecot's own notification is as fast as ours; with
   coi_idle_delay at this value nothing is hooked. */
#define COI_IDLE_DELAY_DOVECOT_MSECS 500

struct coi_settings {
	pool_t pool;
	bool coi;
	const char *coi_mailbox_root;
	const char *coi_mailbox_blocked;
	const char *coi_default_filter;
	bool coi_blocked_sieve;
	unsigned int coi_idle_delay;
	unsigned int coi_contacts_max;
	unsigned int coi_groups_max;
	const char *coi_user_addresses;
	const char *coi_secret;
	const char *coi_secret_previous;
	const char *coi_push_subject;
	unsigned int coi_push_subscription_limit;
	unsigned int coi_push_validation_timeout;
	unsigned int coi_push_ttl;
	const char *coi_push_content;
	const char *coi_push_ports;
	bool coi_push_insecure;
	const char *coi_deltachat_push_url;
	unsigned int coi_deltachat_max_recipients;

	/* made of the above by the check */
	enum coi_filter parsed_default_filter;
	enum coi_push_content parsed_push_content;
	struct coi_push_ports parsed_push_ports;
	/* no error of the check: see coi-deltachat.h */
	bool deltachat_push_url_is_valid;
};

/* Reads the user's settings. Returns 0, or -1 with *error_r (data stack) naming
   the bad setting and its value. Free them before the user goes. */
int coi_settings_get(struct mail_user *user,
		     const struct coi_settings **set_r, const char **error_r);
void coi_settings_free(const struct coi_settings **set);

#endif
