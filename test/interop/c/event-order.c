// What a client sees in which order: a request causes an event, its answer is there, and the event is dispatched without waiting. Each line says
// how often the event was there, and how often its byte was on the connection's descriptor.
#include <corosync/cfg.h>
#include <corosync/cmap.h>
#include <corosync/cpg.h>
#include <corosync/quorum.h>
#include <corosync/votequorum.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int rounds;
/** Rounds of what takes milliseconds each. */
static int slow_rounds;
static int events;

static int readable(int fd) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  return poll(&p, 1, 0) == 1;
}

struct count {
  int seen, ready;
};

static void show_of(const char *name, struct count c, int of) {
  printf("%s: event %d ready %d of %d\n", name, c.seen, c.ready, of);
}
static void show(const char *name, struct count c) { show_of(name, c, rounds); }

static void must(const char *what, cs_error_t error) {
  if (error == CS_OK) return;
  printf("%s: %d\n", what, error);
  exit(1);
}

// ---- cmap ----

static void cmap_event(cmap_handle_t h, cmap_track_handle_t t, int32_t event, const char *key, struct cmap_notify_value n,
                       struct cmap_notify_value o, void *data) {
  (void)h, (void)t, (void)event, (void)key, (void)n, (void)o, (void)data;
  events++;
}

enum how { MODIFY, ADD_DELETE, ADJUST };

/** Sets through one handle, hears through another (or the same). */
static void cmap_case(const char *name, int same, int32_t mask, const char *track, enum how how) {
  cmap_handle_t hears, sets;
  cmap_track_handle_t tracker;
  int fd;
  struct count c = {0};
  must("cmap_initialize", cmap_initialize(&hears));
  sets = hears;
  if (!same) must("cmap_initialize", cmap_initialize(&sets));
  must("cmap_fd_get", cmap_fd_get(hears, &fd));
  must("set", cmap_set_uint32(sets, "order.key", 0));
  must("track", cmap_track_add(hears, track, mask, cmap_event, NULL, &tracker));
  for (int i = 1; i <= rounds; i++) {
    events = 0;
    if (how == MODIFY) must("set", cmap_set_uint32(sets, "order.key", i));
    else if (how == ADJUST) must("inc", cmap_inc(sets, "order.key"));
    else if (i % 2) must("delete", cmap_delete(sets, "order.key"));
    else must("set", cmap_set_uint32(sets, "order.key", i));
    c.ready += readable(fd);
    cmap_dispatch(hears, CS_DISPATCH_ALL);
    c.seen += events == 1;
    while (events == 0) cmap_dispatch(hears, CS_DISPATCH_ONE);
  }
  if (!same) cmap_finalize(sets);
  cmap_finalize(hears);
  show(name, c);
}

/** A connection appears in the statistics before its first answer. */
static void stats_case(void) {
  cmap_handle_t hears;
  cmap_track_handle_t tracker;
  int fd;
  struct count c = {0}, d = {0};
  must("cmap_initialize_map", cmap_initialize_map(&hears, CMAP_MAP_STATS));
  must("cmap_fd_get", cmap_fd_get(hears, &fd));
  must("track", cmap_track_add(hears, "stats.ipcs.", CMAP_TRACK_ADD | CMAP_TRACK_DELETE | CMAP_TRACK_PREFIX, cmap_event, NULL, &tracker));
  for (int i = 0; i < slow_rounds; i++) {
    quorum_handle_t q;
    quorum_callbacks_t none = {0};
    uint32_t type;
    int quorate;
    cpg_handle_t g;
    unsigned int nodeid;
    usleep(1000);
    cmap_dispatch(hears, CS_DISPATCH_ALL);
    events = 0;
    must("quorum_initialize", quorum_initialize(&q, &none, &type));
    must("quorum_getquorate", quorum_getquorate(q, &quorate));
    c.ready += readable(fd);
    cmap_dispatch(hears, CS_DISPATCH_ALL);
    c.seen += events > 0;
    quorum_finalize(q);
    usleep(1000);
    cmap_dispatch(hears, CS_DISPATCH_ALL);
    events = 0;
    must("cpg_initialize", cpg_initialize(&g, NULL));
    must("cpg_local_get", cpg_local_get(g, &nodeid));
    d.ready += readable(fd);
    cmap_dispatch(hears, CS_DISPATCH_ALL);
    d.seen += events > 0;
    cpg_finalize(g);
  }
  cmap_finalize(hears);
  show_of("stats of a new quorum connection", c, slow_rounds);
  show_of("stats of a new cpg connection", d, slow_rounds);
}

