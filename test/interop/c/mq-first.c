/* Prints what waits in a POSIX message queue, in the order in which a reader gets it: "PRIORITY JSON" a line. */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct mq_attr attributes;
	unsigned priority;
	mqd_t queue = argc == 2 ? mq_open(argv[1], O_RDONLY | O_NONBLOCK) : (mqd_t)-1;

	if (queue == (mqd_t)-1 || mq_getattr(queue, &attributes) != 0) {
		fprintf(stderr, "%s\n", strerror(errno));
		return 1;
	}
	char *message = malloc(attributes.mq_msgsize + 1);
	for (;;) {
		ssize_t length = mq_receive(queue, message, attributes.mq_msgsize, &priority);
		if (length < 0)
			return errno == EAGAIN ? 0 : 1;
		printf("%u %.*s\n", priority, (int)length, message);
	}
}
