/*
 * A client under load, for the comparison with the client of this project (perf/client.ts).
 *
 *   clientload both|receive GROUP SIZE SECONDS
 *
 * both: one thread sends without a pause, another dispatches; counted is what comes back. receive: counted is what others send.
 * A further thread sleeps for a millisecond at a time: how late it wakes up is what the machine does to anybody in such a process.
 * Prints "ready", then after the time one line: {"messages":…,"seconds":…,"cpuMs":…,"loopMaxMs":…,"loopP99Ms":…}
 */
#include <corosync/cpg.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t received;
static volatile uint64_t bytes_seen;

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid, void *msg,
		       size_t len)
{
	(void)handle;
	(void)group;
	(void)nodeid;
	(void)pid;
	received++;
	bytes_seen += ((unsigned char *)msg)[len - 1] + len;
}

static void *dispatch(void *argument)
{
	cpg_dispatch(*(cpg_handle_t *)argument, CS_DISPATCH_BLOCKING);
	return NULL;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_ms(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

#define LATE_MAX 200000
static double late_ms[LATE_MAX];
static volatile size_t late_count;
static volatile int measuring;

static void *tick(void *argument)
{
	(void)argument;
	const struct timespec pause = { .tv_nsec = 1000000 };
	for (;;) {
		double before = now();
		nanosleep(&pause, NULL);
		if (measuring && late_count < LATE_MAX)
			late_ms[late_count++] = (now() - before) * 1e3 - 1;
	}
	return NULL;
}

static int ascending(const void *a, const void *b)
{
	double difference = *(const double *)a - *(const double *)b;
	return (difference > 0) - (difference < 0);
}

int main(int argc, char **argv)
{
	if (argc < 5)
		return 2;
	cpg_callbacks_t callbacks = { .cpg_deliver_fn = on_deliver };
	struct cpg_name group = { .length = (uint32_t)strlen(argv[2]) };
	memcpy(group.value, argv[2], group.length);
	size_t size = (size_t)atol(argv[3]);
	double seconds = atof(argv[4]);
	static cpg_handle_t handle;
	cs_error_t error;
	for (int i = 0; i < 100 && (error = cpg_initialize(&handle, &callbacks)) == CS_ERR_TRY_AGAIN; i++)
		usleep(100000);
	while (error == CS_OK && (error = cpg_join(handle, &group)) == CS_ERR_TRY_AGAIN) {
		usleep(10000);
		error = CS_OK;
	}
	if (error != CS_OK) {
		fprintf(stderr, "cpg: %d\n", error);
		return 3;
	}
	pthread_t thread;
	pthread_create(&thread, NULL, dispatch, &handle);
	pthread_t ticker;
	pthread_create(&ticker, NULL, tick, NULL);
	printf("ready\n");
	fflush(stdout);
	char *data = calloc(1, size + 1);
	struct iovec iov = { data, size };
	int sends = strcmp(argv[1], "both") == 0;
	while (!sends && received == 0)
		usleep(1000);
	uint64_t first = received;
	measuring = 1;
	double start = now();
	double cpu = cpu_ms();
	while (now() - start < seconds) {
		if (!sends)
			usleep(10000);
		else
			cpg_mcast_joined(handle, CPG_TYPE_AGREED, &iov, 1);
	}
	uint64_t count = received - first;
	double took = now() - start;
	double cost_ms = cpu_ms() - cpu;
	measuring = 0;
	size_t ticks = late_count;
	qsort(late_ms, ticks, sizeof(late_ms[0]), ascending);
	printf("{\"messages\":%llu,\"seconds\":%.3f,\"cpuMs\":%.1f,\"loopMaxMs\":%.2f,\"loopP99Ms\":%.2f}\n",
	       (unsigned long long)count, took, cost_ms, ticks > 0 ? late_ms[ticks - 1] : 0, late_ms[ticks * 99 / 100]);
	fflush(stdout);
	_exit(0);
}
