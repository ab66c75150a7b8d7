/*
 * A client that does not keep to the rules of the shared memory.
 *
 *   hostile SERVICE WAY SEED
 *
 * Ways: garbage (random words over the request ring and its indices), header (over the whole header file), long (a chunk
 * longer than the ring), huge (a chunk of 2^32-1 bytes), short (a chunk shorter than a request header), half (dies in the
 * middle of a write), unposted (a committed chunk without its semaphore and byte), posts (semaphore and bytes without
 * chunks), ids (well-formed chunks with unknown ids), sizes (header sizes that lie), bytes (garbage on the setup
 * socket), handshake (garbage instead of the connection request), silent (connects and says nothing).
 * Prints "connected", then "cut" when the server has closed the connection within three seconds, else "open".
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <qb/qbipc_common.h>
#include <qb/qbipcc.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define COMMITTED 0xA1A1A1A1u
#define ALLOCATED 0xA110CED0u
#define SEMAPHORE_OFFSET 8208

static uint32_t *header;
static uint32_t *data;
static size_t data_size;
static int fd;

static void find_rings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[1024];
	while (fgets(line, sizeof(line), maps) != NULL) {
		unsigned long from, to;
		if (strstr(line, "request") == NULL || sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		if (strstr(line, "-header") != NULL && header == NULL)
			header = (uint32_t *)from;
		if (strstr(line, "-data") != NULL && data == NULL)
			data = (uint32_t *)from;
	}
	fclose(maps);
	if (header != NULL)
		data_size = (size_t)header[2] * 4;
}

static void post(int times)
{
	for (int i = 0; i < times; i++) {
		sem_post((sem_t *)((char *)header + SEMAPHORE_OFFSET));
		if (send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
			break;
	}
}

/* A chunk at the write index with the given length word and magic. */
static void chunk(uint32_t length, uint32_t magic, const void *payload, size_t payload_size)
{
	uint32_t words = header[2], at = header[0] % words;
	if (payload_size > 0)
		memcpy(data + at + 2, payload, payload_size);
	data[at] = length;
	data[at + 1] = magic;
	if (magic == COMMITTED)
		header[0] = (uint32_t)((at + 2 + ((uint64_t)length + 3) / 4) % words);
}

static void request(int32_t id, int32_t size, size_t really)
{
	char message[4096];
	memset(message, 'r', sizeof(message));
	memcpy(message, &id, 4);
	memcpy(message + 8, &size, 4);
	chunk((uint32_t)really, COMMITTED, message, really);
	post(1);
	usleep(2000);
}

static int raw_socket(const char *service)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	strcpy(address.sun_path + 1, service);
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(s, (struct sockaddr *)&address, sizeof(address)) != 0) {
		perror("connect");
		exit(2);
	}
	return s;
}

static void random_words(uint32_t *at, size_t bytes)
{
	for (size_t i = 0; i < bytes / 4; i++)
		at[i] = ((uint32_t)rand() << 16) ^ (uint32_t)rand();
}

static void misbehave(const char *way)
{
	if (strcmp(way, "garbage") == 0) {
		random_words(data, data_size);
		header[0] = (uint32_t)rand();
		header[1] = (uint32_t)rand();
		post(20);
	} else if (strcmp(way, "header") == 0) {
		random_words(header, SEMAPHORE_OFFSET);
		random_words(header + (SEMAPHORE_OFFSET + 32) / 4, 4);
		send(fd, "xxxxxxxx", 8, MSG_NOSIGNAL);
		post(3);
	} else if (strcmp(way, "long") == 0) {
		chunk(header[2] * 4 + 4096, COMMITTED, "", 0);
		post(1);
	} else if (strcmp(way, "huge") == 0) {
		chunk(0xffffffffu, COMMITTED, "", 0);
		post(1);
	} else if (strcmp(way, "short") == 0) {
		chunk(3, COMMITTED, "abc", 3);
		post(1);
	} else if (strcmp(way, "half") == 0) {
		chunk(0, ALLOCATED, "half a message", 14);
		_exit(0);
	} else if (strcmp(way, "unposted") == 0) {
		chunk(16, COMMITTED, "0123456789abcdef", 16);
	} else if (strcmp(way, "posts") == 0) {
		post(200);
	} else if (strcmp(way, "ids") == 0) {
		for (int32_t id = -3; id < 70; id++)
			request(id, 16, 16);
		request(0x7fffffff, 16, 16);
		request(INT32_MIN, 16, 16);
	} else if (strcmp(way, "sizes") == 0) {
		for (int32_t id = 0; id < 15; id++) {
			request(id, 1000000, 24);
			request(id, -5, 24);
			request(id, 4000, 4000);
		}
	} else if (strcmp(way, "bytes") == 0) {
		char noise[500];
		random_words((uint32_t *)noise, sizeof(noise));
		send(fd, noise, sizeof(noise), MSG_NOSIGNAL);
	}
}

static int closed_within(int s, int ms)
{
	for (int waited = 0; waited < ms; waited += 50) {
		struct pollfd p = { s, POLLIN, 0 };
		poll(&p, 1, 50);
		char c[256];
		if (p.revents & (POLLHUP | POLLERR))
			return 1;
		if ((p.revents & POLLIN) && recv(s, c, sizeof(c), MSG_DONTWAIT) == 0)
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	srand((unsigned)atoi(argv[3]));
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (strcmp(argv[2], "handshake") == 0 || strcmp(argv[2], "silent") == 0) {
		int s = raw_socket(argv[1]);
		printf("connected\n");
		if (argv[2][0] == 'h') {
			char noise[3000];
			random_words((uint32_t *)noise, sizeof(noise));
			send(s, noise, 1 + (size_t)(rand() % 2999), MSG_NOSIGNAL);
		}
		printf("%s\n", closed_within(s, 3000) ? "cut" : "open");
		return 0;
	}
	qb_ipcc_connection_t *connection = qb_ipcc_connect(argv[1], 1024 * 1024);
	if (connection == NULL) {
		perror("qb_ipcc_connect");
		return 2;
	}
	qb_ipcc_fd_get(connection, &fd);
	find_rings();
	if (header == NULL || data == NULL)
		return 2;
	printf("connected\n");
	misbehave(argv[2]);
	printf("%s\n", closed_within(fd, 3000) ? "cut" : "open");
	return 0;
}
