/*
 * A line between two network interfaces that is not a good one: frames are late, out of order, twice there, lost.
 *
 *   relay ONE OTHER LOSS DOUBLE MIN MAX SEED
 *
 * LOSS and DOUBLE in parts of 10,000, MIN and MAX in milliseconds: each frame waits a random time between them, so with
 * MIN < MAX frames overtake each other. Prints "ready"; ends when its standard input does, with a line
 * "forwarded N lost N doubled N overtaken N full N".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* With the header of what the kernel left undone (checksums), so that it can be left undone on the other side, too. */
#define FRAME_MAX 66000
#define WAITING_MAX 20000

struct frame {
	uint64_t due_us;
	uint64_t serial;
	int out;
	uint32_t size;
	uint8_t *bytes;
};

static struct frame heap[WAITING_MAX];
static int waiting;
static uint64_t random_state;
static uint64_t serials, last_out, forwarded, lost, doubled, overtaken, full;

static uint64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static int before(const struct frame *a, const struct frame *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->serial < b->serial;
}

static void swap(int a, int b)
{
	struct frame kept = heap[a];
	heap[a] = heap[b];
	heap[b] = kept;
}

static void put(int out, const uint8_t *bytes, uint32_t size, uint64_t due_us)
{
	if (waiting == WAITING_MAX) {
		full++;
		return;
	}
	int at = waiting++;
	heap[at] = (struct frame){ due_us, serials++, out, size, malloc(size) };
	memcpy(heap[at].bytes, bytes, size);
	for (; at > 0 && before(&heap[at], &heap[(at - 1) / 2]); at = (at - 1) / 2)
		swap(at, (at - 1) / 2);
}

static void send_first(void)
{
	struct frame first = heap[0];
	heap[0] = heap[--waiting];
	for (int at = 0;;) {
		int least = at, left = 2 * at + 1, right = left + 1;
		if (left < waiting && before(&heap[left], &heap[least]))
			least = left;
		if (right < waiting && before(&heap[right], &heap[least]))
			least = right;
		if (least == at)
			break;
		swap(at, least);
		at = least;
	}
	if (send(first.out, first.bytes, first.size, 0) >= 0)
		forwarded++;
	if (first.serial < last_out)
		overtaken++;
	else
		last_out = first.serial;
	free(first.bytes);
}

static int open_interface(const char *name)
{
	int on = 1, fd = socket(AF_PACKET, SOCK_RAW, 0);
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_protocol = htons(ETH_P_ALL),
				       .sll_ifindex = (int)if_nametoindex(name) };
	struct packet_mreq all = { .mr_ifindex = address.sll_ifindex, .mr_type = PACKET_MR_PROMISC };
	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) != 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) != 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) != 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		perror(name);
		exit(2);
	}
	return fd;
}

int main(int argc, char **argv)
{
	static uint8_t bytes[FRAME_MAX];
	if (argc != 8)
		return 2;
	int sides[2] = { open_interface(argv[1]), open_interface(argv[2]) };
	uint64_t loss = strtoull(argv[3], NULL, 10), twice = strtoull(argv[4], NULL, 10);
	uint64_t least_us = strtoull(argv[5], NULL, 10) * 1000, most_us = strtoull(argv[6], NULL, 10) * 1000;
	random_state = 0x9e3779b97f4a7c15ull * (strtoull(argv[7], NULL, 10) + 1);
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		uint64_t now = now_us();
		while (waiting > 0 && heap[0].due_us <= now)
			send_first();
		int pause_ms = waiting == 0 ? -1 : (int)((heap[0].due_us - now + 999) / 1000);
		struct pollfd polled[3] = { { sides[0], POLLIN, 0 }, { sides[1], POLLIN, 0 }, { 0, POLLIN, 0 } };
		if (poll(polled, 3, pause_ms) < 0 && errno != EINTR)
			return 3;
		if (polled[2].revents != 0)
			break;
		for (int side = 0; side < 2; side++) {
			ssize_t size;
			while ((size = recv(sides[side], bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
				if (next_random() % 10000 < loss) {
					lost++;
					continue;
				}
				int copies = 1;
				if (next_random() % 10000 < twice) {
					copies = 2;
					doubled++;
				}
				for (; copies > 0; copies--)
					put(sides[1 - side], bytes, (uint32_t)size,
					    now_us() + least_us + next_random() % (most_us - least_us + 1));
			}
		}
	}
	printf("forwarded %llu lost %llu doubled %llu overtaken %llu full %llu\n", (unsigned long long)forwarded,
	       (unsigned long long)lost, (unsigned long long)doubled, (unsigned long long)overtaken,
	       (unsigned long long)full);
	return 0;
}
