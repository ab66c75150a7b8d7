/*
 * How long a client waits: for a message of its own, or for the answer to a request.
 *
 *   latency message COUNT SIZE       multicasts one message, waits until it is delivered, multicasts the next
 *   latency rate RATE SECONDS SIZE   multicasts RATE messages a second on a schedule, whatever comes back; waits count from the schedule
 *   latency cmap COUNT               cmap_get_uint32 of one key
 *   latency quorum COUNT             quorum_getquorate
 *
 * The first tenth is not counted. Prints one line, times in microseconds:
 * {"count":…,"p50":…,"p99":…,"p999":…,"max":…,"totalMs":…}
 */
#include <corosync/cmap.h>
#include <corosync/cpg.h>
#include <corosync/quorum.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define COUNT_MAX 4000000

static uint32_t own_pid;
static volatile uint64_t delivered;
static double *times;
static size_t time_count;
static int timed;

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void report(double total_us)
{
	size_t skip = time_count / 10, n = time_count - skip;
	double *counted = times + skip;
	if (n == 0) {
		fprintf(stderr, "nothing was measured\n");
		exit(3);
	}
	qsort(counted, n, sizeof *counted, by_value);
	printf("{\"count\":%zu,\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f,\"totalMs\":%.1f}\n", n, counted[n / 2],
	       counted[n * 99 / 100], counted[n * 999 / 1000], counted[n - 1], total_us / 1e3);
	fflush(stdout);
	_exit(0);
}

static void fail(const char *what, int error)
{
	fprintf(stderr, "%s: %d\n", what, error);
	exit(3);
}

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid, void *msg,
		       size_t len)
{
	(void)handle;
	(void)group;
	(void)nodeid;
	if (pid != own_pid || len < sizeof(double))
		return;
	if (timed && time_count < COUNT_MAX) {
		double sent;
		memcpy(&sent, msg, sizeof sent);
		times[time_count++] = now_us() - sent;
	}
	delivered++;
}

static void on_confchg(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members,
		       size_t member_count, const struct cpg_address *left, size_t left_count,
		       const struct cpg_address *joined, size_t joined_count)
{
	(void)handle, (void)group, (void)members, (void)member_count;
	(void)left, (void)left_count, (void)joined, (void)joined_count;
}

static void *dispatch(void *argument)
{
	cpg_dispatch(*(cpg_handle_t *)argument, CS_DISPATCH_BLOCKING);
	return NULL;
}

static void multicast(cpg_handle_t handle, char *data, size_t size, double stamp)
{
	struct iovec iov = { data, size };
	cs_error_t error;
	memcpy(data, &stamp, sizeof stamp);
	while ((error = cpg_mcast_joined(handle, CPG_TYPE_AGREED, &iov, 1)) == CS_ERR_TRY_AGAIN)
		;
	if (error != CS_OK)
		fail("cpg_mcast_joined", error);
}

static cpg_handle_t join(void)
{
	cpg_callbacks_t callbacks = { .cpg_deliver_fn = on_deliver, .cpg_confchg_fn = on_confchg };
	struct cpg_name group = { .length = 7, .value = "latency" };
	cpg_handle_t handle;
	cs_error_t error;
	for (int i = 0; i < 100 && (error = cpg_initialize(&handle, &callbacks)) == CS_ERR_TRY_AGAIN; i++)
		usleep(100000);
	if (error != CS_OK)
		fail("cpg_initialize", error);
	while ((error = cpg_join(handle, &group)) == CS_ERR_TRY_AGAIN)
		usleep(10000);
	if (error != CS_OK)
		fail("cpg_join", error);
	return handle;
}

static void messages(size_t count, size_t size)
{
	cpg_handle_t handle = join();
	char *data = calloc(1, size);
	double start = now_us();
	for (size_t i = 0; i < count; i++) {
		uint64_t before = delivered;
		double sent = now_us();
		multicast(handle, data, size, sent);
		while (delivered == before)
			if (cpg_dispatch(handle, CS_DISPATCH_ONE) != CS_OK)
				fail("cpg_dispatch", 0);
		times[time_count++] = now_us() - sent;
	}
	report(now_us() - start);
}

static void schedule(double rate, double seconds, size_t size)
{
	static cpg_handle_t handle;
	handle = join();
	char *data = calloc(1, size);
	pthread_t thread;
	timed = 1;
	pthread_create(&thread, NULL, dispatch, &handle);
	double start = now_us(), end = start + seconds * 1e6, due = start;
	uint64_t sent = 0;
	for (; due < end; due += 1e6 / rate, sent++) {
		while (now_us() < due)
			usleep(20);
		multicast(handle, data, size, due);
	}
	for (int i = 0; i < 5000 && delivered < sent; i++)
		usleep(1000);
	report(now_us() - start);
}

static void cmap(size_t count)
{
	cmap_handle_t handle;
	uint32_t value;
	cs_error_t error;
	for (int i = 0; i < 100 && (error = cmap_initialize(&handle)) == CS_ERR_TRY_AGAIN; i++)
		usleep(100000);
	if (error != CS_OK)
		fail("cmap_initialize", error);
	if ((error = cmap_set_uint32(handle, "latency.key", 1)) != CS_OK)
		fail("cmap_set_uint32", error);
	double start = now_us();
	for (size_t i = 0; i < count; i++) {
		double asked = now_us();
		if ((error = cmap_get_uint32(handle, "latency.key", &value)) != CS_OK)
			fail("cmap_get_uint32", error);
		times[time_count++] = now_us() - asked;
	}
	report(now_us() - start);
}

static void quorum(size_t count)
{
	quorum_handle_t handle;
	quorum_callbacks_t callbacks = { 0 };
	uint32_t type;
	int quorate;
	cs_error_t error;
	for (int i = 0; i < 100 && (error = quorum_initialize(&handle, &callbacks, &type)) == CS_ERR_TRY_AGAIN; i++)
		usleep(100000);
	if (error != CS_OK)
		fail("quorum_initialize", error);
	double start = now_us();
	for (size_t i = 0; i < count; i++) {
		double asked = now_us();
		if ((error = quorum_getquorate(handle, &quorate)) != CS_OK)
			fail("quorum_getquorate", error);
		times[time_count++] = now_us() - asked;
	}
	report(now_us() - start);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	times = malloc(COUNT_MAX * sizeof *times);
	own_pid = (uint32_t)getpid();
	size_t count = (size_t)atol(argv[2]);
	if (count > COUNT_MAX)
		return 2;
	if (!strcmp(argv[1], "message") && argc == 4 && atol(argv[3]) >= 8)
		messages(count, (size_t)atol(argv[3]));
	if (!strcmp(argv[1], "rate") && argc == 5 && atol(argv[4]) >= 8)
		schedule(atof(argv[2]), atof(argv[3]), (size_t)atol(argv[4]));
	if (!strcmp(argv[1], "cmap"))
		cmap(count);
	if (!strcmp(argv[1], "quorum"))
		quorum(count);
	return 2;
}
