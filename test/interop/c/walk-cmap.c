/* Walks through libcmap and prints what every call answers; the same text is expected from every daemon. */
#include <corosync/cmap.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static cmap_handle_t handle;

#define SHOW(call) printf("%s = %d\n", #call, call)

static void put_value(int type, size_t len, const void *data)
{
	printf(" type %d length %zu", type, len);
	const unsigned char *bytes = data;
	for (size_t i = 0; i < len && i < 24; i++)
		printf("%s%02x", i == 0 ? " " : "", bytes[i]);
}

static void show_get(const char *key)
{
	static char value[100000];
	size_t len = sizeof(value);
	cmap_value_types_t type = 0;
	cs_error_t error = cmap_get(handle, key, value, &len, &type);
	printf("get %s = %d", key, error);
	if (error == CS_OK)
		put_value((int)type, len, value);
	printf("\n");
}

static void on_change(cmap_handle_t h, cmap_track_handle_t track, int32_t event, const char *key,
		      struct cmap_notify_value now, struct cmap_notify_value before, void *data)
{
	(void)h;
	(void)track;
	printf("  event %s %d %s", (const char *)data, event, key);
	put_value((int)now.type, now.len, now.data);
	printf(" before");
	put_value((int)before.type, before.len, before.data);
	printf("\n");
}

static void events(void)
{
	int fd;
	cmap_fd_get(handle, &fd);
	struct pollfd p = { fd, POLLIN, 0 };
	while (poll(&p, 1, 300) > 0)
		if (cmap_dispatch(handle, CS_DISPATCH_ALL) != CS_OK)
			break;
}

static void numbers(void)
{
	SHOW(cmap_set_int8(handle, "walk.i8", -128));
	SHOW(cmap_set_uint8(handle, "walk.u8", 255));
	SHOW(cmap_set_int16(handle, "walk.i16", -32768));
	SHOW(cmap_set_uint16(handle, "walk.u16", 65535));
	SHOW(cmap_set_int32(handle, "walk.i32", INT32_MIN));
	SHOW(cmap_set_uint32(handle, "walk.u32", UINT32_MAX));
	SHOW(cmap_set_int64(handle, "walk.i64", INT64_MIN));
	SHOW(cmap_set_uint64(handle, "walk.u64", UINT64_MAX));
	SHOW(cmap_set_float(handle, "walk.flt", 1.25f));
	SHOW(cmap_set_double(handle, "walk.dbl", -2.5e300));
	SHOW(cmap_set_string(handle, "walk.str", "a string"));
	SHOW(cmap_set_string(handle, "walk.empty", ""));
	SHOW(cmap_set(handle, "walk.bin", "\0\1\2\377", 4, CMAP_VALUETYPE_BINARY));
	const char *keys[] = { "walk.i8",  "walk.u8",  "walk.i16", "walk.u16", "walk.i32", "walk.u32", "walk.i64",
			       "walk.u64", "walk.flt", "walk.dbl", "walk.str", "walk.empty", "walk.bin", "walk.none" };
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		show_get(keys[i]);
		printf("inc %d", cmap_inc(handle, keys[i]));
		printf(" dec %d", cmap_dec(handle, keys[i]));
		printf(" dec %d\n", cmap_dec(handle, keys[i]));
		show_get(keys[i]);
	}
	int8_t i8;
	uint32_t u32;
	char *string = NULL;
	SHOW(cmap_get_int8(handle, "walk.u8", &i8));
	SHOW(cmap_get_uint32(handle, "walk.str", &u32));
	SHOW(cmap_get_string(handle, "walk.u32", &string));
	SHOW(cmap_get_string(handle, "walk.str", &string));
	printf("%s\n", string);
}

