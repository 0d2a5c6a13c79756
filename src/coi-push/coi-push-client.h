#ifndef COI_PUSH_CLIENT_H
#define COI_PUSH_CLIENT_H

/* Mail processes and doveadm, as the worker sees them: push-protocol.h. Nothing
   that they say is believed. */

struct push_worker;

void push_clients_init(struct event *event);
void push_clients_deinit(void);

/* A new connection. */
void push_client_create(struct push_worker *worker, int fd);
/* Tells those who wait for it what has become of their commands. */
void push_clients_committed(bool success, void *context);

#endif