// ---- quorum ----

static void quorum_event(quorum_handle_t h, uint32_t quorate, uint64_t seq, uint32_t n, uint32_t *list) {
  (void)h, (void)quorate, (void)seq, (void)n, (void)list;
  events++;
}
static void quorum1_event(quorum_handle_t h, uint32_t quorate, struct quorum_ring_id id, uint32_t n, const uint32_t *list) {
  (void)h, (void)quorate, (void)id, (void)n, (void)list;
  events++;
}
static void nodelist_event(quorum_handle_t h, struct quorum_ring_id id, uint32_t n, const uint32_t *m, uint32_t j, const uint32_t *jl, uint32_t l,
                           const uint32_t *ll) {
  (void)h, (void)id, (void)n, (void)m, (void)j, (void)jl, (void)l, (void)ll;
  events++;
}

static void quorum_case(const char *name, int model, int flags, int expected) {
  quorum_handle_t h;
  uint32_t type;
  int fd;
  struct count c = {0};
  if (model == 0) {
    quorum_callbacks_t callbacks = {.quorum_notify_fn = quorum_event};
    must("quorum_initialize", quorum_initialize(&h, &callbacks, &type));
  } else {
    quorum_model_v1_data_t data = {.quorum_notify_fn = quorum1_event, .nodelist_notify_fn = nodelist_event};
    must("quorum_model_initialize", quorum_model_initialize(&h, QUORUM_MODEL_V1, (quorum_model_data_t *)&data, &type, NULL));
  }
  must("quorum_fd_get", quorum_fd_get(h, &fd));
  for (int i = 0; i < rounds; i++) {
    events = 0;
    must("quorum_trackstart", quorum_trackstart(h, flags));
    c.ready += readable(fd);
    quorum_dispatch(h, CS_DISPATCH_ALL);
    c.seen += events == expected;
    while (events < expected) quorum_dispatch(h, CS_DISPATCH_ONE);
    must("quorum_trackstop", quorum_trackstop(h));
  }
  quorum_finalize(h);
  show(name, c);
}

// ---- votequorum ----

static void vq_event(votequorum_handle_t h, uint64_t context, uint32_t quorate, uint32_t n, votequorum_node_t list[]) {
  (void)h, (void)context, (void)quorate, (void)n, (void)list;
  events++;
}
static void vq_expected(votequorum_handle_t h, uint64_t context, uint32_t expected) {
  (void)h, (void)context, (void)expected;
  events++;
}
static void vq_nodes(votequorum_handle_t h, uint64_t context, votequorum_ring_id_t id, uint32_t n, uint32_t list[]) {
  (void)h, (void)context, (void)id, (void)n, (void)list;
  events++;
}

static void votequorum_case(const char *name, int flags, int expected) {
  votequorum_handle_t h;
  votequorum_callbacks_t callbacks = {vq_event, vq_expected, vq_nodes};
  int fd;
  struct count c = {0};
  must("votequorum_initialize", votequorum_initialize(&h, &callbacks));
  must("votequorum_fd_get", votequorum_fd_get(h, &fd));
  for (int i = 0; i < rounds; i++) {
    events = 0;
    must("votequorum_trackstart", votequorum_trackstart(h, 7, flags));
    c.ready += readable(fd);
    votequorum_dispatch(h, CS_DISPATCH_ALL);
    c.seen += events == expected;
    for (int wait = 0; events < expected && wait < 1000; wait++) {
      usleep(100);
      votequorum_dispatch(h, CS_DISPATCH_ALL);
    }
    votequorum_trackstop(h); // NOT_EXIST without CHANGES
  }
  votequorum_finalize(h);
  show(name, c);
}

