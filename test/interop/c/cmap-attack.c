/* What a granted user may try on the map, each attack with one line for what it got. */
#include <corosync/cmap.h>
#include <qb/qbipc_common.h>
#include <qb/qbipcc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static cmap_handle_t handle;
static char value[16384];
static unsigned long events;

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void on_change(cmap_handle_t h, cmap_track_handle_t track, int32_t event, const char *key,
		      struct cmap_notify_value now, struct cmap_notify_value before, void *data)
{
	(void)h, (void)track, (void)event, (void)now, (void)before, (void)data;
	events++;
	if (strcmp(key, "totem.key") == 0)
		printf("event of %s\n", key);
}

struct track_add {
	struct qb_ipc_request_header header __attribute__((aligned(8)));
	uint16_t length __attribute__((aligned(8)));
	char key[256] __attribute__((aligned(8)));
	int32_t type __attribute__((aligned(8)));
	uint64_t cookie __attribute__((aligned(8)));
} __attribute__((aligned(8)));

struct set_u32 {
	struct qb_ipc_request_header header __attribute__((aligned(8)));
	uint16_t length __attribute__((aligned(8)));
	char key[256] __attribute__((aligned(8)));
	uint64_t bytes __attribute__((aligned(8)));
	uint8_t type __attribute__((aligned(8)));
	uint32_t value __attribute__((aligned(8)));
} __attribute__((aligned(8)));

static char answer[1 << 20];

static int call(qb_ipcc_connection_t *connection, struct qb_ipc_request_header *request)
{
	struct iovec iov = { request, (size_t)request->size };
	ssize_t got = qb_ipcc_sendv_recv(connection, &iov, 1, answer, sizeof(answer), 30000);
	return got < 0 ? (int)got : ((struct qb_ipc_response_header *)answer)->error;
}

/*
 * Every tracker on one key, or each on its own; then the key changes. Not through libcmap: its own table of trackers is quadratic, so the client would be
 * slower than the daemon.
 */
static void track(long count, const char *pattern)
{
	qb_ipcc_connection_t *connection = qb_ipcc_connect("cmap", sizeof(answer));
	struct track_add add = { .header = { .id = 7, .size = sizeof(add) }, .type = CMAP_TRACK_ADD | CMAP_TRACK_MODIFY };
	struct set_u32 set = { .header = { .id = 0, .size = sizeof(set) }, .bytes = 4, .type = CMAP_VALUETYPE_UINT32 };
	long held = 0;
	int status = CS_OK;
	for (; held < count; held++) {
		add.length = (uint16_t)snprintf(add.key, sizeof(add.key), pattern, held);
		add.cookie = (uint64_t)held;
		status = call(connection, &add.header);
		if (status != CS_OK)
			break;
	}
	double fastest = 1e9;
	set.length = (uint16_t)snprintf(set.key, sizeof(set.key), pattern, 0L);
	long expected = 0;
	for (set.value = 1; set.value <= 3; set.value++) {
		double start = now_ms();
		int error = call(connection, &set.header);
		double took = now_ms() - start;
		fastest = took < fastest ? took : fastest;
		if (error != CS_OK)
			printf("set %d ", error);
		expected += strcmp(pattern, "attack.one") == 0 ? held : 1;
	}
	while (events < (unsigned long)expected && qb_ipcc_event_recv(connection, answer, sizeof(answer), 2000) > 0)
		events++;
	printf("held %ld status %d fastest %.1f events %lu\n", held, status, fastest, events);
	qb_ipcc_disconnect(connection);
}

static void iterate(long count)
{
	cmap_iter_handle_t iterator;
	long held = 0;
	int status = CS_OK;
	for (; held < count && status == CS_OK; held++)
		status = cmap_iter_init(handle, "totem.", &iterator);
	printf("held %ld status %d\n", status == CS_OK ? held : held - 1, status);
}

static void keys(long count, size_t bytes)
{
	char key[64];
	long held = 0;
	int status = CS_OK;
	memset(value, 1, sizeof(value));
	for (; held < count && status == CS_OK; held++) {
		snprintf(key, sizeof(key), "attack.%zu.%ld", bytes, held);
		status = cmap_set(handle, key, value, bytes, CMAP_VALUETYPE_BINARY);
	}
	printf("held %ld status %d\n", status == CS_OK ? held : held - 1, status);
}

static void erase(void)
{
	cmap_iter_handle_t iterator;
	char key[CMAP_KEYNAME_MAXLEN + 1];
	long erased = 0;
	for (;;) {
		cmap_iter_init(handle, "attack.", &iterator);
		int status = cmap_iter_next(handle, iterator, key, NULL, NULL);
		cmap_iter_finalize(handle, iterator);
		if (status != CS_OK || cmap_delete(handle, key) != CS_OK)
			break;
		erased++;
	}
	printf("erased %ld\n", erased);
}

static void set_strings(int count, char **list)
{
	for (int i = 0; i < count; i++)
		printf("%s %d\n", list[i], cmap_set_string(handle, list[i], "/tmp/attack"));
}

static void get_values(int count, char **list)
{
	for (int i = 0; i < count; i++) {
		size_t length = sizeof(value);
		cmap_value_types_t type;
		int status = cmap_get(handle, list[i], value, &length, &type);
		printf("%s %d %s\n", list[i], status, status == CS_OK && type == CMAP_VALUETYPE_STRING ? value : "-");
	}
}

/* Lists, and then waits for a change that root makes. */
static void read_all(void)
{
	cmap_iter_handle_t iterator;
	char key[CMAP_KEYNAME_MAXLEN + 1];
	cmap_track_handle_t tracker;
	int fd;
	cmap_track_add(handle, "totem.key", CMAP_TRACK_ADD | CMAP_TRACK_DELETE | CMAP_TRACK_MODIFY, on_change, NULL, &tracker);
	cmap_track_add(handle, NULL, CMAP_TRACK_ADD | CMAP_TRACK_DELETE | CMAP_TRACK_MODIFY | CMAP_TRACK_PREFIX,
		       on_change, NULL, &tracker);
	cmap_iter_init(handle, "totem.k", &iterator);
	while (cmap_iter_next(handle, iterator, key, NULL, NULL) == CS_OK)
		printf("listed %s\n", key);
	printf("waiting\n");
	fflush(stdout);
	cmap_fd_get(handle, &fd);
	events = 0;
	while (events == 0)
		cmap_dispatch(handle, CS_DISPATCH_ONE);
	printf("an event came\n");
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	const char *what = argv[1];
	int error = cmap_initialize_map(&handle, strncmp(what, "stats-", 6) == 0 ? CMAP_MAP_STATS : CMAP_MAP_ICMAP);
	if (error != CS_OK) {
		printf("no connection %d\n", error);
		return 1;
	}
	long count = argc > 2 ? atol(argv[2]) : 0;
	if (strcmp(what, "track") == 0)
		track(count, "attack.one");
	else if (strcmp(what, "track-each") == 0)
		track(count, "attack.%ld");
	else if (strcmp(what, "iterate") == 0)
		iterate(count);
	else if (strcmp(what, "keys") == 0)
		keys(count, (size_t)atol(argv[3]));
	else if (strcmp(what, "erase") == 0)
		erase();
	else if (strcmp(what, "set") == 0)
		set_strings(argc - 2, argv + 2);
	else if (strcmp(what, "get") == 0 || strcmp(what, "stats-get") == 0)
		get_values(argc - 2, argv + 2);
	else if (strcmp(what, "read") == 0)
		read_all();
	else
		return 2;
	cmap_finalize(handle);
	return 0;
}
