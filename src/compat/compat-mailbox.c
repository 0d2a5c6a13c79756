/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "mail-namespace.h"
#include "mail-storage-settings.h"
#include "compat-mailbox.h"

#if DOVECOT_VERSION_MAJOR == 2 && DOVECOT_VERSION_MINOR < 4

#define COMPAT_NS_MAILBOXES(ns) (&(ns)->set->mailboxes)
typedef struct mailbox_settings compat_mailbox_settings_t;

static bool
compat_mailbox_has_special_use(const struct mailbox_settings *set,
			       const char *special_use)
{
	return set->special_use != NULL &&
		str_array_icase_find(t_strsplit_spaces(set->special_use, " "),
				     special_use);
}

#else

#define COMPAT_NS_MAILBOXES(ns) (&(ns)->set->parsed_mailboxes)
typedef const struct mailbox_settings compat_mailbox_settings_t;

static bool
compat_mailbox_has_special_use(const struct mailbox_settings *set,
			       const char *special_use)
{
	const char *use;

	if (!array_is_created(&set->special_use))
		return FALSE;
	array_foreach_elem(&set->special_use, use) {
		if (strcasecmp(use, special_use) == 0)
			return TRUE;
	}
	return FALSE;
}

#endif

const char *const *
compat_mailbox_find_special_use(struct mail_namespace *ns,
				const char *special_use)
{
	ARRAY_TYPE(const_string) names;
	compat_mailbox_settings_t *set;
	const char *name;

	t_array_init(&names, 4);
	if (ns->set != NULL && array_is_created(COMPAT_NS_MAILBOXES(ns))) {
		array_foreach_elem(COMPAT_NS_MAILBOXES(ns), set) {
			if (!compat_mailbox_has_special_use(set, special_use))
				continue;
			name = t_strconcat(ns->prefix, set->name, NULL);
			array_push_back(&names, &name);
		}
	}
	array_append_zero(&names);
	return array_front(&names);
}
