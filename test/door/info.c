/*
 * TCP_INFO: what it counts, as a transfer goes well, as one loses a segment, and after the
 * end. The figures are Linux's, but that bytes acknowledged and received are those of data
 * alone.
 */
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <sys/ioctl.h>
#include "play.h"

static struct tcp_info info_of(int fd)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);

	assert_int_equal(
	    kiln_door_getsockopt(door, fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
	return info;
}

static int ioctl_of(int fd, unsigned long request)
{
	int value = -1;

	assert_int_equal(kiln_door_ioctl(door, fd, request, &value), 0);
	return value;
}

#define SACK_MSS "\2\4\5\xb4\4\2\1\1"

static void take_all(void)
{
	while (kiln_door_pending(door))
		taken();
}

/* Accepted, with SACK agreed on, and a round trip of 100 ms. */
static int accepted_with_sack(void)
{
	int listener = listening(5), fd;

	peer_opens(SACK_MSS, 8);
	pass(MS(100));
	peer_acks(1, 1);
	fd = kiln_door_accept4(door, listener, NULL, NULL, SOCK_NONBLOCK);
	assert_true(fd >= 3);
	return fd;
}

static void peer_sacks(uint32_t ack, uint32_t start, uint32_t end)
{
	uint8_t option[12] = {1, 1, 5, 10};

	put(option + 4, 4, our_isn + start);
	put(option + 8, 4, our_isn + end);
	peer_sends_at(0, ACK, 1, ack, option, sizeof(option), NULL, 0);
}

static void a_transfer_is_counted(void **state)
{
	static char bytes[20000];
	int fd = accepted_with_sack();
	struct tcp_info info = info_of(fd);

	assert_int_equal(info.tcpi_segs_in, 2);
	assert_int_equal(info.tcpi_segs_out, 0);
	assert_int_equal(info.tcpi_delivered, 1);
	assert_int_equal(info.tcpi_rtt, 100000);
	assert_int_equal(info.tcpi_rttvar, 50000);
	assert_int_equal(info.tcpi_rto, 300000);
	assert_int_equal(info.tcpi_min_rtt, 100000);
	assert_int_equal(info.tcpi_options, TCPI_OPT_SACK);
	peer_sends(ACK, 1, 1, "12345");
	peer_sends(ACK, 6, 1, "6789");
	assert_int_equal(kiln_door_write(door, fd, bytes, 5 * mss()), 5 * mss());
	info = info_of(fd);
	assert_int_equal(info.tcpi_bytes_received, 9);
	assert_int_equal(info.tcpi_data_segs_in, 2);
	assert_int_equal(info.tcpi_segs_in, 4);
	assert_int_equal(info.tcpi_data_segs_out, 5);
	assert_int_equal(info.tcpi_segs_out, 7); /* two ACKs */
	assert_int_equal(info.tcpi_bytes_sent, 5 * mss());
	assert_int_equal(info.tcpi_bytes_acked, 0);
	assert_int_equal(info.tcpi_unacked, 5);
	assert_int_equal(ioctl_of(fd, SIOCOUTQ), (int)(5 * mss()));
	assert_int_equal(ioctl_of(fd, SIOCOUTQNSD), 0);
	assert_int_equal(ioctl_of(fd, SIOCINQ), 9);
	pass(MS(100));
	peer_acks(10, 1 + 2 * mss());
	info = info_of(fd);
	assert_int_equal(info.tcpi_bytes_acked, 2 * mss());
	assert_int_equal(info.tcpi_delivered, 3);
	assert_int_equal(info.tcpi_unacked, 3);
	assert_int_equal(info.tcpi_total_retrans, 0);
	assert_int_equal(info.tcpi_bytes_retrans, 0);
	assert_int_equal(info.tcpi_last_data_sent, 100);
	assert_int_equal(info.tcpi_last_data_recv, 100);
	assert_int_equal(info.tcpi_last_ack_recv, 0);
}

static void a_loss_is_counted(void **state)
{
	static char bytes[20000];
	int fd = accepted_with_sack();
	struct tcp_info info;

	assert_int_equal(kiln_door_write(door, fd, bytes, 8 * mss()), 8 * mss());
	take_all();
	pass(MS(100));
	peer_sacks(1, 1 + mss(), 1 + 2 * mss());
	info = info_of(fd);
	assert_int_equal(info.tcpi_ca_state, 1); /* disorder */
	assert_int_equal(info.tcpi_sacked, 1);
	assert_int_equal(info.tcpi_lost, 0);
	/* The first, and with it the third, are lost; one of them is sent again. */
	peer_sacks(1, 1 + 3 * mss(), 1 + 8 * mss());
	info = info_of(fd);
	assert_int_equal(info.tcpi_ca_state, 3); /* recovery */
	assert_int_equal(info.tcpi_sacked, 6);
	assert_int_equal(info.tcpi_delivered, 7);
	assert_int_equal(info.tcpi_lost + info.tcpi_retrans, 2);
	assert_true(info.tcpi_retrans >= 1);
	assert_int_equal(info.tcpi_total_retrans, info.tcpi_retrans);
	assert_int_equal(info.tcpi_bytes_retrans, info.tcpi_retrans * mss());
	assert_int_equal(info.tcpi_bytes_sent, (8 + info.tcpi_retrans) * mss());
	assert_true(info.tcpi_snd_ssthresh < 10);
	pass(MS(100));
	peer_acks(1, 1 + 2 * mss());
	peer_acks(1, 1 + 8 * mss());
	info = info_of(fd);
	assert_int_equal(info.tcpi_ca_state, 0);
	assert_int_equal(info.tcpi_retrans, 0);
	assert_int_equal(info.tcpi_lost, 0);
	assert_int_equal(info.tcpi_sacked, 0);
	assert_int_equal(info.tcpi_unacked, 0);
	assert_int_equal(info.tcpi_bytes_acked, 8 * mss());
	/* And one of them came twice. */
	peer_sacks(1 + 8 * mss(), 1, 1 + mss());
	assert_int_equal(info_of(fd).tcpi_dsack_dups, 1);
}

static void timeouts_and_probes_are_counted(void **state)
{
	int fd = accepted();
	struct tcp_info info;

	assert_int_equal(kiln_door_write(door, fd, "x", 1), 1);
	pass(MS(1000));
	info = info_of(fd);
	assert_true(info.tcpi_retransmits >= 2);
	assert_int_equal(info.tcpi_backoff, info.tcpi_retransmits);
	assert_int_equal(info.tcpi_total_retrans, kiln_door_pending(door) - 1);
	assert_int_equal(info.tcpi_ca_state, 4); /* loss */
	assert_int_equal(info.tcpi_probes, 0);
	peer_window = 0;
	peer_acks(1, 2);
	assert_int_equal(info_of(fd).tcpi_retransmits, 0);
	assert_int_equal(kiln_door_write(door, fd, "y", 1), 1);
	pass(MS(20000));
	info = info_of(fd);
	assert_true(info.tcpi_probes >= 2);
	assert_int_equal(info.tcpi_retransmits, 0);
	assert_int_equal(info.tcpi_notsent_bytes, 1);
	peer_acks(1, 2);
	assert_int_equal(info_of(fd).tcpi_snd_wnd, 0);
}

static void syns_that_were_lost_are_counted(void **state)
{
	int fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK);

	connecting(fd);
	pass(MS(3500));
	assert_int_equal(info_of(fd).tcpi_total_retrans, 2);
	assert_int_equal(info_of(fd).tcpi_segs_out, 3);
	peer_sends_at(0, SYN | ACK, 0, 1, MSS_OPTION, 4, NULL, 0);
	assert_int_equal(info_of(fd).tcpi_total_retrans, 2);
	assert_int_equal(info_of(fd).tcpi_segs_out, 4);
	assert_int_equal(info_of(fd).tcpi_segs_in, 1);
	again();
	int listener = listening(5);
	peer_opens(MSS_OPTION, 4);
	pass(MS(1500));
	expect(SYN | ACK, 0, 1, 0);
	peer_acks(1, 1);
	fd = kiln_door_accept(door, listener, NULL, NULL);
	assert_int_equal(info_of(fd).tcpi_total_retrans, 1);
}

static void what_was_known_is_told_after_the_end(void **state)
{
	int fd = accepted();

	peer_sends(ACK, 1, 1, "hello");
	peer_sends(RST, 6, 0, NULL);
	struct tcp_info info = info_of(fd);
	assert_int_equal(info.tcpi_state, 7);
	assert_int_equal(info.tcpi_bytes_received, 5);
	assert_int_equal(info.tcpi_segs_in, 4);
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    PLAY(a_transfer_is_counted),
	    PLAY6(a_transfer_is_counted),
	    PLAY(a_loss_is_counted),
	    PLAY6(a_loss_is_counted),
	    PLAY(timeouts_and_probes_are_counted),
	    PLAY6(timeouts_and_probes_are_counted),
	    PLAY(syns_that_were_lost_are_counted),
	    PLAY6(syns_that_were_lost_are_counted),
	    PLAY(what_was_known_is_told_after_the_end),
	};

	return cmocka_run_group_tests_name("door: info", all, NULL, NULL) != 0;
}
