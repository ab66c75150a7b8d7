/*
 * A client that is connected already and asks for something every few milliseconds, while others do what they like: how long it waits.
 *
 *   latency EVERY_MS        cmap_get until its standard input ends; "late" is how late it woke up at worst from its own pauses
 */
#include <corosync/cmap.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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

int main(int argc, char **argv)
{
	cmap_handle_t handle;
	unsigned long count = 0, failed = 0;
	double worst = 0, late = 0, paused;
	uint32_t version;
	struct pollfd input = { .fd = 0, .events = POLLIN };
	if (argc != 2 || cmap_initialize(&handle) != CS_OK)
		return 2;
	printf("ready\n");
	fflush(stdout);
	for (paused = now_ms(); poll(&input, 1, atoi(argv[1])) == 0; paused = now_ms()) {
		double begin = now_ms();
		if (begin - paused - atoi(argv[1]) > late)
			late = begin - paused - atoi(argv[1]);
		if (cmap_get_uint32(handle, "totem.version", &version) != CS_OK)
			failed++;
		double took = now_ms() - begin;
		buckets[took * 10 < BUCKETS ? (int)(took * 10) : BUCKETS]++;
		count++;
		if (took > worst)
			worst = took;
	}
	printf("gets %lu failed %lu median %.1f p99 %.1f p99.9 %.1f worst %.1f late %.1f\n", count, failed, quantile(count, 0.5),
	       quantile(count, 0.99), quantile(count, 0.999), worst, late);
	cmap_finalize(handle);
	return 0;
}
