/*
 * A program that is there before the daemon: when it is served, and when it first sees so many nodes.
 *
 *   first-client GROUP NODES
 *
 * Lines on standard output, times in milliseconds of the wall clock:
 *   waiting | served TIME | joined TIME | nodes COUNT TIME (each view) | complete TIME
 */
#include <corosync/cpg.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ASK_AGAIN_NS 2000000

static unsigned nodes_seen;

static double now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid, void *msg,
		       size_t len)
{
	(void)handle;
	(void)group;
	(void)nodeid;
	(void)pid;
	(void)msg;
	(void)len;
}

static void on_confchg(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members,
		       size_t member_count, const struct cpg_address *left, size_t left_count,
		       const struct cpg_address *joined, size_t joined_count)
{
	(void)handle;
	(void)group;
	(void)members;
	(void)member_count;
	(void)left;
	(void)left_count;
	(void)joined;
	if (joined_count > 0)
		printf("joined %.3f\n", now_ms());
}

static void on_totem(cpg_handle_t handle, struct cpg_ring_id ring, uint32_t count, const uint32_t *members)
{
	(void)handle;
	(void)ring;
	(void)members;
	nodes_seen = count;
	printf("nodes %u %.3f\n", count, now_ms());
}

int main(int argc, char **argv)
{
	cpg_model_v1_data_t model = {
		.model = CPG_MODEL_V1,
		.cpg_deliver_fn = on_deliver,
		.cpg_confchg_fn = on_confchg,
		.cpg_totem_confchg_fn = on_totem,
		.flags = CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF,
	};
	const struct timespec pause = { .tv_nsec = ASK_AGAIN_NS };
	struct cpg_name group = { 0 };
	cpg_handle_t handle;
	int fd;

	if (argc != 3)
		return 2;
	setlinebuf(stdout);
	group.length = strlen(argv[1]);
	memcpy(group.value, argv[1], group.length);
	puts("waiting");
	while (cpg_model_initialize(&handle, CPG_MODEL_V1, (cpg_model_data_t *)&model, NULL) != CS_OK)
		nanosleep(&pause, NULL);
	printf("served %.3f\n", now_ms());
	while (cpg_join(handle, &group) != CS_OK)
		nanosleep(&pause, NULL);
	if (cpg_fd_get(handle, &fd) != CS_OK)
		return 1;
	while (nodes_seen < (unsigned)atoi(argv[2])) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		if (poll(&ready, 1, -1) < 0 || cpg_dispatch(handle, CS_DISPATCH_ALL) != CS_OK)
			return 1;
	}
	printf("complete %.3f\n", now_ms());
	return 0;
}
