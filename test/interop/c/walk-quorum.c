/* Walks through libquorum, libvotequorum and libcfg and prints what every call answers. */
#include <arpa/inet.h>
#include <corosync/cfg.h>
#include <corosync/quorum.h>
#include <corosync/votequorum.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Orders travel round the ring after their answer: the next call waits for them. */
#define SHOW_PAUSE_US 60000
#define SHOW(call) printf("%s = %d\n", #call, call), fflush(stdout), usleep(SHOW_PAUSE_US)

static void put_ids(const char *what, uint32_t count, const uint32_t *ids)
{
	printf(" %s", what);
	for (uint32_t i = 0; i < count; i++)
		printf(" %u", ids[i]);
}

static void on_quorum(quorum_handle_t handle, uint32_t quorate, uint64_t seq, uint32_t count, uint32_t *ids)
{
	(void)handle;
	(void)seq;
	printf("  quorum v0: quorate %u", quorate);
	put_ids("members", count, ids);
	printf("\n");
}

static void on_quorum_v1(quorum_handle_t handle, uint32_t quorate, struct quorum_ring_id ring, uint32_t count,
			 const uint32_t *ids)
{
	(void)handle;
	printf("  quorum v1: quorate %u representative %u", quorate, ring.nodeid);
	put_ids("members", count, ids);
	printf("\n");
}

static void on_nodelist_v1(quorum_handle_t handle, struct quorum_ring_id ring, uint32_t members, const uint32_t *member_ids,
			   uint32_t joined, const uint32_t *joined_ids, uint32_t left, const uint32_t *left_ids)
{
	(void)handle;
	printf("  node list v1: representative %u", ring.nodeid);
	put_ids("members", members, member_ids);
	put_ids("joined", joined, joined_ids);
	put_ids("left", left, left_ids);
	printf("\n");
}

static void wait_readable(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };
	poll(&p, 1, 300);
}

static void quorum_events(quorum_handle_t handle)
{
	int fd;
	quorum_fd_get(handle, &fd);
	wait_readable(fd);
	printf("dispatch = %d\n", quorum_dispatch(handle, CS_DISPATCH_ALL));
}

static void walk_quorum(void)
{
	quorum_handle_t handle;
	uint32_t type;
	int quorate;
	quorum_callbacks_t callbacks = { on_quorum };
	SHOW(quorum_initialize(&handle, &callbacks, &type));
	printf("type %u\n", type);
	SHOW(quorum_getquorate(handle, &quorate));
	printf("quorate %d\n", quorate);
	SHOW(quorum_trackstop(handle));
	SHOW(quorum_trackstart(handle, CS_TRACK_CURRENT));
	quorum_events(handle);
	SHOW(quorum_trackstart(handle, CS_TRACK_CHANGES));
	quorum_events(handle);
	SHOW(quorum_trackstart(handle, CS_TRACK_CURRENT | CS_TRACK_CHANGES));
	quorum_events(handle);
	SHOW(quorum_trackstop(handle));
	SHOW(quorum_trackstart(handle, CS_TRACK_CHANGES_ONLY));
	SHOW(quorum_trackstart(handle, 0));
	SHOW(quorum_dispatch(handle, 9));
	SHOW(quorum_finalize(handle));
	quorum_model_v1_data_t model = { QUORUM_MODEL_V1, on_quorum_v1, on_nodelist_v1 };
	SHOW(quorum_model_initialize(&handle, QUORUM_MODEL_V1, (quorum_model_data_t *)&model, &type, NULL));
	SHOW(quorum_trackstart(handle, CS_TRACK_CURRENT | CS_TRACK_CHANGES));
	quorum_events(handle);
	quorum_events(handle);
	SHOW(quorum_finalize(handle));
	SHOW(quorum_model_initialize(&handle, 7, (quorum_model_data_t *)&model, &type, NULL));
}

static votequorum_ring_id_t ring;

static void on_votequorum(votequorum_handle_t handle, uint64_t context, uint32_t quorate, uint32_t count,
			  votequorum_node_t nodes[])
{
	(void)handle;
	printf("  votequorum: context %llu quorate %u nodes", (unsigned long long)context, quorate);
	for (uint32_t i = 0; i < count; i++)
		printf(" %u:%u", nodes[i].nodeid, nodes[i].state);
	printf("\n");
}

