/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "coi-push-peer.h"

bool push_peer_may_connect(uid_t uid, unsigned int count, unsigned int max)
{
	return uid == 0 || count < max - max / 4;
}

bool push_peer_may_list_all(uid_t uid, uid_t own_uid)
{
	return uid == 0 || uid == own_uid;
}
