#ifndef COI_CONFIG_H
#define COI_CONFIG_H

/* A user's COI configuration: the values below P/coi/config of the METADATA
   tree (S13-S36), and how they are written in the store's state file. */

/* S35 */
enum coi_filter {
	COI_FILTER_NONE,
	COI_FILTER_ACTIVE,
	COI_FILTER_SEEN,
};

enum coi_config_key {
	COI_CONFIG_ENABLED,
	COI_CONFIG_MAILBOX_ROOT,
	COI_CONFIG_MESSAGE_FILTER,

	COI_CONFIG_KEY_COUNT
};

/* Entry names relative to P/: the one place where they stand. */
#define COI_ENTRY_CONFIG "coi/config"

/* What is stored, byte for byte; NULL: not set. Values may be ones that we
   would refuse, because dsync copies what it finds (S43). */
struct coi_config {
	const char *enabled;
	const char *message_filter;
	/* The user may have blocked a contact; FALSE: certainly not. The
	   server's own mark, no value of a client's. */
	bool has_blocked;
	/* The same for subscriptions of Web Push, */
	bool has_subscriptions;
	/* and for those that want to know what is read elsewhere. */
	bool has_seen_subscriptions;
};

/* The key's name below COI_ENTRY_CONFIG: "enabled", "mailbox-root",
   "message-filter". */
const char *coi_config_key_name(enum coi_config_key key);
/* Finds a key by such a name; names compare exactly, since Dovecot lower-cases
   entry names. Returns FALSE if there is none. */
bool coi_config_key_find(const char *name, enum coi_config_key *key_r);

/* Judges a value that a client wants to set; NULL is NIL, the removal (S16-S19,
   S35-S36). `entry' is the full entry name as the client knows it, for the
   error text. Returns 0 if it is allowed, -1 if not; then *client_error_r
   (data stack) names entry and value and may be sent to the client as it is:
   it holds neither control characters nor more than COI_ERROR_VALUE_MAX_BYTES
   of the value. */
int coi_config_validate(enum coi_config_key key, const char *entry,
			const char *value, const char **client_error_r);

/* S20: any stored value but "yes" counts as off. */
bool coi_config_is_enabled(const struct coi_config *config);

/* The filter in force. Returns 0, or -1 if the stored value is none of the
   three words; then *error_r (data stack) names it, and COI does not act
   (S41). */
int coi_config_get_filter(const struct coi_config *config,
			  enum coi_filter default_filter,
			  enum coi_filter *filter_r, const char **error_r);
/* "none", "active", "seen" <-> enum. Returns FALSE for any other word. */
bool coi_filter_parse(const char *name, enum coi_filter *filter_r);
const char *coi_filter_name(enum coi_filter filter);

/* The state file: one line a value, `key TAB value LF', the value tab-escaped
   (strescape.h). Lines with an unknown key are ignored, so that an older
   version can read what a newer one wrote. An empty file is the empty
   configuration. Returns 0, or -1 if the bytes were not written by us (no LF
   at the end, a line without TAB, a NUL, a key twice, too long); *error_r
   (data stack) tells the line. Strings are allocated from `pool'. */
int coi_config_parse(const unsigned char *data, size_t size, pool_t pool,
		     struct coi_config *config_r, const char **error_r);
void coi_config_format(const struct coi_config *config, string_t *dest);

#endif
