#ifndef COI_NOTIFY_H
#define COI_NOTIFY_H

struct coi_contact;
struct coi_group;

/* Whether a message notifies, by what the user wants of its contact or its
   group. */
enum coi_notify {
	COI_NOTIFY_YES,
	/* Only if it mentions the user (C10). */
	COI_NOTIFY_MENTION,
	COI_NOTIFY_NO,
};

/* Total. A time that is over mutes nobody. */
enum coi_notify coi_notify_contact(const struct coi_contact *contact,
				   time_t now);
enum coi_notify coi_notify_group(const struct coi_group *group, time_t now);

/* Whether decoded text mentions one of the addresses, which are normalised
   (C10): as `@Name:address' or `@"Name":address', or all as `@all', in plain
   text; as a link of class `mention' in HTML. Total; `text' is UTF-8, of which
   the end may be missing. */
bool coi_mention_in_plain(const char *text, const char *const *addresses);
bool coi_mention_in_html(const char *text, const char *const *addresses);

#endif
