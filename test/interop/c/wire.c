/*
 * Records Ethernet frames of an interface and sends them again later.
 *
 *   wire record INTERFACE FILE SECONDS [MAX-FRAMES]     only UDP to or from ports 5400..5499
 *   wire replay INTERFACE FILE TIMES                    IPv4 only; prints the number of frames sent
 *   wire noise INTERFACE FILE TIMES SEED                as replay, with some bytes of the UDP payload changed
 *
 * File: for each frame a u32 length and the bytes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int open_on(const char *interface)
{
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_protocol = htons(ETH_P_ALL),
				       .sll_ifindex = (int)if_nametoindex(interface) };
	if (fd < 0 || address.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		perror(interface);
		exit(2);
	}
	return fd;
}

/* Offset of the UDP payload, or 0. */
static size_t udp_payload(const uint8_t *frame, size_t length)
{
	size_t udp;
	if (length > 42 && frame[12] == 0x08 && frame[13] == 0x00 && frame[23] == 17)
		udp = 14 + (size_t)(frame[14] & 15) * 4;
	else if (length > 62 && frame[12] == 0x86 && frame[13] == 0xdd && frame[20] == 17)
		udp = 54;
	else
		return 0;
	if (udp + 8 >= length)
		return 0;
	unsigned from = (unsigned)frame[udp] << 8 | frame[udp + 1], to = (unsigned)frame[udp + 2] << 8 | frame[udp + 3];
	return (from >= 5400 && from < 5500) || (to >= 5400 && to < 5500) ? udp + 8 : 0;
}

static int record(const char *interface, const char *file, double seconds, long max)
{
	static uint8_t frame[65536];
	int fd = open_on(interface);
	FILE *out = fopen(file, "w");
	struct timeval wait = { 0, 50000 };
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	struct timespec start, now;
	clock_gettime(CLOCK_MONOTONIC, &start);
	long count = 0;
	do {
		ssize_t got = recv(fd, frame, sizeof(frame), 0);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (got <= 0 || udp_payload(frame, (size_t)got) == 0)
			continue;
		uint32_t length = (uint32_t)got;
		fwrite(&length, 4, 1, out);
		fwrite(frame, 1, length, out);
		count++;
	} while (count < max && (double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9 < seconds);
	fclose(out);
	printf("%ld\n", count);
	return 0;
}

static int replay(const char *interface, const char *file, int times, int noise, unsigned seed)
{
	static uint8_t frame[65536];
	int fd = open_on(interface);
	long sent = 0;
	srand(seed);
	for (int i = 0; i < times; i++) {
		FILE *in = fopen(file, "r");
		uint32_t length;
		while (in != NULL && fread(&length, 4, 1, in) == 1 && length <= sizeof(frame) && fread(frame, 1, length, in) == length) {
			size_t payload = udp_payload(frame, length);
			for (int k = 0; noise && k < 1 + rand() % 8; k++)
				frame[payload + (size_t)rand() % (length - payload)] = (uint8_t)rand();
			/* No UDP checksum: what was recorded between namespaces has none yet, and damage shall not show there. */
			frame[payload - 2] = frame[payload - 1] = 0;
			if (send(fd, frame, length, 0) == (ssize_t)length)
				sent++;
			if (sent % 64 == 0)
				usleep(1000);
		}
		if (in != NULL)
			fclose(in);
	}
	printf("%ld\n", sent);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 5 && strcmp(argv[1], "record") == 0)
		return record(argv[2], argv[3], atof(argv[4]), argc > 5 ? atol(argv[5]) : 1000000);
	if (argc >= 5 && strcmp(argv[1], "replay") == 0)
		return replay(argv[2], argv[3], atoi(argv[4]), 0, 0);
	if (argc >= 6 && strcmp(argv[1], "noise") == 0)
		return replay(argv[2], argv[3], atoi(argv[4]), 1, (unsigned)atoi(argv[5]));
	return 2;
}
