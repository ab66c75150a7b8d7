// A connection ends and the same process comes again: what the second one is told. Each way prints how often which status came.
#include <corosync/cfg.h>
#include <corosync/cmap.h>
#include <corosync/cpg.h>
#include <corosync/quorum.h>
#include <corosync/votequorum.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STATUSES 64
static int statuses[STATUSES];
static const struct cpg_name group = {.length = 6, .value = "rejoin"};

static void must(const char *what, cs_error_t error) {
  if (error == CS_OK) return;
  printf("%s: %d\n", what, error);
  exit(1);
}

static void nothing(cpg_handle_t h, const struct cpg_name *g, const struct cpg_address *m, size_t mn, const struct cpg_address *l, size_t ln,
                    const struct cpg_address *j, size_t jn) {
  (void)h, (void)g, (void)m, (void)mn, (void)l, (void)ln, (void)j, (void)jn;
}
static cpg_callbacks_t callbacks = {.cpg_confchg_fn = nothing};

/** Joins, again while the own leave travels; what else came is counted. Returns CS_OK, or the status that is final. */
static cs_error_t join(cpg_handle_t h) {
  for (int i = 0; i < 20000; i++) {
    cs_error_t error = cpg_join(h, &group);
    if (error != CS_ERR_TRY_AGAIN) {
      statuses[error < STATUSES ? error : 0]++;
      return error;
    }
    usleep(50);
  }
  statuses[CS_ERR_TRY_AGAIN]++;
  return CS_ERR_TRY_AGAIN;
}

static void report(const char *way) {
  printf("%s:", way);
  for (int i = 0; i < STATUSES; i++)
    if (statuses[i] > 0) printf(" status %d x %d", i, statuses[i]);
  printf("\n");
}

/** Ends a connection as a process that dies does: nothing is said, the socket is closed. */
static void cut_fd(int fd) {
  int null = open("/dev/null", O_RDWR);
  dup2(null, fd);
  close(null);
}

static void cut(cpg_handle_t h) {
  int fd;
  must("cpg_fd_get", cpg_fd_get(h, &fd));
  cut_fd(fd);
}

static void confirm(cpg_handle_t h) {
  struct cpg_address members[CPG_MEMBERS_MAX];
  int count = 0;
  for (int i = 0; i < 20000 && count == 0; i++) {
    cpg_membership_get(h, (struct cpg_name *)&group, members, &count);
    if (count == 0) usleep(50);
  }
}

static cpg_handle_t joined(void) {
  cpg_handle_t h;
  must("cpg_initialize", cpg_initialize(&h, &callbacks));
  join(h);
  return h;
}

static void count_only(int argc, char **argv) {
  for (int i = 3; i < argc; i++) statuses[i - 3] = atoi(argv[i]);
}

/** Execs itself with what was counted. */
static void again(char **argv, const char *way, int left) {
  static char numbers[STATUSES][16], rounds[16];
  char *next[STATUSES + 4] = {argv[0], (char *)way, rounds};
  snprintf(rounds, sizeof rounds, "%d", left);
  for (int i = 0; i < STATUSES; i++) {
    snprintf(numbers[i], sizeof numbers[i], "%d", statuses[i]);
    next[3 + i] = numbers[i];
  }
  execv(argv[0], next);
  perror("execv");
  exit(1);
}

static votequorum_handle_t votes(void) {
  votequorum_handle_t h;
  votequorum_callbacks_t none = {0};
  must("votequorum_initialize", votequorum_initialize(&h, &none));
  return h;
}

static int device(votequorum_handle_t h) {
  cs_error_t error = votequorum_qdevice_register(h, "rejoin");
  for (int i = 0; i < 20000 && error == CS_ERR_TRY_AGAIN; i++) {
    usleep(50);
    error = votequorum_qdevice_register(h, "rejoin");
  }
  statuses[error]++;
  votequorum_trackstart(h, 0, CS_TRACK_CHANGES);
  return error;
}

static void changed(cmap_handle_t h, cmap_track_handle_t t, int32_t event, const char *key, struct cmap_notify_value n, struct cmap_notify_value o,
                    void *data) {
  (void)h, (void)t, (void)event, (void)key, (void)n, (void)o, (void)data;
}

/** Connects to a service, with trackers where it has them; returns the descriptor of the connection, or -1 when it says good-bye at once. */
static int connect_to(const char *service) {
  int fd = -1;
  if (strcmp(service, "cpg-finalize") == 0) {
    cpg_handle_t h;
    must(service, cpg_initialize(&h, &callbacks));
    cpg_finalize(h);
    return fd;
  }
  if (strcmp(service, "cpg-joined") == 0) {
    // In a group of its own name in each round, so that no leave is on its way.
    static int round = 0;
    struct cpg_name own = {.length = 0};
    cpg_handle_t h;
    own.length = snprintf(own.value, sizeof own.value, "gone-%d", round++);
    must(service, cpg_initialize(&h, &callbacks));
    cs_error_t error;
    while ((error = cpg_join(h, &own)) == CS_ERR_TRY_AGAIN) usleep(50);
    must(service, error);
    must(service, cpg_fd_get(h, &fd));
    return fd;
  }
  if (strcmp(service, "cmap") == 0) {
    cmap_handle_t h;
    cmap_track_handle_t tracker;
    must(service, cmap_initialize(&h));
    must(service, cmap_track_add(h, "totem.", CMAP_TRACK_ADD | CMAP_TRACK_DELETE | CMAP_TRACK_MODIFY | CMAP_TRACK_PREFIX, changed, NULL, &tracker));
    must(service, cmap_fd_get(h, &fd));
  } else if (strcmp(service, "cfg") == 0) {
    corosync_cfg_handle_t h;
    must(service, corosync_cfg_initialize(&h, NULL));
    must(service, corosync_cfg_trackstart(h, 0));
    must(service, corosync_cfg_fd_get(h, &fd));
  } else if (strcmp(service, "quorum") == 0) {
    quorum_handle_t h;
    quorum_callbacks_t none = {0};
    uint32_t type;
    must(service, quorum_initialize(&h, &none, &type));
    must(service, quorum_trackstart(h, CS_TRACK_CHANGES));
    must(service, quorum_fd_get(h, &fd));
  } else if (strcmp(service, "votequorum") == 0) {
    votequorum_handle_t h = votes();
    must(service, votequorum_trackstart(h, 0, CS_TRACK_CHANGES));
    must(service, votequorum_fd_get(h, &fd));
  } else {
    cpg_handle_t h;
    must(service, cpg_initialize(&h, &callbacks));
    must(service, cpg_fd_get(h, &fd));
  }
  return fd;
}

