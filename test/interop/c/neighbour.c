/*
 * A neighbour with real-time priority: of every PERIOD milliseconds it spins BUSY, on one processor.
 *
 *   neighbour CPU BUSY PERIOD
 *
 * Says "spinning" and goes on until its standard input ends.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	double busy = atof(argv[2]), period = atof(argv[3]);
	struct sched_param param = { .sched_priority = 50 };
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(atoi(argv[1]), &set);
	if (sched_setaffinity(0, sizeof set, &set) != 0 || sched_setscheduler(0, SCHED_RR, &param) != 0) {
		perror("neighbour");
		return 3;
	}
	printf("spinning\n");
	fflush(stdout);
	struct pollfd input = { .fd = 0, .events = POLLIN };
	for (;;) {
		double start = now_ms();
		while (now_ms() < start + busy)
			;
		char c;
		if (poll(&input, 1, 0) > 0 && read(0, &c, 1) <= 0)
			return 0;
		double rest = start + period - now_ms();
		if (rest > 0) {
			struct timespec pause = { 0, (long)(rest * 1e6) };
			nanosleep(&pause, NULL);
		}
	}
}
