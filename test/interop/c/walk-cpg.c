/* Walks through libcpg and prints what every call answers; the same text is expected from every daemon. */
#include <corosync/cpg.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define SHOW(call) printf("%s = %d\n", #call, call)

static unsigned delivered;

static const char *who(uint32_t pid)
{
	return pid == (uint32_t)getpid() ? "self" : "other";
}

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid, void *msg,
		       size_t len)
{
	(void)handle;
	unsigned sum = 0;
	delivered++;
	for (size_t i = 0; i < len; i++)
		sum = sum * 31 + ((unsigned char *)msg)[i];
	printf("  message in %.*s from %u %s: %zu bytes, %08x\n", (int)group->length, group->value, nodeid, who(pid), len, sum);
}

static void put(const char *what, const struct cpg_address *list, size_t count)
{
	printf(" %s", what);
	for (size_t i = 0; i < count; i++)
		printf(" %u:%s:%u", list[i].nodeid, who(list[i].pid), list[i].reason);
}

static void on_confchg(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members,
		       size_t member_count, const struct cpg_address *left, size_t left_count,
		       const struct cpg_address *joined, size_t joined_count)
{
	(void)handle;
	printf("  change of %.*s:", (int)group->length, group->value);
	put("members", members, member_count);
	put("left", left, left_count);
	put("joined", joined, joined_count);
	printf("\n");
}

static void on_totem(cpg_handle_t handle, struct cpg_ring_id ring, uint32_t count, const uint32_t *members)
{
	(void)handle;
	printf("  totem: representative %u, members", ring.nodeid);
	for (uint32_t i = 0; i < count; i++)
		printf(" %u", members[i]);
	printf("\n");
}

static cpg_handle_t open_handle(unsigned flags)
{
	cpg_model_v1_data_t model = { .model = CPG_MODEL_V1,
				      .cpg_deliver_fn = on_deliver,
				      .cpg_confchg_fn = on_confchg,
				      .cpg_totem_confchg_fn = on_totem,
				      .flags = flags };
	cpg_handle_t handle = 0;
	printf("initialize with flags %u = %d\n", flags,
	       cpg_model_initialize(&handle, CPG_MODEL_V1, (cpg_model_data_t *)&model, (void *)7));
	return handle;
}

static void events(cpg_handle_t handle)
{
	int fd;
	cpg_fd_get(handle, &fd);
	struct pollfd p = { fd, POLLIN, 0 };
	while (poll(&p, 1, 600) > 0)
		if (cpg_dispatch(handle, CS_DISPATCH_ALL) != CS_OK)
			break;
}

/* Until one more message has come, or three seconds have passed. */
static void message_event(cpg_handle_t handle, unsigned before)
{
	int fd;
	cpg_fd_get(handle, &fd);
	for (int i = 0; i < 60 && delivered == before; i++) {
		struct pollfd p = { fd, POLLIN, 0 };
		if (poll(&p, 1, 50) > 0 && cpg_dispatch(handle, CS_DISPATCH_ALL) != CS_OK)
			break;
	}
}

static struct cpg_name name_of(const char *text)
{
	struct cpg_name name = { .length = (uint32_t)strlen(text) };
	memcpy(name.value, text, name.length);
	return name;
}

static void send_bytes(cpg_handle_t handle, size_t size, int pieces)
{
	char *data = malloc(size + 1);
	for (size_t i = 0; i < size; i++)
		data[i] = (char)(i * 7 + size);
	struct iovec iov[16];
	for (int i = 0; i < pieces; i++) {
		size_t from = size * (size_t)i / (size_t)pieces, to = size * (size_t)(i + 1) / (size_t)pieces;
		iov[i].iov_base = data + from;
		iov[i].iov_len = to - from;
	}
	cs_error_t error;
	unsigned before = delivered;
	int tries = 0;
	while ((error = cpg_mcast_joined(handle, CPG_TYPE_AGREED, iov, (unsigned)pieces)) == CS_ERR_TRY_AGAIN && tries++ < 100)
		usleep(20000);
	printf("mcast of %zu bytes in %d pieces = %d\n", size, pieces, error);
	if (error == CS_OK)
		message_event(handle, before);
	events(handle);
	free(data);
}