static void on_expected(votequorum_handle_t handle, uint64_t context, uint32_t votes)
{
	(void)handle;
	printf("  expected votes: context %llu votes %u\n", (unsigned long long)context, votes);
}

static void on_nodelist(votequorum_handle_t handle, uint64_t context, votequorum_ring_id_t id, uint32_t count, uint32_t ids[])
{
	(void)handle;
	ring = id;
	printf("  node list: context %llu representative %u", (unsigned long long)context, id.nodeid);
	put_ids("members", count, ids);
	printf("\n");
}

static void info(votequorum_handle_t handle, unsigned nodeid)
{
	struct votequorum_info i;
	cs_error_t error = votequorum_getinfo(handle, nodeid, &i);
	printf("getinfo %u = %d", nodeid, error);
	if (error == CS_OK)
		printf(" node %u state %u votes %u expected %u highest %u total %u quorum %u flags %u device %u '%s'", i.node_id,
		       i.node_state, i.node_votes, i.node_expected_votes, i.highest_expected, i.total_votes, i.quorum, i.flags,
		       i.qdevice_votes, i.qdevice_name);
	printf("\n");
}

static void vote_events(votequorum_handle_t handle)
{
	int fd;
	votequorum_fd_get(handle, &fd);
	wait_readable(fd);
	usleep(200000);
	printf("dispatch = %d\n", votequorum_dispatch(handle, CS_DISPATCH_ALL));
}

static void walk_votequorum(void)
{
	votequorum_handle_t handle;
	votequorum_callbacks_t callbacks = { on_votequorum, on_expected, on_nodelist };
	SHOW(votequorum_initialize(&handle, &callbacks));
	for (unsigned id = 0; id < 5; id++)
		info(handle, id);
	SHOW(votequorum_trackstop(handle));
	SHOW(votequorum_trackstart(handle, 77, CS_TRACK_CURRENT));
	vote_events(handle);
	SHOW(votequorum_trackstart(handle, 78, CS_TRACK_CHANGES));
	vote_events(handle);
	SHOW(votequorum_trackstart(handle, 79, CS_TRACK_CHANGES));
	vote_events(handle);
	SHOW(votequorum_setexpected(handle, 1));
	SHOW(votequorum_setexpected(handle, 100));
	SHOW(votequorum_setexpected(handle, 4));
	vote_events(handle);
	info(handle, 0);
	SHOW(votequorum_setexpected(handle, 3));
	vote_events(handle);
	SHOW(votequorum_setvotes(handle, 99, 1));
	SHOW(votequorum_setvotes(handle, 2, 100));
	/* The next one is judged by what has been delivered. */
	vote_events(handle);
	SHOW(votequorum_setvotes(handle, 2, 3));
	vote_events(handle);
	info(handle, 2);
	SHOW(votequorum_setvotes(handle, 2, 1));
	vote_events(handle);
	SHOW(votequorum_setexpected(handle, 3));
	vote_events(handle);
	info(handle, 0);
	SHOW(votequorum_qdevice_poll(handle, "dev", 1, ring));
	SHOW(votequorum_qdevice_unregister(handle, "dev"));
	SHOW(votequorum_qdevice_update(handle, "dev", "new"));
	SHOW(votequorum_qdevice_master_wins(handle, "dev", 1));
	SHOW(votequorum_qdevice_register(handle, ""));
	SHOW(votequorum_qdevice_register(handle, "dev"));
	SHOW(votequorum_qdevice_register(handle, "dev"));
	SHOW(votequorum_qdevice_register(handle, "other"));
	vote_events(handle);
	info(handle, 0);
	SHOW(votequorum_qdevice_poll(handle, "other", 1, ring));
	votequorum_ring_id_t wrong = { 1, 1 };
	SHOW(votequorum_qdevice_poll(handle, "dev", 1, wrong));
	SHOW(votequorum_qdevice_poll(handle, "dev", 1, ring));
	vote_events(handle);
	info(handle, 0);
	SHOW(votequorum_qdevice_master_wins(handle, "dev", 1));
	SHOW(votequorum_qdevice_update(handle, "other", "new"));
	SHOW(votequorum_qdevice_update(handle, "dev", "new"));
	vote_events(handle);
	info(handle, 0);
	SHOW(votequorum_qdevice_unregister(handle, "dev"));
	SHOW(votequorum_qdevice_unregister(handle, "new"));
	vote_events(handle);
	info(handle, 0);
	SHOW(votequorum_trackstop(handle));
	SHOW(votequorum_finalize(handle));
}

