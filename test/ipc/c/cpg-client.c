/*
 * A client of libcpg for the tests of the IPC server. One mode a run; prints one line with its result and exits with 0 if it is content.
 *
 *   calls N            cpg_local_get N times; prints microseconds per call
 *   mcast N BYTES      joins, sends N messages as fast as flow control allows, receives them all, checks order and content
 *   slow N BYTES MS    asks for N events (by one message "flood"), sleeps MS, then receives and checks them
 *   hold MS            connects, sleeps, exits
 *   fire N             joins, multicasts N messages and exits without finalize
 *   truncate RING      connects, one call, tries to make the files of its RING (request, response, event) empty, one more call
 *   truncate RING early  the same before the first call: then the server must hang up
 *   scribble           connects, one call, fills its request ring with garbage and rings the bell
 *   late               connects, waits for the end of its input, one call: the server's sockets stay open to strangers meanwhile
 *   cut                over sockets: one call, makes the control file empty, before the first call, too; more calls
 *   garbage N          over sockets: one call, sends N bytes of garbage as a request; the server must hang up
 *   stranger MS        is no client: sends multicasts to the request sockets of all others
 *   die                connects, commits half a chunk into the request ring, kills itself
 */
#define _GNU_SOURCE
#include <corosync/cpg.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

static unsigned received, wrong, expectBytes;
static cpg_handle_t handle;

static void deliver(cpg_handle_t h, const struct cpg_name *group, uint32_t nodeid, uint32_t pid, void *msg, size_t len) {
	uint32_t n;
	memcpy(&n, msg, 4);
	if (len != expectBytes || n != received) wrong++;
	for (size_t i = 4; i < len; i += 97) if (((unsigned char *)msg)[i] != (unsigned char)(n + i)) { wrong++; break; }
	received++;
}
static void confchg(cpg_handle_t h, const struct cpg_name *g, const struct cpg_address *m, size_t nm, const struct cpg_address *l, size_t nl, const struct cpg_address *j, size_t nj) {}
static cpg_callbacks_t callbacks = { .cpg_deliver_fn = deliver, .cpg_confchg_fn = confchg };
static struct cpg_name group = { .length = 3, .value = "toy" };

static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
static void fail(const char *what, int rc) { printf("%s: %d\n", what, rc); exit(1); }
static void drain(unsigned until, double seconds) {
	int fd; double end = now() + seconds;
	cpg_fd_get(handle, &fd);
	while (received < until && now() < end) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		poll(&p, 1, 100);
		cs_error_t rc = cpg_dispatch(handle, CS_DISPATCH_ALL);
		if (rc != CS_OK && rc != CS_ERR_TRY_AGAIN) fail("dispatch", rc);
	}
}
static int connectCpg(void) {
	cs_error_t rc = cpg_initialize(&handle, &callbacks);
	if (rc != CS_OK) { printf("initialize: %d\n", rc); exit(10 + rc); }
	return 0;
}
static unsigned call(void) { unsigned id = 0; cs_error_t rc = cpg_local_get(handle, &id); if (rc != CS_OK) { printf("local_get: %d\n", rc); } return rc; }

/* A file of this connection, before the first call: the server removes the names then. */
static int openRing(const char *kind, const char *part) {
	DIR *shm = opendir("/dev/shm");
	struct dirent *entry;
	char mine[32], path[600];
	snprintf(mine, sizeof mine, "-%d-", getpid());
	while ((entry = readdir(shm))) {
		if (strncmp(entry->d_name, "qb-", 3) || !strstr(entry->d_name + 3, mine)) continue;
		snprintf(path, sizeof path, part ? "/dev/shm/%s/qb-%s-cpg-%s" : "/dev/shm/%s/qb-%s-cpg", entry->d_name, kind, part);
		return open(path, O_RDWR);
	}
	return -1;
}

/* The socket on which requests go out, over sockets. */
static int requestSocket(void) {
	for (int fd = 3; fd < 64; fd++) {
		struct sockaddr_un peer;
		socklen_t length = sizeof peer;
		if (getpeername(fd, (struct sockaddr *)&peer, &length) || peer.sun_family != AF_UNIX || length < 4) continue;
		if (strstr(peer.sun_path + 1, "-request")) return fd;
	}
	return -1;
}

static int stranger(unsigned ms) {
	struct { int32_t id, p0, size, p1, error, p2; uint32_t length, p3, guarantee, p4; uint32_t value; } message = { .id = 2, .size = 44, .length = 4, .value = 0xdeadbeef };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0), sent = 0;
	for (double end = now() + ms / 1e3; now() < end; usleep(200)) {
		FILE *names = fopen("/proc/net/unix", "r");
		char line[400], *name, *tail;
		while (fgets(line, sizeof line, names)) {
			if (!(name = strchr(line, '@')) || !(tail = strstr(name, "-request"))) continue;
			struct sockaddr_un to = { .sun_family = AF_UNIX };
			memcpy(to.sun_path + 1, name + 1, tail + 8 - name - 1);
			if (sendto(fd, &message, sizeof message, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to) > 0) sent++;
		}
		fclose(names);
	}
	printf("sent: %d\n", sent);
	return sent == 0;
}

