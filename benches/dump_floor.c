/* dump_floor [rules] - the least that reading the kernel's state costs: dumps of links, addresses and the
 * routes of both families, and with `rules` of those as well, strictly checked, read and thrown away.
 * Prints how long all of it took, in nanoseconds, and how many messages came. */
#include <linux/fib_rules.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char buffer[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
static long long messages;

static long long now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* One dump, to its NLMSG_DONE; nonzero when the kernel refuses. */
static int dump(int fd, int type, int family, size_t header)
{
	struct {
		struct nlmsghdr head;
		unsigned char family;
		char rest[sizeof(struct ifinfomsg)];
	} request;

	memset(&request, 0, sizeof request);
	request.head.nlmsg_len = NLMSG_LENGTH(header);
	request.head.nlmsg_type = type;
	request.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request.family = family;
	if (send(fd, &request, request.head.nlmsg_len, 0) < 0)
		return 1;
	for (;;) {
		int length = recv(fd, buffer, sizeof buffer, 0);
		struct nlmsghdr *message = (struct nlmsghdr *)buffer;

		if (length <= 0)
			return 1;
		for (; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
			if (message->nlmsg_type == NLMSG_ERROR)
				return 1;
			if (message->nlmsg_type == NLMSG_DONE)
				return *(int *)NLMSG_DATA(message) != 0;
			messages++;
		}
	}
}

int main(int argc, char **argv)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), strict = 1;
	long long began = now();

	if (fd < 0 || setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &strict, sizeof strict) < 0)
		return 1;
	if (dump(fd, RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg)) ||
	    dump(fd, RTM_GETADDR, AF_UNSPEC, sizeof(struct ifaddrmsg)) ||
	    dump(fd, RTM_GETROUTE, AF_INET, sizeof(struct rtmsg)) ||
	    dump(fd, RTM_GETROUTE, AF_INET6, sizeof(struct rtmsg)))
		return 1;
	if (argc > 1 && strcmp(argv[1], "rules") == 0 &&
	    (dump(fd, RTM_GETRULE, AF_INET, sizeof(struct fib_rule_hdr)) ||
	     dump(fd, RTM_GETRULE, AF_INET6, sizeof(struct fib_rule_hdr))))
		return 1;
	printf("%lld %lld\n", now() - began, messages);
	return 0;
}
