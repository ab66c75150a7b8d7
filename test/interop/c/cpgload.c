/*
 * A member of a process group that multicasts messages of random sizes and records everything that it is told, so
 * that the records of all members can be compared.
 *
 *   cpgload GROUP RECORD-FILE
 *
 * Commands on standard input, one a line:
 *   send COUNT MIN MAX SEED    multicast COUNT messages of MIN..MAX bytes (logarithmically distributed)
 *   leave | join | quit
 * Lines on standard output:
 *   ready NODEID PID | sent TOTAL | members COUNT | left | joined | delivered TOTAL own TOTAL (on "count") | error TEXT
 * Lines of the record file:
 *   S ORDINAL SIZE CRC                        sent
 *   M NODEID PID ORDINAL SIZE CRC             delivered; ORDINAL counts the messages of that sender
 *   C MEMBERS | LEFT | JOINED                 lists of NODEID:PID, of NODEID:PID:REASON for the last two
 *   T REP.SEQ MEMBERS                         Totem membership
 */
#include <corosync/cpg.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define SENDERS_MAX 64
#define MESSAGE_MAX (4 * 1024 * 1024)

static FILE *record;
static uint32_t crc_table[8][256];
static struct { uint32_t nodeid, pid, ordinal; } senders[SENDERS_MAX];
static int sender_count;
static uint64_t delivered;
static uint64_t own_delivered;
static unsigned own_node;
static uint8_t *message;

static void crc_init(void)
{
	for (uint32_t n = 0; n < 256; n++) {
		uint32_t c = n;
		for (int k = 0; k < 8; k++)
			c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
		crc_table[0][n] = c;
	}
	for (uint32_t n = 0; n < 256; n++)
		for (int k = 1; k < 8; k++)
			crc_table[k][n] = crc_table[0][crc_table[k - 1][n] & 0xff] ^ (crc_table[k - 1][n] >> 8);
}

static uint32_t crc32_of(const uint8_t *p, size_t len)
{
	uint32_t c = 0xffffffffu;
	while (len >= 8) {
		uint32_t a, b;
		memcpy(&a, p, 4);
		memcpy(&b, p + 4, 4);
		a ^= c;
		c = crc_table[7][a & 0xff] ^ crc_table[6][a >> 8 & 0xff] ^ crc_table[5][a >> 16 & 0xff] ^ crc_table[4][a >> 24] ^
		    crc_table[3][b & 0xff] ^ crc_table[2][b >> 8 & 0xff] ^ crc_table[1][b >> 16 & 0xff] ^ crc_table[0][b >> 24];
		p += 8;
		len -= 8;
	}
	while (len--)
		c = crc_table[0][(c ^ *p++) & 0xff] ^ (c >> 8);
	return ~c;
}

static uint64_t random_state;
static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint32_t *ordinal_of(uint32_t nodeid, uint32_t pid)
{
	for (int i = 0; i < sender_count; i++)
		if (senders[i].nodeid == nodeid && senders[i].pid == pid)
			return &senders[i].ordinal;
	if (sender_count == SENDERS_MAX)
		sender_count = 0;
	senders[sender_count].nodeid = nodeid;
	senders[sender_count].pid = pid;
	senders[sender_count].ordinal = 0;
	return &senders[sender_count++].ordinal;
}

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid, void *msg,
		       size_t len)
{
	(void)handle;
	(void)group;
	fprintf(record, "M %u %u %u %zu %08x\n", nodeid, pid, (*ordinal_of(nodeid, pid))++, len, crc32_of(msg, len));
	delivered++;
	if (nodeid == own_node && pid == (uint32_t)getpid())
		own_delivered++;
}

static void put_list(const struct cpg_address *list, size_t entries, int reasons)
{
	for (size_t i = 0; i < entries; i++) {
		fprintf(record, " %u:%u", list[i].nodeid, list[i].pid);
		if (reasons)
			fprintf(record, ":%u", list[i].reason);
	}
}

static void on_confchg(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members,
		       size_t member_count, const struct cpg_address *left, size_t left_count,
		       const struct cpg_address *joined, size_t joined_count)
{
	(void)handle;
	(void)group;
	fputc('C', record);
	put_list(members, member_count, 0);
	fputs(" |", record);
	put_list(left, left_count, 1);
	fputs(" |", record);
	put_list(joined, joined_count, 1);
	fputc('\n', record);
	fflush(record);
	printf("members %zu\n", member_count);
}

static void on_totem(cpg_handle_t handle, struct cpg_ring_id ring, uint32_t count, const uint32_t *members)
{
	(void)handle;
	fprintf(record, "T %u.%llx", ring.nodeid, (unsigned long long)ring.seq);
	for (uint32_t i = 0; i < count; i++)
		fprintf(record, " %u", members[i]);
	fputc('\n', record);
	fflush(record);
}

static void die(const char *what, cs_error_t error)
{
	printf("error %s %d\n", what, error);
	fflush(record);
	fflush(stdout);
	exit(3);
}

static struct { uint32_t count, min, max; } job;
static uint32_t sent;
static uint32_t pending_size;

