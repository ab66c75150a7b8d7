/*
 * A quorum device for tests: registers with votequorum and polls with a vote. Commands, one a line, on standard input:
 *   register | unregister | vote 0 | vote 1 | pause | master 0 | master 1 | quit
 * Every answer is one line: the command and the status of the library.
 */
#include <corosync/votequorum.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *name = "Qdevice";
static votequorum_ring_id_t ring;
static int vote = -1;

static void nodelist(votequorum_handle_t handle, uint64_t context, votequorum_ring_id_t ring_id, uint32_t entries,
		     uint32_t list[])
{
	(void)handle;
	(void)context;
	(void)entries;
	(void)list;
	ring = ring_id;
}

static void say(const char *command, int status)
{
	printf("%s %d\n", command, status);
	fflush(stdout);
}

static void obey(votequorum_handle_t handle, const char *line)
{
	if (strcmp(line, "register") == 0)
		say(line, votequorum_qdevice_register(handle, name));
	else if (strcmp(line, "unregister") == 0)
		say(line, votequorum_qdevice_unregister(handle, name));
	else if (strncmp(line, "master ", 7) == 0)
		say(line, votequorum_qdevice_master_wins(handle, name, atoi(line + 7)));
	else if (strncmp(line, "vote ", 5) == 0) {
		vote = atoi(line + 5);
		say(line, votequorum_qdevice_poll(handle, name, vote, ring));
	} else if (strcmp(line, "pause") == 0) {
		vote = -1;
		say(line, 1);
	} else if (strcmp(line, "quit") == 0) {
		votequorum_finalize(handle);
		exit(0);
	}
}

int main(void)
{
	votequorum_callbacks_t callbacks = {.votequorum_nodelist_notify_fn = nodelist};
	votequorum_handle_t handle;
	int status, fd;
	char line[128];

	while ((status = votequorum_initialize(&handle, &callbacks)) == CS_ERR_TRY_AGAIN)
		usleep(100000);
	if (status != CS_OK || votequorum_trackstart(handle, 0, CS_TRACK_CHANGES) != CS_OK) {
		say("start", status);
		return 1;
	}
	votequorum_fd_get(handle, &fd);
	votequorum_dispatch(handle, CS_DISPATCH_ALL);
	say("start", 1);
	for (;;) {
		struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
		poll(fds, 2, 300);
		if (fds[0].revents && votequorum_dispatch(handle, CS_DISPATCH_ALL) != CS_OK)
			return 2;
		if (fds[1].revents) {
			if (fgets(line, sizeof(line), stdin) == NULL)
				return 0;
			line[strcspn(line, "\n")] = 0;
			obey(handle, line);
		} else if (vote >= 0) {
			votequorum_qdevice_poll(handle, name, vote, ring);
		}
	}
}
