/* Whoever reaches an arbiter's port: hello PORT SECONDS FILE FROM...
 * Connects from each of the addresses, again and again, sends what is in FILE (the begin of a conversation with the first
 * message of a TLS handshake at its end), waits until the handshake's response has come, and goes without a word.
 * Prints how many connections were made, and how many responses came. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 128, RESPONSE_BYTES = 700 };
static struct pollfd slots[SLOTS];
static long got[SLOTS];
static double born[SLOTS];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int begin(int port, const char *from) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  struct sockaddr_in own = {.sin_family = AF_INET};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (inet_pton(AF_INET, from, &own.sin_addr) != 1) exit(2);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  struct linger hard = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  if (bind(fd, (struct sockaddr *)&own, sizeof own) < 0 ||
      (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)) {
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
  if (argc < 5) return 2;
  int port = atoi(argv[1]), file = open(argv[3], O_RDONLY), next = 0;
  static char hello[8192], buffer[8192];
  ssize_t length = read(file, hello, sizeof hello);
  if (length <= 0) return 2;
  long made = 0, responses = 0;
  double until = now() + atof(argv[2]);
  for (int i = 0; i < SLOTS; i++) slots[i].fd = -1;
  while (now() < until) {
    for (int i = 0; i < SLOTS; i++) {
      if (slots[i].fd >= 0) continue;
      if ((slots[i].fd = begin(port, argv[4 + next++ % (argc - 4)])) < 0) break;
      slots[i].events = POLLOUT;
      born[i] = now();
      got[i] = 0;
      made++;
    }
    poll(slots, SLOTS, 20);
    for (int i = 0; i < SLOTS; i++) {
      if (slots[i].fd < 0) continue;
      if (slots[i].revents & POLLOUT) {
        if (send(slots[i].fd, hello, (size_t)length, MSG_NOSIGNAL) < 0) end(i);
        else slots[i].events = POLLIN;
      } else if (slots[i].revents) {
        ssize_t more = recv(slots[i].fd, buffer, sizeof buffer, 0);
        if (more > 0) got[i] += more;
        if (more > 0 && got[i] >= RESPONSE_BYTES) responses++;
        if (more <= 0 || got[i] >= RESPONSE_BYTES) end(i);
      } else if (now() - born[i] > 5) end(i);
    }
  }
  printf("made %ld responses %ld\n", made, responses);
  return 0;
}