int main(int argc, char **argv) {
	const char *mode = argv[1];
	unsigned n = argc > 2 ? atoi(argv[2]) : 0, bytes = argc > 3 ? atoi(argv[3]) : 0;
	if (!strcmp(mode, "stranger")) return stranger(n);
	connectCpg();
	if (!strcmp(mode, "calls")) {
		double start = now();
		for (unsigned i = 0; i < n; i++) if (call() != CS_OK) return 1;
		printf("%.2f us per call\n", (now() - start) * 1e6 / n);
	} else if (!strcmp(mode, "mcast")) {
		cs_error_t rc = cpg_join(handle, &group);
		if (rc != CS_OK) fail("join", rc);
		unsigned char *message = calloc(1, bytes);
		double start = now();
		expectBytes = bytes;
		for (unsigned i = 0; i < n; ) {
			struct iovec v = { message, bytes };
			memcpy(message, &i, 4);
			for (unsigned k = 4; k < bytes; k += 97) message[k] = (unsigned char)(i + k);
			rc = cpg_mcast_joined(handle, CPG_TYPE_AGREED, &v, 1);
			if (rc == CS_OK) { i++; if (i % 100 == 0) cpg_dispatch(handle, CS_DISPATCH_ALL); }
			else if (rc == CS_ERR_TRY_AGAIN) cpg_dispatch(handle, CS_DISPATCH_ALL);
			else fail("mcast", rc);
		}
		drain(n, 20);
		printf("received %u wrong %u, %.0f messages/s\n", received, wrong, received / (now() - start));
		cpg_finalize(handle);
		return received != n || wrong;
	} else if (!strcmp(mode, "slow")) {
		cs_error_t rc = cpg_join(handle, &group);
		if (rc != CS_OK) fail("join", rc);
		uint32_t want[3] = { 0xffffffff, n, bytes };
		struct iovec v = { want, sizeof want };
		expectBytes = bytes;
		rc = cpg_mcast_joined(handle, CPG_TYPE_AGREED, &v, 1);
		if (rc != CS_OK) fail("flood", rc);
		usleep(atoi(argv[4]) * 1000);
		drain(n, 20);
		printf("received %u wrong %u\n", received, wrong);
		return received != n || wrong;
	} else if (!strcmp(mode, "hold")) {
		if (call() != CS_OK) return 1;
		usleep(n * 1000);
	} else if (!strcmp(mode, "fire")) {
		cs_error_t rc = cpg_join(handle, &group);
		if (rc != CS_OK) fail("join", rc);
		for (uint32_t i = 0; i < n; ) {
			struct iovec v = { &i, 4 };
			rc = cpg_mcast_joined(handle, CPG_TYPE_AGREED, &v, 1);
			if (rc == CS_OK) i++;
			else if (rc != CS_ERR_TRY_AGAIN) fail("mcast", rc);
		}
		_exit(0);
	} else if (!strcmp(mode, "late")) {
		while (getchar() != EOF) continue;
		return call() != CS_OK;
	} else if (!strcmp(mode, "cut")) {
		int control = openRing("control", NULL);
		if (control < 0) { perror("open"); return 2; }
		for (int i = 0; i < 3; i++) if (ftruncate(control, i) != 0 || ftruncate(control, 24) != 0 || call() != CS_OK) return 1;
	} else if (!strcmp(mode, "garbage")) {
		int fd;
		if (call() != CS_OK) return 1;
		unsigned char *bytes = malloc(n + 1);
		srand(getpid());
		for (unsigned i = 0; i < n; i++) bytes[i] = rand();
		if (n >= 16) { *(int32_t *)(bytes + 8) = 0x7fffffff; bytes[3] &= 0x7f; }
		if (send(requestSocket(), bytes, n, 0) != (ssize_t)n) return 2;
		usleep(200000);
		cs_error_t rc = cpg_local_get(handle, &n);
		printf("hung up: %s\n", rc == CS_OK ? "no" : "yes");
		return rc == CS_OK;
	} else if (!strcmp(mode, "truncate")) {
		int data = openRing(argv[2], "data"), header = openRing(argv[2], "header"), early = argc > 3;
		if (data < 0 || header < 0) { perror("open"); return 2; }
		if (!early && call() != CS_OK) return 1;
		int shrunk = (ftruncate(data, 0) == 0) + (ftruncate(header, 0) == 0);
		printf("truncated: %d\n", shrunk);
		if (early) { int fd; char b; cpg_fd_get(handle, &fd); struct pollfd p = { .fd = 0, .events = POLLIN }; p.fd = fd; send(fd, "x", 1, 0); return poll(&p, 1, 3000) != 1 || recv(fd, &b, 1, MSG_DONTWAIT) != 0; }
		return call() != CS_OK;
	} else if (!strcmp(mode, "scribble") || !strcmp(mode, "die")) {
		int fd;
		void *data = mmap(0, 1052672, PROT_READ | PROT_WRITE, MAP_SHARED, openRing("request", "data"), 0);
		void *header = mmap(0, 8248, PROT_READ | PROT_WRITE, MAP_SHARED, openRing("request", "header"), 0);
		if (call() != CS_OK) return 1;
		cpg_fd_get(handle, &fd);
		volatile uint32_t *h = header;
		if (!strcmp(mode, "scribble")) {
			usleep(50000); /* the server has taken the semaphore down */
			srand(getpid());
			for (unsigned i = 0; i < 1052672 / 4; i++) ((uint32_t *)data)[i] = rand();
			h[0] = rand() % 263168; h[2052] = 1 + rand() % 5;
			send(fd, "x", 1, 0);
			struct pollfd p = { .fd = fd, .events = POLLIN };
			unsigned char b; int r = poll(&p, 1, 3000) == 1 ? recv(fd, &b, 1, MSG_DONTWAIT) : -1;
			printf("hung up: %s\n", r == 0 ? "yes" : "no");
			return r != 0;
		}
		uint32_t w = h[0];
		((volatile uint32_t *)data)[w] = 0; ((volatile uint32_t *)data)[w + 1] = 0xA110CED0;
		h[0] = w + 20;
		send(fd, "x", 1, 0);
		kill(getpid(), SIGKILL);
	}
	return 0;
}
