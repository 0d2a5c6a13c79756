/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "coi-decide.h"

static enum coi_reason
coi_decide_reason(const struct coi_decide_input *input)
{
	if (!input->enabled)
		return COI_REASON_DISABLED;
	if (input->blocked)
		return COI_REASON_BLOCKED;
	if (!coi_class_is_chat(&input->class))
		return COI_REASON_NOT_CHAT;

	switch (input->filter) {
	case COI_FILTER_NONE:
		return COI_REASON_FILTER_NONE;
	case COI_FILTER_ACTIVE:
		return COI_REASON_FILTER_ACTIVE;
	case COI_FILTER_SEEN:
		return input->seen ? COI_REASON_ALREADY_SEEN :
			COI_REASON_FILTER_SEEN;
	}
	i_unreached();
}

void coi_decide(const struct coi_decide_input *input,
		struct coi_decision *decision_r)
{
	i_zero(decision_r);
	decision_r->reason = coi_decide_reason(input);

	switch (decision_r->reason) {
	case COI_REASON_DISABLED:
	case COI_REASON_NOT_CHAT:
		decision_r->target = COI_TARGET_DEFAULT;
		decision_r->chat_keyword = FALSE;
		break;
	case COI_REASON_FILTER_NONE:
	case COI_REASON_FILTER_SEEN:
		decision_r->target = COI_TARGET_DEFAULT;
		decision_r->chat_keyword = TRUE;
		break;
	case COI_REASON_FILTER_ACTIVE:
	case COI_REASON_ALREADY_SEEN:
		decision_r->target = COI_TARGET_CHATS;
		decision_r->chat_keyword = TRUE;
		break;
	case COI_REASON_BLOCKED:
		decision_r->target = COI_TARGET_BLOCKED;
		decision_r->chat_keyword = coi_class_is_chat(&input->class);
		break;
	}
}

const char *coi_reason_name(enum coi_reason reason)
{
	switch (reason) {
	case COI_REASON_DISABLED:
		return "disabled";
	case COI_REASON_NOT_CHAT:
		return "not-chat";
	case COI_REASON_FILTER_NONE:
		return "filter-none";
	case COI_REASON_FILTER_ACTIVE:
		return "filter-active";
	case COI_REASON_FILTER_SEEN:
		return "filter-seen";
	case COI_REASON_ALREADY_SEEN:
		return "already-seen";
	case COI_REASON_BLOCKED:
		return "blocked";
	}
	i_unreached();
}
