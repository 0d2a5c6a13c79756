#ifndef COI_PUSH_PEER_H
#define COI_PUSH_PEER_H

/* What a user of the system may do who has connected to the worker. Knows no
   socket: the uid is the one that SO_PEERCRED says. */

/* May it have one more connection than the `count' that it has, where there are
   `max' for all? One user must not keep all others away, and none root, who asks
   what is wrong. */
bool push_peer_may_connect(uid_t uid, unsigned int count, unsigned int max);

/* May it list the jobs of all users? `own_uid' is that of the worker. */
bool push_peer_may_list_all(uid_t uid, uid_t own_uid);

#endif