static void make_message(void)
{
	double low = log(job.min), high = log(job.max + 1.0);
	double unit = (double)(next_random() >> 11) / 9007199254740992.0;
	uint32_t size = (uint32_t)exp(low + unit * (high - low));
	if (size < job.min)
		size = job.min;
	if (size > job.max)
		size = job.max;
	for (uint32_t at = 0; at < size; at += 8) {
		uint64_t word = next_random();
		memcpy(message + at, &word, 8);
	}
	pending_size = size;
}

/* One attempt; 0 when there was no room. */
static int try_send(cpg_handle_t handle)
{
	if (pending_size == 0)
		make_message();
	struct iovec iov = { message, pending_size };
	cs_error_t error = cpg_mcast_joined(handle, CPG_TYPE_AGREED, &iov, 1);
	if (error == CS_ERR_TRY_AGAIN)
		return 0;
	if (error != CS_OK)
		die("cpg_mcast_joined", error);
	fprintf(record, "S %u %u %08x\n", sent++, pending_size, crc32_of(message, pending_size));
	pending_size = 0;
	if (--job.count == 0) {
		fflush(record);
		printf("sent %u\n", sent);
	}
	return 1;
}

static void command(cpg_handle_t handle, const struct cpg_name *group, char *line)
{
	unsigned count, min, max, seed;
	if (sscanf(line, "send %u %u %u %u", &count, &min, &max, &seed) == 4) {
		job.count += count; /* an earlier order may still be under way */
		job.min = min;
		job.max = max > MESSAGE_MAX ? MESSAGE_MAX : max;
		random_state = 0x9e3779b97f4a7c15ull * (seed + 1);
	} else if (strncmp(line, "count", 5) == 0) {
		fflush(record);
		printf("delivered %llu own %llu\n", (unsigned long long)delivered, (unsigned long long)own_delivered);
	} else if (strncmp(line, "leave", 5) == 0) {
		cs_error_t error = cpg_leave(handle, group);
		if (error != CS_OK)
			die("cpg_leave", error);
		printf("left\n");
	} else if (strncmp(line, "join", 4) == 0) {
		cs_error_t error = cpg_join(handle, group);
		if (error != CS_OK)
			die("cpg_join", error);
		printf("joined\n");
	} else if (strncmp(line, "quit", 4) == 0) {
		cpg_finalize(handle);
		fclose(record);
		exit(0);
	}
}

static void read_commands(cpg_handle_t handle, const struct cpg_name *group)
{
	static char buffer[4096];
	static size_t used;
	ssize_t got = read(0, buffer + used, sizeof(buffer) - 1 - used);
	if (got == 0) {
		fclose(record);
		exit(0);
	}
	if (got < 0)
		return;
	used += (size_t)got;
	buffer[used] = 0;
	char *line = buffer, *end;
	while ((end = strchr(line, '\n')) != NULL) {
		*end = 0;
		command(handle, group, line);
		line = end + 1;
	}
	used = strlen(line);
	memmove(buffer, line, used);
}

static void join(cpg_handle_t *handle, const struct cpg_name *group)
{
	cpg_model_v1_data_t model = { .model = CPG_MODEL_V1,
				      .cpg_deliver_fn = on_deliver,
				      .cpg_confchg_fn = on_confchg,
				      .cpg_totem_confchg_fn = on_totem,
				      .flags = 0 };
	cs_error_t error;
	for (int i = 0; i < 300; i++) {
		error = cpg_model_initialize(handle, CPG_MODEL_V1, (cpg_model_data_t *)&model, NULL);
		if (error != CS_ERR_TRY_AGAIN && error != CS_ERR_LIBRARY)
			break;
		usleep(100000);
	}
	if (error != CS_OK)
		die("cpg_model_initialize", error);
	while ((error = cpg_join(*handle, group)) == CS_ERR_TRY_AGAIN)
		usleep(20000);
	if (error != CS_OK)
		die("cpg_join", error);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s GROUP RECORD-FILE\n", argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	crc_init();
	message = malloc(MESSAGE_MAX + 8);
	record = fopen(argv[2], "w");
	if (record == NULL || message == NULL)
		return 2;
	struct cpg_name group = { .length = (uint32_t)strlen(argv[1]) };
	memcpy(group.value, argv[1], group.length);
	cpg_handle_t handle;
	join(&handle, &group);
	int fd;
	cpg_local_get(handle, &own_node);
	cpg_fd_get(handle, &fd);
	printf("ready %u %d\n", own_node, getpid());
	for (;;) {
		struct pollfd fds[2] = { { fd, POLLIN, 0 }, { 0, POLLIN, 0 } };
		int moved = 0;
		for (int i = 0; i < 20 && job.count > 0; i++) {
			if (!try_send(handle))
				break;
			moved = 1;
		}
		poll(fds, 2, moved ? 0 : job.count > 0 ? 1 : 500);
		if (fds[0].revents) {
			cs_error_t error = cpg_dispatch(handle, CS_DISPATCH_ALL);
			if (error != CS_OK && error != CS_ERR_TRY_AGAIN)
				die("cpg_dispatch", error);
		}
		if (fds[1].revents)
			read_commands(handle, &group);
		if (job.count == 0)
			fflush(record);
	}
}