static void odd_values(void)
{
	static char big[70000];
	memset(big, 'x', sizeof(big));
	SHOW(cmap_set(handle, "walk.bin", big, 0, CMAP_VALUETYPE_BINARY));
	SHOW(cmap_set(handle, "walk.bin", big, 65535, CMAP_VALUETYPE_BINARY));
	show_get("walk.bin");
	SHOW(cmap_set(handle, "walk.bin", big, 65536, CMAP_VALUETYPE_BINARY));
	SHOW(cmap_set(handle, "walk.bin", big, 70000, CMAP_VALUETYPE_BINARY));
	show_get("walk.bin");
	SHOW(cmap_set(handle, "walk.short", big, 2, CMAP_VALUETYPE_UINT32));
	SHOW(cmap_set(handle, "walk.long", big, 8, CMAP_VALUETYPE_UINT32));
	SHOW(cmap_set(handle, "walk.type", big, 4, 0));
	SHOW(cmap_set(handle, "walk.type", big, 4, 13));
	SHOW(cmap_set(handle, "walk.str", "abc\0def", 7, CMAP_VALUETYPE_STRING));
	show_get("walk.str");
	size_t len = 2;
	char little[2];
	cmap_value_types_t type;
	SHOW(cmap_get(handle, "walk.u32", little, &len, &type));
	SHOW(cmap_get(handle, "walk.u32", NULL, NULL, NULL));
	len = 0;
	SHOW(cmap_get(handle, "walk.u32", NULL, &len, &type));
	printf("length %zu type %d\n", len, (int)type);
}

static void odd_keys(void)
{
	char key[300];
	for (size_t length = 252; length <= 257; length++) {
		memset(key, 'k', sizeof(key));
		key[length] = 0;
		printf("key of %zu: set %d delete %d\n", length, cmap_set_uint8(handle, key, 1), cmap_delete(handle, key));
	}
	const char *keys[] = { "", "a", "ab", "abc", "a b c", "a.b:c-d_e/f", "a+b", "\303\244bc", "x.\n" };
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		printf("key %zu: set %d delete %d\n", i, cmap_set_uint8(handle, keys[i], 1), cmap_delete(handle, keys[i]));
	SHOW(cmap_set_uint32(handle, "totem.version", 3));
	SHOW(cmap_delete(handle, "totem.version"));
	SHOW(cmap_inc(handle, "totem.version"));
	SHOW(cmap_set_string(handle, "runtime.config.totem.nothing", "x"));
	SHOW(cmap_delete(handle, "runtime.services.cmap.service_id"));
	SHOW(cmap_set_string(handle, "nodelist.node.0.name", "x"));
	SHOW(cmap_set_uint8(handle, "uidgid.config.uid.77", 1));
	SHOW(cmap_set_uint8(handle, "uidgid.uid.77", 1));
	SHOW(cmap_delete(handle, "uidgid.uid.77"));
}

static void tracking(void)
{
	cmap_track_handle_t key, prefix, all, bad;
	SHOW(cmap_track_add(handle, "track.one", CMAP_TRACK_ADD | CMAP_TRACK_MODIFY | CMAP_TRACK_DELETE, on_change, "key", &key));
	SHOW(cmap_track_add(handle, "track.", CMAP_TRACK_ADD | CMAP_TRACK_PREFIX, on_change, "adds", &prefix));
	SHOW(cmap_track_add(handle, "track.", CMAP_TRACK_DELETE | CMAP_TRACK_MODIFY | CMAP_TRACK_PREFIX, on_change, "rest", &all));
	SHOW(cmap_track_add(handle, "track.one", 0, on_change, "bad", &bad));
	SHOW(cmap_track_add(handle, "track.one", 32, on_change, "bad", &bad));
	SHOW(cmap_track_add(handle, "track.one", CMAP_TRACK_ADD, NULL, "bad", &bad));
	SHOW(cmap_set_uint32(handle, "track.one", 1));
	events();
	SHOW(cmap_set_uint32(handle, "track.one", 1));
	events();
	SHOW(cmap_set_uint32(handle, "track.one", 2));
	events();
	SHOW(cmap_inc(handle, "track.one"));
	events();
	SHOW(cmap_set_string(handle, "track.one", "now a string"));
	events();
	SHOW(cmap_set_uint8(handle, "track.two", 2));
	events();
	SHOW(cmap_delete(handle, "track.one"));
	SHOW(cmap_delete(handle, "track.one"));
	events();
	SHOW(cmap_track_delete(handle, prefix));
	SHOW(cmap_track_delete(handle, prefix));
	SHOW(cmap_set_uint8(handle, "track.three", 2));
	SHOW(cmap_delete(handle, "track.three"));
	SHOW(cmap_delete(handle, "track.two"));
	events();
	SHOW(cmap_track_delete(handle, key));
	SHOW(cmap_track_delete(handle, all));
	SHOW(cmap_dispatch(handle, CS_DISPATCH_ONE_NONBLOCKING));
}

