/*
 * A program under stock's SAM: first life crashes, second hangs, third says what it restored and ends well.
 * Argument: a bit mask of policies to add to restart (8 quorum, 16 cmap).
 */
#include <corosync/corotypes.h>
#include <corosync/sam.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void check(const char *what, cs_error_t error)
{
	printf("%s %d\n", what, error);
	fflush(stdout);
	if (error != CS_OK)
		_exit(10);
}

static int healthy(void)
{
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int instance;
	char data[16] = "";
	size_t bytes = 0;
	int policy = SAM_RECOVERY_POLICY_RESTART | (argc > 1 ? atoi(argv[1]) : 0);

	setvbuf(stdout, NULL, _IONBF, 0);
	check("initialize", sam_initialize(1000, policy));
	check("register", sam_register(&instance));
	printf("instance %u\n", instance);
	check("callback", sam_hc_callback_register(healthy));
	check("size", sam_data_getsize(&bytes));
	if (bytes > 0)
		check("restore", sam_data_restore(data, sizeof(data)));
	printf("data '%s'\n", data);
	data[bytes] = '0' + instance;
	check("store", sam_data_store(data, bytes + 1));
	check("start", sam_start());
	sleep(1);
	if (instance == 1)
		raise(SIGKILL);
	if (instance == 2) {
		/* Nobody listens to the warning, and the heartbeats end. */
		signal(SIGTERM, SIG_IGN);
		raise(SIGSTOP);
	}
	check("stop", sam_stop());
	check("finalize", sam_finalize());
	return 33;
}
