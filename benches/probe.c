/* probe - a static "script" that notes when its first instruction ran.
 * Appends one line, CLOCK_MONOTONIC in nanoseconds, to /out/probe in a single write(2). */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
	struct timespec now;
	char line[32];
	int length, fd;

	clock_gettime(CLOCK_MONOTONIC, &now);
	length = snprintf(line, sizeof line, "%lld\n", now.tv_sec * 1000000000LL + now.tv_nsec);
	fd = open("/out/probe", O_WRONLY | O_APPEND | O_CLOEXEC);
	return fd < 0 || write(fd, line, length) != length;
}
