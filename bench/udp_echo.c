/*
 * kernel-udp of kiln bench net: the Echo Protocol (RFC 862) over UDP as one would write it
 * for the kernel's sockets when it has to be fast: one socket, as many datagrams a call as
 * there are.
 *
 *	udp_echo PORT
 */
#include "load.h"

enum { BATCH = 256, ROOM = 2048 };

static uint8_t bytes[BATCH][ROOM];
static struct sockaddr_in from[BATCH];
static struct iovec parts[BATCH];
static struct mmsghdr messages[BATCH];

/* Each message's buffer and address are its own, in both directions. */
static void prepare(void)
{
	for (unsigned i = 0; i < BATCH; i++) {
		parts[i].iov_base = bytes[i];
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
		messages[i].msg_hdr.msg_name = &from[i];
	}
}

static void echo(int s)
{
	int count, sent;

	for (unsigned i = 0; i < BATCH; i++) {
		parts[i].iov_len = ROOM;
		messages[i].msg_hdr.msg_namelen = sizeof(from[i]);
	}
	count = recvmmsg(s, messages, BATCH, MSG_WAITFORONE, NULL);
	if (count < 0) {
		if (errno == EINTR)
			return;
		fail("recvmmsg");
	}
	for (int i = 0; i < count; i++)
		parts[i].iov_len = messages[i].msg_len;
	/* One that cannot be sent is as good as lost. */
	for (int done = 0; done<count; done += sent> 0 ? sent : 1)
		sent = sendmmsg(s, messages + done, (unsigned)(count - done), 0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in own;
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	if (argc != 2) {
		fprintf(stderr, "usage: %s PORT\n", argv[0]);
		return 2;
	}
	own = address_of("0.0.0.0", argv[1]);
	enlarge_buffers(s);
	if (bind(s, (struct sockaddr *)&own, sizeof(own)) < 0)
		fail("bind");
	prepare();
	for (;;)
		echo(s);
}