static cs_error_t change(votequorum_handle_t h, const char *what, int i) {
  if (what[0] == 'e') return votequorum_setexpected(h, 1);
  if (what[0] == 'v') return votequorum_setvotes(h, 1, 1);
  return i % 2 ? votequorum_qdevice_unregister(h, "order") : votequorum_qdevice_register(h, "order");
}

/** Orders that travel round the ring: what is there after their answer. Also with one more connection that hears. */
static void change_case(const char *name, const char *what) {
  votequorum_handle_t h, other;
  votequorum_callbacks_t callbacks = {vq_event, vq_expected, vq_nodes};
  int fd;
  struct count c = {0};
  must("votequorum_initialize", votequorum_initialize(&h, &callbacks));
  must("votequorum_initialize", votequorum_initialize(&other, &callbacks));
  must("votequorum_fd_get", votequorum_fd_get(other, &fd));
  must("votequorum_trackstart", votequorum_trackstart(other, 7, CS_TRACK_CHANGES));
  for (int i = 0; i < slow_rounds; i++) {
    usleep(2000);
    votequorum_dispatch(other, CS_DISPATCH_ALL);
    events = 0;
    must(what, change(h, what, i));
    c.ready += readable(fd);
    votequorum_dispatch(other, CS_DISPATCH_ALL);
    c.seen += events > 0;
  }
  votequorum_finalize(h);
  votequorum_finalize(other);
  show_of(name, c, slow_rounds);
}

// ---- cfg ----

/** The keys of a reload, heard after its answer. */
static void reload_case(void) {
  cmap_handle_t hears;
  cmap_track_handle_t tracker;
  corosync_cfg_handle_t cfg;
  int fd, reloads = rounds > 10 ? 10 : rounds;
  struct count c = {0};
  must("cmap_initialize", cmap_initialize(&hears));
  must("cmap_fd_get", cmap_fd_get(hears, &fd));
  must("track", cmap_track_add(hears, "config.reload_in_progress", CMAP_TRACK_ADD | CMAP_TRACK_MODIFY, cmap_event, NULL, &tracker));
  must("cfg_initialize", corosync_cfg_initialize(&cfg, NULL));
  for (int i = 0; i < reloads; i++) {
    events = 0;
    must("reload", corosync_cfg_reload_config(cfg));
    c.ready += readable(fd);
    cmap_dispatch(hears, CS_DISPATCH_ALL);
    c.seen += events >= 2;
    usleep(20000);
    cmap_dispatch(hears, CS_DISPATCH_ALL);
  }
  corosync_cfg_finalize(cfg);
  cmap_finalize(hears);
  show_of("reload", c, reloads);
}

static void shutdown_event(corosync_cfg_handle_t h, corosync_cfg_shutdown_flags_t flags) {
  (void)h, (void)flags;
  events++;
}

/** Who is asked about a shutdown, and says nothing, has been asked before the one who wants it hears no. */
static void shutdown_case(void) {
  corosync_cfg_callbacks_t callbacks = {.corosync_cfg_shutdown_callback = shutdown_event};
  corosync_cfg_handle_t asked, asks;
  cmap_handle_t map;
  int fd, shutdowns = rounds > 10 ? 10 : rounds;
  struct count c = {0};
  must("cmap_initialize", cmap_initialize(&map));
  must("timeout", cmap_set_uint32(map, "cfg.shutdown_timeout", 50));
  must("cfg_initialize", corosync_cfg_initialize(&asked, &callbacks));
  must("cfg_initialize", corosync_cfg_initialize(&asks, NULL));
  must("cfg_fd_get", corosync_cfg_fd_get(asked, &fd));
  must("cfg_trackstart", corosync_cfg_trackstart(asked, 0));
  for (int i = 0; i < shutdowns; i++) {
    events = 0;
    if (corosync_cfg_try_shutdown(asks, COROSYNC_CFG_SHUTDOWN_FLAG_REQUEST) != CS_ERR_BUSY) exit(2);
    c.ready += readable(fd);
    corosync_cfg_dispatch(asked, CS_DISPATCH_ALL);
    c.seen += events == 1;
  }
  corosync_cfg_finalize(asked);
  corosync_cfg_finalize(asks);
  cmap_finalize(map);
  show_of("shutdown refused by silence", c, shutdowns);
}