static void iterate(cpg_handle_t handle, int type, const struct cpg_name *group)
{
	cpg_iteration_handle_t iterator;
	struct cpg_iteration_description_t description;
	cs_error_t error = cpg_iteration_initialize(handle, (cpg_iteration_type_t)type, group, &iterator);
	printf("iterate type %d = %d\n", type, error);
	if (error != CS_OK)
		return;
	while ((error = cpg_iteration_next(iterator, &description)) == CS_OK)
		printf("  %.*s %u %s\n", (int)description.group.length, description.group.value, description.nodeid,
		       type == CPG_ITERATION_NAME_ONLY ? "-" : who(description.pid));
	printf("end %d finalize %d\n", error, cpg_iteration_finalize(iterator));
}

static void membership(cpg_handle_t handle, struct cpg_name *group)
{
	struct cpg_address members[CPG_MEMBERS_MAX];
	int count = -1;
	printf("membership_get = %d", cpg_membership_get(handle, group, members, &count));
	printf(" count %d", count);
	for (int i = 0; i < count && i < CPG_MEMBERS_MAX; i++)
		printf(" %u:%s", members[i].nodeid, who(members[i].pid));
	printf("\n");
}

static void zero_copy(cpg_handle_t handle)
{
	void *buffer = NULL;
	SHOW(cpg_zcb_alloc(handle, 50000, &buffer));
	if (buffer != NULL) {
		memset(buffer, 'z', 50000);
		unsigned before = delivered;
		SHOW(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, 50000));
		message_event(handle, before);
		before = delivered;
		SHOW(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, 1));
		message_event(handle, before);
		SHOW(cpg_zcb_free(handle, buffer));
	}
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	struct cpg_name group = name_of("walkers"), other = name_of("others"), empty = name_of("");
	struct cpg_name tool_long = name_of("x");
	tool_long.length = 129;
	cpg_handle_t handle = open_handle(CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF), second, bad;
	bad = open_handle(8);
	(void)bad;
	unsigned nodeid;
	uint32_t limit;
	cpg_flow_control_state_t flow;
	void *context;
	SHOW(cpg_local_get(handle, &nodeid));
	SHOW(cpg_max_atomic_msgsize_get(handle, &limit));
	printf("limit %u\n", limit);
	SHOW(cpg_flow_control_state_get(handle, &flow));
	SHOW(cpg_context_get(handle, &context));
	SHOW(cpg_leave(handle, &group));
	send_bytes(handle, 10, 1);
	SHOW(cpg_join(handle, &tool_long));
	SHOW(cpg_join(handle, &group));
	SHOW(cpg_join(handle, &group));
	SHOW(cpg_join(handle, &other));
	events(handle);
	membership(handle, &group);
	membership(handle, &other);
	size_t sizes[] = { 0, 1, 2, 63, 64, 1300, 1400, 1500, 9000, 65000, 65536, 500000, 1047552, 1047553, 1048576, 3000000 };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		send_bytes(handle, sizes[i], 1);
	send_bytes(handle, 100000, 16);
	send_bytes(handle, 2000000, 7);
	zero_copy(handle);
	second = open_handle(0);
	SHOW(cpg_join(second, &other));
	events(second);
	iterate(handle, CPG_ITERATION_NAME_ONLY, NULL);
	iterate(handle, CPG_ITERATION_ALL, NULL);
	iterate(handle, CPG_ITERATION_ONE_GROUP, &group);
	iterate(handle, CPG_ITERATION_ONE_GROUP, &empty);
	iterate(handle, CPG_ITERATION_ONE_GROUP, NULL);
	iterate(handle, 9, NULL);
	send_bytes(second, 100, 2);
	SHOW(cpg_leave(second, &other));
	events(second);
	SHOW(cpg_leave(second, &other));
	SHOW(cpg_finalize(second));
	second = open_handle(0);
	SHOW(cpg_join(second, &other));
	events(second);
	SHOW(cpg_finalize(second));
	events(handle);
	iterate(handle, CPG_ITERATION_ALL, NULL);
	SHOW(cpg_dispatch(handle, CS_DISPATCH_ONE_NONBLOCKING));
	SHOW(cpg_leave(handle, &group));
	events(handle);
	SHOW(cpg_finalize(handle));
	SHOW(cpg_finalize(handle));
	return 0;
}