static void on_shutdown(corosync_cfg_handle_t handle, corosync_cfg_shutdown_flags_t flags)
{
	printf("  shutdown asked for, flags %d\n", flags);
	printf("  reply = %d\n", corosync_cfg_replyto_shutdown(handle, COROSYNC_CFG_SHUTDOWN_FLAG_NO));
}

static void walk_cfg(void)
{
	corosync_cfg_handle_t handle;
	corosync_cfg_callbacks_t callbacks = { on_shutdown };
	SHOW(corosync_cfg_initialize(&handle, &callbacks));
	unsigned nodeid;
	SHOW(corosync_cfg_local_get(handle, &nodeid));
	printf("node %u\n", nodeid);
	for (unsigned id = 0; id < 5; id++) {
		corosync_cfg_node_address_t addresses[8];
		int count = -1;
		printf("addresses of %u = %d", id, corosync_cfg_get_node_addrs(handle, id, 8, &count, addresses));
		for (int i = 0; i < count && i < 8; i++) {
			char text[64] = "?";
			struct sockaddr *a = (struct sockaddr *)addresses[i].address;
			if (a->sa_family == AF_INET)
				inet_ntop(AF_INET, &((struct sockaddr_in *)a)->sin_addr, text, sizeof(text));
			if (a->sa_family == AF_INET6)
				inet_ntop(AF_INET6, &((struct sockaddr_in6 *)a)->sin6_addr, text, sizeof(text));
			printf(" %s", text);
		}
		printf(" count %d\n", count);
		struct corosync_cfg_node_status_v1 status;
		memset(&status, 0, sizeof(status));
		printf("status of %u = %d", id, corosync_cfg_node_status_get(handle, id, CFG_NODE_STATUS_V1, &status));
		printf(" node %u reachable %u remote %u external %u\n", status.nodeid, status.reachable, status.remote, status.external);
		for (int i = 0; i < 3; i++)
			printf("  link %d enabled %u connected %u %s %s\n", i, status.link_status[i].enabled, status.link_status[i].connected,
			       status.link_status[i].src_ipaddr, status.link_status[i].dst_ipaddr);
	}
	char **names, **states;
	unsigned count = 0;
	SHOW(corosync_cfg_ring_status_get(handle, &names, &states, &count));
	for (unsigned i = 0; i < count; i++)
		printf("  interface %s status %s\n", names[i], states[i]);
	SHOW(corosync_cfg_kill_node(handle, 99, "no reason"));
	SHOW(corosync_cfg_replyto_shutdown(handle, COROSYNC_CFG_SHUTDOWN_FLAG_YES));
	SHOW(corosync_cfg_trackstop(handle));
	SHOW(corosync_cfg_trackstart(handle, 0));
	SHOW(corosync_cfg_trackstart(handle, 0));
	int fd;
	corosync_cfg_fd_get(handle, &fd);
	pid_t child = fork();
	if (child == 0) {
		corosync_cfg_handle_t mine;
		corosync_cfg_callbacks_t none = { NULL };
		corosync_cfg_initialize(&mine, &none);
		cs_error_t error = corosync_cfg_try_shutdown(mine, COROSYNC_CFG_SHUTDOWN_FLAG_REQUEST);
		usleep(300000);
		printf("  try_shutdown with a veto = %d\n", error);
		fflush(stdout);
		_exit(0);
	}
	struct pollfd p = { fd, POLLIN, 0 };
	if (poll(&p, 1, 5000) > 0)
		printf("dispatch = %d\n", corosync_cfg_dispatch(handle, CS_DISPATCH_ALL));
	fflush(stdout);
	sleep(1);
	SHOW(corosync_cfg_reopen_log_files(handle));
	SHOW(corosync_cfg_reload_config(handle));
	SHOW(corosync_cfg_trackstop(handle));
	SHOW(corosync_cfg_finalize(handle));
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	walk_quorum();
	walk_votequorum();
	walk_cfg();
	return 0;
}
