/* floor PROGRAM - the least that any event daemon has to do: read a netlink message, spawn a
 * program. Spawns PROGRAM at each RTM_NEWADDR and does nothing else. Says "ready" first. */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char buffer[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct sockaddr_nl groups = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV4_IFADDR };
	char *environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (argc != 2 || fd < 0 || bind(fd, (struct sockaddr *)&groups, sizeof groups) < 0)
		return 1;
	/* Children are reaped by the kernel: waiting for them is not part of the floor. */
	signal(SIGCHLD, SIG_IGN);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int length = recv(fd, buffer, sizeof buffer, 0);
		struct nlmsghdr *message = (struct nlmsghdr *)buffer;

		if (length <= 0)
			return 1;
		for (; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
			pid_t pid;
			char *arguments[] = { argv[1], NULL };

			if (message->nlmsg_type == RTM_NEWADDR)
				posix_spawn(&pid, argv[1], NULL, NULL, arguments, environment);
		}
	}
}
