/* dbus_floor PROGRAM RULE - the least that any daemon on D-Bus has to do: read a signal, spawn a
 * program. Spawns PROGRAM at each signal that the match rule RULE lets through and does nothing else.
 * Says "ready" first. */
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BUS "org.freedesktop.DBus"
enum { CALL = 1, RETURN = 2, SIGNAL = 4 };

static int fd;
static unsigned char input[65536] __attribute__((aligned(8)));
static size_t filled;

static size_t aligned(size_t length)
{
	return (length + 7) & ~(size_t)7;
}

/* A header field: code, signature, string; padded, as the next begins on eight bytes. */
static size_t field(unsigned char *at, char code, char type, const char *text)
{
	uint32_t length = strlen(text);
	size_t head = type == 'g' ? 5 : 8;

	at[0] = code, at[1] = 1, at[2] = type;
	if (type == 'g')
		at[4] = length;
	else
		memcpy(at + 4, &length, sizeof length);
	memcpy(at + head, text, length + 1);
	return head + length + 1;
}

/* Calls a method of the bus itself, with one string or nothing. */
static void call(uint32_t serial, const char *member, const char *argument)
{
	static unsigned char message[1024] __attribute__((aligned(8)));
	uint16_t little = 1;
	uint32_t length, body = argument ? 4 + strlen(argument) + 1 : 0;
	size_t end = 16;

	memset(message, 0, sizeof message);
	message[0] = *(char *)&little ? 'l' : 'B', message[1] = CALL, message[3] = 1;
	memcpy(message + 4, &body, 4);
	memcpy(message + 8, &serial, 4);
	end = aligned(end + field(message + end, 1, 'o', "/org/freedesktop/DBus"));
	end = aligned(end + field(message + end, 2, 's', BUS));
	end = aligned(end + field(message + end, 6, 's', BUS));
	if (argument)
		end = aligned(end + field(message + end, 8, 'g', "s"));
	end += field(message + end, 3, 's', member);
	length = end - 16;
	memcpy(message + 12, &length, 4);
	end = aligned(end);
	if (argument) {
		length = strlen(argument);
		memcpy(message + end, &length, 4);
		memcpy(message + end + 4, argument, length + 1);
	}
	if (write(fd, message, end + body) < 0)
		_exit(1);
}

/* The type of the next message. */
static int next(void)
{
	static size_t used;
	uint32_t body, fields;
	int got;

	memmove(input, input + used, filled -= used);
	for (;;) {
		if (filled >= 16) {
			memcpy(&body, input + 4, 4);
			memcpy(&fields, input + 12, 4);
			used = aligned(16 + fields) + body;
			if (used <= filled)
				return input[1];
		}
		got = recv(fd, input + filled, sizeof input - filled, 0);
		if (got <= 0)
			_exit(1);
		filled += got;
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/run/dbus/system_bus_socket" };
	/* The uid in hexadecimal digits of its decimal ones: root's 0. */
	const char hello[] = "\0AUTH EXTERNAL 30\r\n";
	char *environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	char answer[256];

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (argc != 3 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
		return 1;
	if (write(fd, hello, sizeof hello - 1) < 0 || recv(fd, answer, sizeof answer, 0) < 3 || answer[0] != 'O')
		return 1;
	if (write(fd, "BEGIN\r\n", 7) < 0)
		return 1;
	call(1, "Hello", NULL);
	call(2, "AddMatch", argv[2]);
	for (int returned = 0; returned < 2;)
		returned += next() == RETURN;
	/* Children are reaped by the kernel: waiting for them is not part of the floor. */
	signal(SIGCHLD, SIG_IGN);
	puts("ready");
	fflush(stdout);
	for (;;) {
		pid_t pid;
		char *arguments[] = { argv[1], NULL };

		if (next() == SIGNAL)
			posix_spawn(&pid, argv[1], NULL, NULL, arguments, environment);
	}
}
