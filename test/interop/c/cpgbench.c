/*
 * How many messages a second one process can multicast and get back.
 *
 *   cpgbench GROUP SIZE SECONDS [QUIET]      SECONDS may have a fraction
 *
 * The shape is that of Corosync's own benchmark: one thread sends without a pause, another dispatches; counted is
 * what this process gets delivered. With QUIET it only receives (a member on another node).
 * Prints one line: {"size":…,"messages":…,"seconds":…,"perSecond":…,"megabytesPerSecond":…,"tryAgain":…}
 */
#include <corosync/cpg.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SIZE_MAX_BYTES (1 << 20)
#define SECONDS_MIN 0.001
#define SECONDS_MAX 86400

static volatile sig_atomic_t over;
static volatile uint64_t received;
static uint32_t own_pid;
static uint32_t own_node;

static void on_alarm(int signal)
{
	(void)signal;
	over = 1;
}

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid, void *msg,
		       size_t len)
{
	(void)handle;
	(void)group;
	(void)msg;
	(void)len;
	if (pid == own_pid && nodeid == own_node)
		received++;
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
	(void)joined_count;
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

static int usage(void)
{
	fprintf(stderr, "cpgbench GROUP SIZE SECONDS [QUIET]: at most %d characters, 0 to %d bytes, %g to %d seconds\n",
		CPG_MAX_NAME_LENGTH, SIZE_MAX_BYTES, SECONDS_MIN, SECONDS_MAX);
	return 2;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return usage();
	char *size_end, *seconds_end;
	long wanted_size = strtol(argv[2], &size_end, 10);
	double seconds = strtod(argv[3], &seconds_end);
	if (*size_end || wanted_size < 0 || wanted_size > SIZE_MAX_BYTES || strlen(argv[1]) > CPG_MAX_NAME_LENGTH)
		return usage();
	/* An alarm in no time would never come. */
	if (*seconds_end || !(seconds <= SECONDS_MAX) || (argc == 4 && seconds < SECONDS_MIN))
		return usage();
	cpg_callbacks_t callbacks = { .cpg_deliver_fn = on_deliver, .cpg_confchg_fn = on_confchg };
	struct cpg_name group = { .length = (uint32_t)strlen(argv[1]) };
	memcpy(group.value, argv[1], group.length);
	size_t size = (size_t)wanted_size;
	static cpg_handle_t handle;
	cs_error_t error;
	for (int i = 0; i < 100 && (error = cpg_initialize(&handle, &callbacks)) == CS_ERR_TRY_AGAIN; i++)
		usleep(100000);
	if (error != CS_OK) {
		fprintf(stderr, "cpg_initialize: %d\n", error);
		return 3;
	}
	while ((error = cpg_join(handle, &group)) == CS_ERR_TRY_AGAIN)
		usleep(10000);
	if (error != CS_OK) {
		fprintf(stderr, "cpg_join: %d\n", error);
		return 3;
	}
	own_pid = (uint32_t)getpid();
	cpg_local_get(handle, &own_node);
	pthread_t thread;
	pthread_create(&thread, NULL, dispatch, &handle);
	if (argc > 4) {
		printf("ready\n");
		fflush(stdout);
		char c;
		while (read(0, &c, 1) > 0)
			;
		_exit(0);
	}
	char *data = calloc(1, size + 1);
	struct iovec iov = { data, size };
	signal(SIGALRM, on_alarm);
	uint64_t again = 0;
	double start = now();
	struct itimerval timer = { .it_value = { (time_t)seconds, (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6) } };
	setitimer(ITIMER_REAL, &timer, NULL);
	do {
		error = cpg_mcast_joined(handle, CPG_TYPE_AGREED, &iov, 1);
		again += error == CS_ERR_TRY_AGAIN;
	} while (!over && (error == CS_OK || error == CS_ERR_TRY_AGAIN));
	double elapsed = now() - start;
	uint64_t count = received;
	if (error != CS_OK && error != CS_ERR_TRY_AGAIN) {
		fprintf(stderr, "cpg_mcast_joined: %d\n", error);
		return 3;
	}
	printf("{\"size\":%zu,\"messages\":%llu,\"seconds\":%.3f,\"perSecond\":%.1f,\"megabytesPerSecond\":%.3f,\"tryAgain\":%llu}\n",
	       size, (unsigned long long)count, elapsed, (double)count / elapsed, (double)count * (double)size / elapsed / 1e6,
	       (unsigned long long)again);
	fflush(stdout);
	_exit(0);
}