static uint64_t number(cmap_handle_t stats, const char *key) {
  uint64_t value = 0;
  must(key, cmap_get_uint64(stats, key, &value));
  return value;
}

/** Connections that have ended are counted as such before the next request of another one. Else the round counts as status 5. */
static void counted(const char *service, int rounds) {
  cmap_handle_t stats;
  must("cmap_initialize_map", cmap_initialize_map(&stats, CMAP_MAP_STATS));
  for (int i = 0; i < rounds; i++) {
    uint64_t active = number(stats, "stats.ipcs.global.active"), closed = number(stats, "stats.ipcs.global.closed");
    int fd = connect_to(service);
    if (fd >= 0) cut_fd(fd);
    int right = number(stats, "stats.ipcs.global.active") == active && number(stats, "stats.ipcs.global.closed") == closed + 1;
    statuses[right ? CS_OK : CS_ERR_TIMEOUT]++;
    for (int wait = 0; !right && wait < 1000 && number(stats, "stats.ipcs.global.active") != active; wait++) usleep(100);
  }
  cmap_finalize(stats);
}

static void asked(corosync_cfg_handle_t h, corosync_cfg_shutdown_flags_t flags) { (void)h, (void)flags; }

/** Who would be asked about a shutdown is gone: it is not waited for. A late answer counts as status 5. The daemon ends. */
static void shutdown_without_voter(void) {
  corosync_cfg_callbacks_t voter = {.corosync_cfg_shutdown_callback = asked};
  corosync_cfg_handle_t gone, asks;
  struct timespec before, after;
  int fd;
  must("cfg_initialize", corosync_cfg_initialize(&asks, NULL));
  must("cfg_initialize", corosync_cfg_initialize(&gone, &voter));
  must("cfg_trackstart", corosync_cfg_trackstart(gone, 0));
  must("cfg_fd_get", corosync_cfg_fd_get(gone, &fd));
  cut_fd(fd);
  clock_gettime(CLOCK_MONOTONIC, &before);
  cs_error_t error = corosync_cfg_try_shutdown(asks, COROSYNC_CFG_SHUTDOWN_FLAG_REQUEST);
  clock_gettime(CLOCK_MONOTONIC, &after);
  statuses[after.tv_sec - before.tv_sec > 3 ? CS_ERR_TIMEOUT : error]++;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  const char *way = argv[1];
  int rounds = atoi(argv[2]);
  setvbuf(stdout, NULL, _IOLBF, 0);
  count_only(argc, argv);
  if (strcmp(way, "exec") == 0 || strcmp(way, "exec-busy") == 0) {
    // Joins, sends something in the second way, and execs itself.
    cpg_handle_t h = joined();
    char text[1000] = {0};
    struct iovec iov = {text, sizeof text};
    for (int i = 0; way[4] != 0 && i < 50; i++) cpg_mcast_joined(h, CPG_TYPE_AGREED, &iov, 1);
    if (rounds > 1) again(argv, way, rounds - 1);
  } else if (strcmp(way, "exec-device") == 0) {
    device(votes());
    if (rounds > 1) again(argv, way, rounds - 1);
  } else if (strcmp(way, "device-old") == 0) {
    for (int i = 0; i < rounds; i++) {
      votequorum_handle_t b = votes(), a = votes();
      int fd;
      device(a);
      must("votequorum_fd_get", votequorum_fd_get(a, &fd));
      cut_fd(fd);
      device(b);
      must("votequorum_qdevice_unregister", votequorum_qdevice_unregister(b, "rejoin"));
      votequorum_finalize(b);
    }
  } else if (strncmp(way, "gone-", 5) == 0) {
    counted(way + 5, rounds);
  } else if (strcmp(way, "shutdown") == 0) {
    shutdown_without_voter();
  } else if (strcmp(way, "cut-new") == 0) {
    for (int i = 0; i < rounds; i++) cut(joined());
  } else if (strcmp(way, "cut-old") == 0) {
    // The second connection stood before the first one ended.
    for (int i = 0; i < rounds; i++) {
      cpg_handle_t a, b;
      must("cpg_initialize", cpg_initialize(&b, &callbacks));
      a = joined();
      cut(a);
      join(b);
      confirm(b);
      cpg_finalize(b);
    }
  } else if (strcmp(way, "finalize") == 0) {
    for (int i = 0; i < rounds; i++) cpg_finalize(joined());
  } else if (strcmp(way, "leave") == 0) {
    for (int i = 0; i < rounds; i++) {
      cpg_handle_t a = joined();
      while (cpg_leave(a, &group) == CS_ERR_BUSY) usleep(50);
      cut(a);
    }
  } else {
    return 2;
  }
  report(way);
  return 0;
}
