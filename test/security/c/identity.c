/*
 * Who a client says that it is, and what it hands over with that.
 *
 *   identity ask SERVICE              one handshake: prints the status of the response, 0 or a negative errno, and holds the connection for
 *                                     a moment
 *   identity forge SERVICE UID        the same with the credentials of UID attached to the request; "refused ERRNO": the kernel does not
 *                                     send that
 *   identity rights SERVICE N         N handshakes with 200 open descriptors attached to each request, then 20 bytes on each connection, each with
 *                                     one, then 64 KiB; prints how many were made, and goes on until its standard input ends
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RESPONSE_BYTES 12328
#define RIGHTS 200

static int dial(const char *service)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	strcpy(address.sun_path + 1, service);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? fd : -errno;
}

/* Sends bytes with a control message. */
static int send_with(int fd, const void *bytes, size_t length, int type, const void *extra, size_t extra_bytes)
{
	static char control[2048] __attribute__((aligned(8)));
	struct iovec part = { (void *)bytes, length };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	if (extra_bytes > 0) {
		struct cmsghdr *head = (struct cmsghdr *)control;
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = type;
		head->cmsg_len = CMSG_LEN(extra_bytes);
		memcpy(CMSG_DATA(head), extra, extra_bytes);
		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(extra_bytes);
	}
	return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static int response(int fd)
{
	static char bytes[RESPONSE_BYTES];
	int32_t status;
	for (size_t got = 0; got < sizeof(bytes);) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		ssize_t n = poll(&wait, 1, 10000) > 0 ? recv(fd, bytes + got, sizeof(bytes) - got, 0) : 0;
		if (n <= 0)
			return -EPIPE;
		got += (size_t)n;
	}
	memcpy(&status, bytes + 16, 4);
	return status;
}

static const uint32_t request[6] = { (uint32_t)-1, 0, 24, 0, 12328, 0 };

static int ask(const char *service, const struct ucred *as)
{
	for (int tries = 0; tries < 50; tries++, usleep(20000)) {
		int fd = dial(service);
		if (fd < 0)
			return printf("no socket %d\n", fd), 1;
		int sent = send_with(fd, request, sizeof(request), SCM_CREDENTIALS, as, as ? sizeof(*as) : 0);
		if (sent != 0)
			return printf("refused %d\n", -sent), 0;
		int status = response(fd);
		if (status != -EAGAIN)
			return printf("status %d\n", status), 0;
		close(fd);
	}
	return 1;
}

static int rights(const char *service, int count)
{
	static char much[65536];
	int descriptors[RIGHTS], made = 0;
	for (int i = 0; i < RIGHTS; i++)
		descriptors[i] = open("/dev/null", O_RDONLY);
	for (int i = 0; i < count; i++) {
		int fd = dial(service);
		if (fd < 0)
			continue;
		if (send_with(fd, request, sizeof(request), SCM_RIGHTS, descriptors, sizeof(descriptors)) == 0 && response(fd) == 0)
			made++;
		for (int byte = 0; byte < 20; byte++)
			send_with(fd, "x", 1, SCM_RIGHTS, descriptors, sizeof(descriptors[0]));
		send_with(fd, much, sizeof(much), 0, NULL, 0);
	}
	printf("made %d\n", made);
	fflush(stdout);
	while (read(0, much, 1) > 0)
		;
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit limit = { 4096, 4096 };
	setrlimit(RLIMIT_NOFILE, &limit);
	if (argc == 3 && strcmp(argv[1], "ask") == 0)
		return ask(argv[2], NULL);
	if (argc == 4 && strcmp(argv[1], "forge") == 0) {
		struct ucred as = { .pid = getpid(), .uid = (uid_t)atoi(argv[3]), .gid = (gid_t)atoi(argv[3]) };
		return ask(argv[2], &as);
	}
	if (argc == 4 && strcmp(argv[1], "rights") == 0)
		return rights(argv[2], atoi(argv[3]));
	return 2;
}
