/* A local user against the HTTP of metrics and page: scrape MODE PORT SECONDS.
 *   connect   connections without a word, closed at once
 *   request   requests for /metrics, as many as go
 *   drip      connections that send a byte now and then
 *   follow    followers of /events that never read
 * Prints how many were begun. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 256 };
static struct pollfd slots[SLOTS];
static double born[SLOTS];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int begin(int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  struct linger hard = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) {
    close(fd);
    return -1;
  }
  return fd;
}

static void end(int i) {
  close(slots[i].fd);
  slots[i].fd = -1;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  const char *mode = argv[1];
  int port = atoi(argv[2]), greedy = !strcmp(mode, "connect") || !strcmp(mode, "request");
  const char *path = !strcmp(mode, "follow") ? "/events" : "/metrics";
  char request[128];
  int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);
  double until = now() + atof(argv[3]);
  long begun = 0;
  for (int i = 0; i < SLOTS; i++) slots[i].fd = -1;
  while (now() < until) {
    for (int i = 0; i < SLOTS; i++) {
      if (slots[i].fd >= 0) continue;
      if ((slots[i].fd = begin(port)) < 0) break;
      slots[i].events = POLLOUT;
      born[i] = now();
      begun++;
    }
    poll(slots, SLOTS, greedy ? 1 : 50);
    for (int i = 0; i < SLOTS; i++) {
      if (slots[i].fd < 0) continue;
      char buffer[4096];
      if (slots[i].revents & (POLLERR | POLLHUP)) end(i);
      else if (slots[i].revents & POLLOUT) {
        if (!strcmp(mode, "connect")) { end(i); continue; }
        if (!strcmp(mode, "drip")) {
          if (send(slots[i].fd, "G", 1, MSG_NOSIGNAL) < 0) end(i);
          continue;
        }
        send(slots[i].fd, request, (size_t)length, MSG_NOSIGNAL);
        slots[i].events = !strcmp(mode, "follow") ? 0 : POLLIN;
      } else if (slots[i].revents & POLLIN) {
        if (recv(slots[i].fd, buffer, sizeof buffer, 0) <= 0) end(i);
      } else if (greedy && now() - born[i] > 1) end(i);
    }
  }
  printf("begun %ld\n", begun);
  return 0;
}