static void iterate(const char *prefix)
{
	cmap_iter_handle_t iterator;
	char key[CMAP_KEYNAME_MAXLEN + 1];
	size_t len;
	cmap_value_types_t type;
	cs_error_t error = cmap_iter_init(handle, prefix, &iterator);
	printf("iterate %s = %d\n", prefix, error);
	while ((error = cmap_iter_next(handle, iterator, key, &len, &type)) == CS_OK)
		printf("  %s %zu %d\n", key, len, (int)type);
	printf("end %d again %d finalize %d", error, cmap_iter_next(handle, iterator, key, &len, &type),
	       cmap_iter_finalize(handle, iterator));
	printf(" twice %d\n", cmap_iter_finalize(handle, iterator));
}

static void maps(void)
{
	cmap_handle_t stats, other;
	SHOW(cmap_initialize_map(&stats, CMAP_MAP_STATS));
	SHOW(cmap_initialize_map(&other, 7));
	cmap_handle_t saved = handle;
	handle = stats;
	uint64_t u64;
	SHOW(cmap_get_uint64(stats, "stats.srp.mcast_tx", &u64));
	SHOW(cmap_get_uint64(stats, "totem.version", &u64));
	SHOW(cmap_set_uint64(stats, "stats.srp.mcast_tx", 0));
	SHOW(cmap_set_uint64(stats, "stats.clear.totem", 0));
	SHOW(cmap_set_uint64(stats, "other.key", 0));
	SHOW(cmap_delete(stats, "stats.srp.mcast_tx"));
	SHOW(cmap_inc(stats, "stats.srp.mcast_tx"));
	cmap_track_handle_t track;
	SHOW(cmap_track_add(stats, "stats.srp.", CMAP_TRACK_MODIFY | CMAP_TRACK_PREFIX, on_change, "s", &track));
	SHOW(cmap_track_add(stats, "stats.srp.", CMAP_TRACK_ADD | CMAP_TRACK_DELETE | CMAP_TRACK_PREFIX, on_change, "s", &track));
	SHOW(cmap_track_delete(stats, track));
	iterate("stats.srp.");
	iterate("stats.pg.");
	handle = saved;
	SHOW(cmap_finalize(stats));
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	SHOW(cmap_initialize(&handle));
	numbers();
	odd_values();
	odd_keys();
	tracking();
	iterate("walk.");
	iterate("nothing.at.all");
	iterate("totem.");
	maps();
	cmap_iter_handle_t iterator;
	char key[CMAP_KEYNAME_MAXLEN + 1];
	cmap_iter_init(handle, "walk.", &iterator);
	while (cmap_iter_next(handle, iterator, key, NULL, NULL) == CS_OK)
		printf("delete %s = %d\n", key, cmap_delete(handle, key));
	cmap_iter_finalize(handle, iterator);
	iterate("walk.");
	SHOW(cmap_finalize(handle));
	SHOW(cmap_finalize(handle));
	SHOW(cmap_inc(handle, "walk.u8"));
	return 0;
}
