/*
 * Sends datagrams with any source address, at a rate, for some seconds; prints how many. Needs a raw socket.
 *
 *   spoof udp SOURCE PORT TARGET PORT RATE SECONDS PAYLOAD…      payloads in turn: hexadecimal digits, or random:BYTES
 *   spoof icmp SOURCE TARGET PEER PORT CODE MTU RATE SECONDS     destination unreachable, about a packet of TARGET's to PEER:PORT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAYLOADS_MAX 64
#define BYTES_MAX 1400

struct payload {
	size_t bytes;
	int random;
	uint8_t data[BYTES_MAX];
};

static struct payload payloads[PAYLOADS_MAX];

static uint16_t sum16(const uint8_t *data, size_t bytes)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < bytes; i++)
		sum += (uint32_t)data[i] << (i % 2 == 0 ? 8 : 0);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void ip_header(uint8_t *at, unsigned bytes, int protocol, const char *source, const char *target)
{
	memset(at, 0, 20);
	at[0] = 0x45;
	put16(at + 2, bytes);
	at[8] = 64;
	at[9] = (uint8_t)protocol;
	if (inet_pton(AF_INET, source, at + 12) != 1 || inet_pton(AF_INET, target, at + 16) != 1)
		exit(2);
	put16(at + 10, sum16(at, 20));
}

static void udp_header(uint8_t *at, unsigned from, unsigned to, size_t payload)
{
	put16(at, from);
	put16(at + 2, to);
	put16(at + 4, (unsigned)(8 + payload));
	put16(at + 6, 0); /* no checksum */
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void read_payload(struct payload *into, const char *text)
{
	if (strncmp(text, "random:", 7) == 0) {
		into->random = 1;
		into->bytes = (size_t)atoi(text + 7);
		return;
	}
	for (; text[0] && text[1] && into->bytes < BYTES_MAX; text += 2) {
		unsigned byte;
		if (sscanf(text, "%2x", &byte) != 1)
			exit(2);
		into->data[into->bytes++] = (uint8_t)byte;
	}
}

static void scramble(struct payload *payload)
{
	static uint64_t state = 88172645463325252ULL;
	for (size_t i = 0; i + 8 <= payload->bytes; i += 8) {
		state ^= state << 13, state ^= state >> 7, state ^= state << 17;
		memcpy(payload->data + i, &state, 8);
	}
}

int main(int argc, char **argv)
{
	static uint8_t packet[2048];
	int udp = argc >= 9 && strcmp(argv[1], "udp") == 0, icmp = argc == 10 && strcmp(argv[1], "icmp") == 0;
	if (!udp && !icmp)
		return 2;
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	if (fd < 0)
		return perror("socket"), 2;
	const char *source = argv[2], *target = udp ? argv[4] : argv[3];
	double rate = atof(udp ? argv[6] : argv[8]), seconds = atof(udp ? argv[7] : argv[9]);
	int count = 0;
	size_t bytes = 0;
	if (udp) {
		for (int i = 8; i < argc && count < PAYLOADS_MAX; i++)
			read_payload(&payloads[count++], argv[i]);
	} else {
		bytes = 20 + 8 + 28;
		ip_header(packet, (unsigned)bytes, IPPROTO_ICMP, source, target);
		packet[20] = 3;
		packet[21] = (uint8_t)atoi(argv[6]);
		put16(packet + 26, (unsigned)atoi(argv[7]));
		ip_header(packet + 28, 1500, IPPROTO_UDP, target, argv[4]);
		udp_header(packet + 48, (unsigned)atoi(argv[5]), (unsigned)atoi(argv[5]), 1472);
		put16(packet + 22, sum16(packet + 20, bytes - 20));
	}
	struct sockaddr_in to = { .sin_family = AF_INET };
	inet_pton(AF_INET, target, &to.sin_addr);
	double start = now();
	long turns = 0, sent = 0;
	for (double at = start; at < start + seconds; at = now()) {
		for (; (double)turns < (at - start) * rate; turns++) {
			if (udp) {
				struct payload *payload = &payloads[turns % count];
				if (payload->random)
					scramble(payload);
				bytes = 28 + payload->bytes;
				ip_header(packet, (unsigned)bytes, IPPROTO_UDP, source, target);
				udp_header(packet + 20, (unsigned)atoi(argv[3]), (unsigned)atoi(argv[5]), payload->bytes);
				memcpy(packet + 28, payload->data, payload->bytes);
			}
			if (sendto(fd, packet, bytes, 0, (struct sockaddr *)&to, sizeof(to)) > 0)
				sent++;
			if (now() > start + seconds)
				break;
		}
		usleep(500);
	}
	printf("%ld\n", sent);
	return 0;
}