// ---- cpg ----

static int confchgs;
static void confchg(cpg_handle_t h, const struct cpg_name *g, const struct cpg_address *m, size_t mn, const struct cpg_address *l, size_t ln,
                    const struct cpg_address *j, size_t jn) {
  (void)h, (void)g, (void)m, (void)mn, (void)l, (void)ln, (void)j, (void)jn;
  confchgs++;
}

/** What came round the ring before the answer of a later request is there after that answer. */
static void cpg_case(void) {
  cpg_callbacks_t callbacks = {.cpg_confchg_fn = confchg};
  struct cpg_name group = {.length = 5, .value = "order"};
  struct count c = {0}, d = {0};
  for (int i = 0; i < slow_rounds; i++) {
    cpg_handle_t h;
    int fd, size;
    struct cpg_address members[CPG_MEMBERS_MAX];
    must("cpg_initialize", cpg_initialize(&h, &callbacks));
    must("cpg_fd_get", cpg_fd_get(h, &fd));
    confchgs = 0;
    must("cpg_join", cpg_join(h, &group));
    d.ready += readable(fd);
    cpg_dispatch(h, CS_DISPATCH_ALL);
    d.seen += confchgs == 1;
    do must("cpg_membership_get", cpg_membership_get(h, &group, members, &size));
    while (size == 0);
    c.ready += readable(fd) || confchgs == 1;
    cpg_dispatch(h, CS_DISPATCH_ALL);
    c.seen += confchgs == 1;
    must("cpg_leave", cpg_leave(h, &group));
    while (confchgs < 2) cpg_dispatch(h, CS_DISPATCH_ONE);
    cpg_finalize(h);
  }
  show_of("cpg join that membership_get shows", c, slow_rounds);
  show_of("cpg join", d, slow_rounds);
}

int main(int argc, char **argv) {
  rounds = argc > 1 ? atoi(argv[1]) : 500;
  slow_rounds = rounds > 50 ? 50 : rounds;
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc > 2) {
    change_case("votequorum qdevice register", "device");
    return 0;
  }
  const int all = CMAP_TRACK_ADD | CMAP_TRACK_DELETE | CMAP_TRACK_MODIFY;
  cmap_case("cmap own key modified", 1, all, "order.key", MODIFY);
  cmap_case("cmap own key added and deleted", 1, all, "order.key", ADD_DELETE);
  cmap_case("cmap own prefix", 1, all | CMAP_TRACK_PREFIX, "order.", MODIFY);
  cmap_case("cmap own key incremented", 1, all, "order.key", ADJUST);
  cmap_case("cmap other connection", 0, all, "order.key", MODIFY);
  cmap_case("cmap other connection added and deleted", 0, all | CMAP_TRACK_PREFIX, "order.", ADD_DELETE);
  stats_case();
  quorum_case("quorum current", 0, CS_TRACK_CURRENT, 1);
  quorum_case("quorum changes", 0, CS_TRACK_CHANGES, 1);
  quorum_case("quorum model 1 current", 1, CS_TRACK_CURRENT, 2);
  quorum_case("quorum model 1 changes", 1, CS_TRACK_CURRENT | CS_TRACK_CHANGES, 2);
  votequorum_case("votequorum current", CS_TRACK_CURRENT, 2);
  votequorum_case("votequorum changes", CS_TRACK_CHANGES | CS_TRACK_CURRENT, 2);
  change_case("votequorum setexpected", "expected");
  change_case("votequorum setvotes", "votes");
  reload_case();
  shutdown_case();
  cpg_case();
  return 0;
}
