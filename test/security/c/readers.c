/*
 * Members of a group that do not read what comes, and one who sends.
 *
 *   readers silent N            joins the group N times, and reads nothing until its standard input ends
 *   readers send N BYTES        sends N messages of BYTES
 */
#include <corosync/cpg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static const struct cpg_name group = { .length = 6, .value = "silent" };

static cpg_handle_t join(void)
{
	cpg_model_v1_data_t model = { .model = CPG_MODEL_V1 };
	cpg_handle_t handle;
	cs_error_t error;
	if (cpg_model_initialize(&handle, CPG_MODEL_V1, (cpg_model_data_t *)&model, NULL) != CS_OK)
		exit(3);
	while ((error = cpg_join(handle, &group)) == CS_ERR_TRY_AGAIN)
		usleep(10000);
	if (error != CS_OK)
		exit(4);
	return handle;
}

int main(int argc, char **argv)
{
	char byte;
	if (argc == 3 && strcmp(argv[1], "silent") == 0) {
		for (int i = 0; i < atoi(argv[2]); i++) {
			/* One process can be in a group once. */
			int pipes[2];
			if (pipe(pipes) != 0)
				return 5;
			if (fork() == 0) {
				join();
				if (write(pipes[1], "x", 1) != 1)
					return 6;
				while (read(0, &byte, 1) > 0)
					;
				return 0;
			}
			if (read(pipes[0], &byte, 1) != 1)
				return 7;
		}
		printf("joined\n");
		fflush(stdout);
		while (read(0, &byte, 1) > 0)
			;
		return 0;
	}
	if (argc != 4 || strcmp(argv[1], "send") != 0)
		return 2;
	cpg_handle_t handle;
	cpg_model_v1_data_t model = { .model = CPG_MODEL_V1 };
	struct iovec part = { .iov_base = calloc(1, (size_t)atoi(argv[3])), .iov_len = (size_t)atoi(argv[3]) };
	if (cpg_model_initialize(&handle, CPG_MODEL_V1, (cpg_model_data_t *)&model, NULL) != CS_OK)
		return 3;
	while (cpg_join(handle, &group) == CS_ERR_TRY_AGAIN)
		usleep(10000);
	int sent = 0;
	for (cs_error_t error; sent < atoi(argv[2]);) {
		error = cpg_mcast_joined(handle, CPG_TYPE_AGREED, &part, 1);
		if (error == CS_OK)
			sent++;
		else if (error == CS_ERR_TRY_AGAIN)
			usleep(2000);
		else
			break;
		cpg_dispatch(handle, CS_DISPATCH_ALL);
	}
	for (int i = 0; i < 100; i++, usleep(10000))
		cpg_dispatch(handle, CS_DISPATCH_ALL);
	printf("sent %d\n", sent);
	return 0;
}
