/*
 * Watches a daemon as a monitoring server and an open page do, at next to no cost of its own.
 *
 *   webwatch PORT PAGE       on 127.0.0.1: scrapes /metrics once a second; with PAGE it follows /events, too
 *
 * Prints "watching" when each has brought something, and one line at the end (SIGTERM): {"scrapes":…,"scrapedBytes":…,"pageBytes":…}
 */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t over;
static uint64_t scrapes;
static uint64_t scraped_bytes;
static uint64_t page_bytes;

static void on_term(int signal)
{
	(void)signal;
	over = 1;
}

static int ask(int port, const char *path)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	char text[128];
	int length = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 || write(fd, text, (size_t)length) != length) {
		perror(path);
		exit(1);
	}
	return fd;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	static char buffer[1 << 18];
	int port;
	struct pollfd on[2] = { { .fd = -1, .events = POLLIN }, { .fd = -1, .events = POLLIN } };
	struct sigaction action = { .sa_handler = on_term };
	int64_t next = now_ms();
	int said = 0;

	if (argc != 3)
		return 2;
	port = atoi(argv[1]);
	sigaction(SIGTERM, &action, NULL);
	if (atoi(argv[2]))
		on[1].fd = ask(port, "/events");
	while (!over) {
		int64_t wait = next - now_ms();

		if (on[0].fd < 0 && wait <= 0) {
			on[0].fd = ask(port, "/metrics");
			next += 1000;
			continue;
		}
		poll(on, 2, on[0].fd < 0 ? (int)wait : -1);
		for (int which = 0; which < 2; which++) {
			ssize_t got;

			if (on[which].fd < 0 || !on[which].revents)
				continue;
			on[which].revents = 0;
			got = read(on[which].fd, buffer, sizeof(buffer));
			if (got < 0)
				continue;
			if (which == 0) {
				scraped_bytes += (uint64_t)got;
				if (got == 0) {
					close(on[0].fd);
					on[0].fd = -1;
					scrapes++;
				}
			} else {
				page_bytes += (uint64_t)got;
				if (got == 0) {
					fprintf(stderr, "/events ended\n");
					return 1;
				}
			}
		}
		if (!said && scrapes > 0 && (on[1].fd < 0 || page_bytes > 0)) {
			said = 1;
			printf("watching\n");
			fflush(stdout);
		}
	}
	printf("{\"scrapes\":%llu,\"scrapedBytes\":%llu,\"pageBytes\":%llu}\n", (unsigned long long)scrapes,
	       (unsigned long long)scraped_bytes, (unsigned long long)page_bytes);
	return 0;
}
