/*
 * What any local user can do to a daemon without talking to it.
 *
 *   squat port ADDRESS PORT SECONDS   binds that UDP address as SO_REUSEADDR and SO_REUSEPORT allow it, and takes what comes: prints
 *                                     "refused ERRNO" or "bound", and at the end "took N"
 *   squat lock PATH                   takes a lock (flock) on a file or directory that it may only read: "refused ERRNO" or "locked";
 *                                     holds it until its standard input ends
 *   squat read PATH BYTES             reads from a file: "refused ERRNO" or "read N"
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int refused(void)
{
	printf("refused %d\n", errno);
	return 0;
}

static int port(const char *address, int number, double seconds)
{
	static char buffer[65536];
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)number) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1, took = 0;
	inet_pton(AF_INET, address, &at.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
		/* Two sockets of different users never share a port by SO_REUSEPORT; by SO_REUSEADDR alone they do. */
		int zero = 0;
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &zero, sizeof(zero));
		if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
			return refused();
	}
	printf("bound\n");
	fflush(stdout);
	for (double end = now() + seconds; now() < end;) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		if (poll(&wait, 1, 50) > 0 && recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) >= 0)
			took++;
	}
	printf("took %d\n", took);
	return 0;
}

static int lock(const char *path)
{
	char byte;
	int fd = open(path, O_RDONLY | O_NOFOLLOW);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0)
		return refused();
	printf("locked\n");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	return 0;
}

static int peek(const char *path, size_t bytes)
{
	char *buffer = malloc(bytes);
	int fd = open(path, O_RDONLY);
	ssize_t got = fd < 0 ? -1 : read(fd, buffer, bytes);
	if (got < 0)
		return refused();
	printf("read %zd\n", got);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "port") == 0)
		return port(argv[2], atoi(argv[3]), atof(argv[4]));
	if (argc == 3 && strcmp(argv[1], "lock") == 0)
		return lock(argv[2]);
	if (argc == 4 && strcmp(argv[1], "read") == 0)
		return peek(argv[2], (size_t)atol(argv[3]));
	return 2;
}
