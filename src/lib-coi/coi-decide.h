#ifndef COI_DECIDE_H
#define COI_DECIDE_H

#include "coi-config.h"
#include "coi-classify.h"

/* What should happen to a message that is about to be stored. */

enum coi_target {
	/* Where it would go without COI. */
	COI_TARGET_DEFAULT,
	COI_TARGET_CHATS,
	COI_TARGET_BLOCKED,
};

enum coi_reason {
	COI_REASON_DISABLED,
	COI_REASON_NOT_CHAT,
	COI_REASON_FILTER_NONE,
	COI_REASON_FILTER_ACTIVE,
	COI_REASON_FILTER_SEEN,
	/* Filter `seen', and the message arrives already \Seen: nothing will
	   ever set the flag, so it is filed at once. */
	COI_REASON_ALREADY_SEEN,
	/* The user blocks the sender, of chat and mail alike (C4): that counts
	   more than any filter. */
	COI_REASON_BLOCKED,
};

struct coi_decide_input {
	bool enabled;
	enum coi_filter filter;
	/* The message is stored with \Seen. */
	bool seen;
	struct coi_class class;
	/* Every sender of the message is blocked; in doubt FALSE (C5). */
	bool blocked;
};

struct coi_decision {
	enum coi_target target;
	/* Tag it with $Chat, wherever it goes (S37). */
	bool chat_keyword;
	enum coi_reason reason;
};

/* Total: cannot fail. S25-S27, S35, S37, C4. */
void coi_decide(const struct coi_decide_input *input,
		struct coi_decision *decision_r);

/* The reason's name for logs and events: "disabled", "not-chat",
   "filter-none", "filter-active", "filter-seen", "already-seen",
   "blocked". */
const char *coi_reason_name(enum coi_reason reason);

#endif
