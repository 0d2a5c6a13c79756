#ifndef PUSH_PROTOCOL_H
#define PUSH_PROTOCOL_H

/* What mail processes and doveadm say to the worker, and what it answers, on a
   unix socket in Dovecot's base_dir.

   Each line ends with LF and has at most COI_PUSH_LINE_MAX_BYTES. Its fields
   have TABs between them and are escaped as str_tabescape() does; a job's line
   needs none (push-job.h). Both sides begin with Dovecot's own VERSION line,
   which `connection' sends and checks. A client may send any number of commands
   without waiting. What the worker does not know, or finds too long, ends the
   connection.

   JOB <what push_job_format() has made>
	Send it. The job is on the disk when the answer comes, which may be out
	of order with that of other commands:
		OK <job id>
		NO <job id> <text for the log>
	NO is final: a job that is not as it has to be, a limit, a full disk.
	The id is PUSH_PROTOCOL_NONE if the line has none that is valid. A job
	whose id is known is not queued again, and answered OK: who has lost the
	connection before the answer sends the same line again.
   GONE <user>
	Which subscriptions of the user have turned out not to exist any more?
		GONE <user> <subscription id> <webpush_endpoint_hash()>
		...
		END GONE
   FORGET <user> <subscription id> <webpush_endpoint_hash()>
	The subscription has been removed, or has another endpoint by now.
		OK FORGET
   CANCEL <user> <subscription id>
	The subscription has been removed or replaced: drop its jobs. With an
	empty id: those of all of the user's subscriptions. What is on its way
	to the push service still gets there.
		OK CANCEL
   QUEUE <user>
	Which jobs wait? With an empty name: those of all users, for root and
	the worker's own user only (others: NO QUEUE <text>).
		JOB <job id> <user> <subscription id> <endpoint's host>
		    <time queued> <time of the next attempt> <attempts>
		    <deadline> <last status>
		...
		END QUEUE
	Times are in seconds since 1970. The status is that of HTTP, 0: none
	yet, or an error of the network.

   FORGET, CANCEL and GONE can be answered by NO <command> <text> as well, if
   the queue cannot be read or written. */

/* The socket's name in base_dir, and the name in the VERSION line. */
#define PUSH_PROTOCOL_SOCKET "coi-push"
#define PUSH_PROTOCOL_NAME "coi-push"
#define PUSH_PROTOCOL_MAJOR_VERSION 1
#define PUSH_PROTOCOL_MINOR_VERSION 0

#define PUSH_PROTOCOL_JOB "JOB"
#define PUSH_PROTOCOL_GONE "GONE"
#define PUSH_PROTOCOL_FORGET "FORGET"
#define PUSH_PROTOCOL_CANCEL "CANCEL"
#define PUSH_PROTOCOL_QUEUE "QUEUE"

#define PUSH_PROTOCOL_OK "OK"
#define PUSH_PROTOCOL_NO "NO"
#define PUSH_PROTOCOL_END "END"

/* Why a job is refused, if nobody needs to hear of that: GONE tells it too. */
#define PUSH_PROTOCOL_REASON_GONE "the subscription is gone"

/* In place of a job id that cannot be told. */
#define PUSH_PROTOCOL_NONE "-"

#endif
