/*
 * A client that is connected already and asks for something every few milliseconds, while others do what they like: how long it waits.
 *
 *   latency EVERY_MS WHAT   until its standard input ends; "late" is how late it woke up at worst from its own pauses
 *                           WHAT: cmap (a value is read), cpg (a message, until it is delivered to its sender)
 */
#include <corosync/cmap.h>
#include <corosync/cpg.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define BUCKETS 100000

/* By tenths of a millisecond. */
static unsigned long buckets[BUCKETS + 1];

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double quantile(unsigned long count, double share)
{
	unsigned long sum = 0;
	for (int i = 0; i <= BUCKETS; i++) {
		sum += buckets[i];
		if ((double)sum >= (double)count * share)
			return (i + 1) / 10.0;
	}
	return BUCKETS / 10.0;
}

static cmap_handle_t cmap;
static cpg_handle_t cpg;
static int delivered;

static int get(void)
{
	uint32_t version;
	return cmap_get_uint32(cmap, "totem.version", &version) == CS_OK;
}

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t node, uint32_t pid, void *message, size_t bytes)
{
	(void)handle, (void)group, (void)node, (void)message, (void)bytes;
	delivered += pid == (uint32_t)getpid();
}

static int echo(void)
{
	char byte = 1;
	struct iovec part = { &byte, 1 };
	cs_error_t error;
	delivered = 0;
	while ((error = cpg_mcast_joined(cpg, CPG_TYPE_AGREED, &part, 1)) == CS_ERR_TRY_AGAIN)
		usleep(1000);
	while (error == CS_OK && !delivered)
		error = cpg_dispatch(cpg, CS_DISPATCH_ONE);
	return error == CS_OK;
}

static int begin_cpg(void)
{
	static cpg_callbacks_t callbacks = { .cpg_deliver_fn = on_deliver };
	static const struct cpg_name group = { .length = 7, .value = "latency" };
	cs_error_t error = cpg_initialize(&cpg, &callbacks);
	while (error == CS_OK && (error = cpg_join(cpg, &group)) == CS_ERR_TRY_AGAIN)
		usleep(10000);
	return error == CS_OK;
}

int main(int argc, char **argv)
{
	unsigned long count = 0, failed = 0;
	double worst = 0, late = 0, paused;
	struct pollfd input = { .fd = 0, .events = POLLIN };
	int is_cpg = argc == 3 && strcmp(argv[2], "cpg") == 0;
	if (argc != 3 || !(is_cpg ? begin_cpg() : cmap_initialize(&cmap) == CS_OK))
		return 2;
	printf("ready\n");
	fflush(stdout);
	for (paused = now_ms(); poll(&input, 1, atoi(argv[1])) == 0; paused = now_ms()) {
		double begin = now_ms();
		if (begin - paused - atoi(argv[1]) > late)
			late = begin - paused - atoi(argv[1]);
		if (!(is_cpg ? echo() : get()))
			failed++;
		double took = now_ms() - begin;
		buckets[took * 10 < BUCKETS ? (int)(took * 10) : BUCKETS]++;
		count++;
		if (took > worst)
			worst = took;
	}
	printf("times %lu failed %lu median %.1f p99 %.1f p99.9 %.1f worst %.1f late %.1f\n", count, failed, quantile(count, 0.5),
	       quantile(count, 0.99), quantile(count, 0.999), worst, late);
	return 0;
}
