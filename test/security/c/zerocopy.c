/*
 * Zero-copy buffers of cpg.
 *
 *   zerocopy many N BYTES     libcpg: N buffers at once, each sent once, half of them given back
 *   zerocopy late N BYTES     the same, when a line has come after it joined
 *   zerocopy evil TARGET      own requests: sizes and paths that no library asks for; TARGET is somebody else's file
 */
#include <corosync/cpg.h>
#include <fcntl.h>
#include <qb/qbipcc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int delivered;

static void deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t node, uint32_t pid, void *message, size_t bytes)
{
	(void)handle, (void)group, (void)node, (void)pid, (void)message, (void)bytes;
	delivered++;
}

static int many(int count, size_t bytes, int late)
{
	static cpg_callbacks_t callbacks = { .cpg_deliver_fn = deliver };
	struct cpg_name group = { .length = 4, .value = "zero" };
	void **buffers = calloc(count, sizeof *buffers);
	cpg_handle_t handle;
	int allocated = 0, sent = 0, refused = 0;

	if (cpg_initialize(&handle, &callbacks) != CS_OK || cpg_join(handle, &group) != CS_OK)
		return 1;
	printf("joined\n");
	fflush(stdout);
	if (late && getchar() == EOF)
		return 1;
	for (int i = 0; i < count; i++)
		allocated += cpg_zcb_alloc(handle, bytes, &buffers[i]) == CS_OK;
	for (int i = 0; i < count; i++) {
		cs_error_t status;
		while ((status = cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffers[i], bytes)) == CS_ERR_TRY_AGAIN) {
			cpg_dispatch(handle, CS_DISPATCH_ALL);
			usleep(100);
		}
		if (status == CS_OK)
			sent++;
		else
			refused = status;
		cpg_dispatch(handle, CS_DISPATCH_ALL);
	}
	while (delivered < sent && cpg_dispatch(handle, CS_DISPATCH_ONE) == CS_OK)
		;
	for (int i = 0; i < count; i += 2)
		cpg_zcb_free(handle, buffers[i]);
	printf("allocated %d sent %d delivered %d refused %d\n", allocated, sent, delivered, refused);
	cpg_finalize(handle);
	return 0;
}

struct alloc {
	struct qb_ipc_request_header header __attribute__((aligned(8)));
	uint64_t map_bytes __attribute__((aligned(8)));
	char path[128];
};

static qb_ipcc_connection_t *connection;

static void ask(const char *what, const char *path, uint64_t bytes)
{
	struct alloc request = { .header = { .id = 9, .size = sizeof request }, .map_bytes = bytes };
	struct qb_ipc_response_header response = { 0 };
	struct iovec iov = { &request, sizeof request };

	memset(request.path, 'x', sizeof request.path);
	memcpy(request.path, path, strlen(path) + 1 < sizeof request.path ? strlen(path) + 1 : sizeof request.path);
	if (qb_ipcc_sendv_recv(connection, &iov, 1, &response, sizeof response, 5000) < 0)
		printf("%s: no answer\n", what);
	else
		printf("%s: %d\n", what, response.error);
}

static const char *own(void)
{
	static char path[64];
	strcpy(path, "/dev/shm/corosync_zerocopy-XXXXXX");
	int fd = mkstemp(path);
	if (fd < 0 || ftruncate(fd, 4096) < 0)
		exit(1);
	close(fd);
	return path;
}

static int evil(const char *target)
{
	char path[256];

	connection = qb_ipcc_connect("cpg", 1 << 20);
	if (connection == NULL)
		return 1;
	ask("good", own(), 4096);
	ask("no bytes", own(), 0);
	ask("few bytes", own(), 55);
	ask("many bytes", own(), (uint64_t)1 << 62);
	ask("all bytes", own(), UINT64_MAX);
	ask("not there", "/dev/shm/corosync_zerocopy-nobody", 4096);
	ask("empty path", "", 4096);
	memset(path, 'y', sizeof path), path[200] = 0;
	ask("endless path", path, 4096);
	ask("target", target, 4096);
	snprintf(path, sizeof path, "/dev/shm/../..%s", target);
	ask("detour", path, 4096);
	ask("link", symlink(target, "/dev/shm/corosync_zerocopy-llllll") < 0 ? "" : "/dev/shm/corosync_zerocopy-llllll", 4096);
	ask("pipe", mkfifo("/dev/shm/corosync_zerocopy-pppppp", 0666) < 0 ? "" : "/dev/shm/corosync_zerocopy-pppppp", 4096);
	ask("directory", mkdir("/dev/shm/corosync_zerocopy-dddddd", 0777) < 0 ? "" : "/dev/shm/corosync_zerocopy-dddddd", 4096);
	if (link(target, "/dev/shm/corosync_zerocopy-hhhhhh") == 0)
		ask("hard link", "/dev/shm/corosync_zerocopy-hhhhhh", 4096);
	ask("of root", "/dev/shm/corosync_zerocopy-rrrrrr", 4096);
	ask("good again", own(), 4096);
	for (int i = 0; i < 20000; i++) {
		const char *mine = own();
		struct alloc request = { .header = { .id = 9, .size = sizeof request }, .map_bytes = 4096 };
		struct qb_ipc_response_header response;
		struct iovec iov = { &request, sizeof request };
		strcpy(request.path, mine);
		if (qb_ipcc_sendv_recv(connection, &iov, 1, &response, sizeof response, 5000) < 0)
			return 1;
		if (response.error != 1 || i == 19999) {
			printf("refused after %d\n", i);
			break;
		}
	}
	fflush(stdout);
	pause();
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "evil") != 0)
		return many(atoi(argv[2]), atoi(argv[3]), strcmp(argv[1], "late") == 0);
	if (argc == 3 && strcmp(argv[1], "evil") == 0)
		return evil(argv[2]);
	return 2;
}
