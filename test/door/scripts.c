/*
 * Behaviours that suites of scripted packet tests are known to ask for, each as a short
 * exchange: old acknowledgements while closing, duplicates reported, segments without ACK,
 * windows that were overrun.
 */
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include "play.h"

#define SACK_OPTION "\2\4\3\xe8\4\2\1\1" /* and an MSS of 1000 */

static char bytes[20000];

static void peer_sends_bytes(uint32_t seq, uint32_t size)
{
	for (; size > 1000; size -= 1000, seq += 1000)
		peer_sends_at(0, ACK, seq, 1, NULL, 0, bytes, 1000);
	peer_sends_at(0, ACK, seq, 1, NULL, 0, bytes, size);
}

static int unread(int fd)
{
	int value = -1;

	assert_int_equal(kiln_door_ioctl(door, fd, SIOCINQ, &value), 0);
	return value;
}

static int accepted_with(const void *options, size_t size)
{
	int listener = listening(5), fd;

	peer_opens(options, size);
	peer_acks(1, 1);
	fd = kiln_door_accept4(door, listener, NULL, NULL, SOCK_NONBLOCK);
	assert_true(fd >= 3);
	return fd;
}

/* A FIN with an older acknowledgement overtakes nothing: it counts. */
static void a_fin_that_was_sent_before_the_ack_counts(void **state)
{
	int fd = accepted();

	assert_int_equal(kiln_door_shutdown(door, fd, SHUT_WR), 0);
	expect(FIN | ACK, 1, 1, 0);
	peer_acks(2, 2); /* it overtook this: */
	while (kiln_door_pending(door))
		taken();
	peer_sends(FIN | ACK, 1, 1, NULL);
	expect(ACK, 2, 2, 0);
	expect_nothing();
}

static void duplicates_are_reported(void **state)
{
	const struct packet *p;

	accepted_with(SACK_OPTION, 8);
	peer_sends_bytes(1001, 1000);
	p = expect(ACK, 1, 1, 0);
	assert_int_equal(p->sacks, 1);
	peer_sends_bytes(2001, 1000);
	assert_int_equal(expect(ACK, 1, 1, 0)->sack[0][1], 3001);
	peer_sends_bytes(4001, 1000);
	p = expect(ACK, 1, 1, 0);
	assert_int_equal(p->sacks, 2);
	assert_int_equal(p->sack[0][0], 4001);
	assert_int_equal(p->sack[1][0], 1001);
	peer_sends_bytes(1, 1000); /* fills the first gap */
	p = expect(ACK, 1, 3001, 0);
	assert_int_equal(p->sacks, 1);
	peer_sends_bytes(1, 1000); /* and comes again */
	p = expect(ACK, 1, 3001, 0);
	assert_int_equal(p->sack[0][0], 1);
	assert_int_equal(p->sack[0][1], 1001);
	assert_int_equal(p->sack[1][0], 4001);
}

static void what_does_not_acknowledge_is_dropped(void **state)
{
	int fd = accepted();

	peer_sends_at(0, 0, 1, 0, NULL, 0, bytes, 1000);
	expect_nothing();
	assert_int_equal(unread(fd), 0);
	peer_sends_bytes(1, 1000);
	expect(ACK, 1, 1001, 0);
	assert_int_equal(unread(fd), 1000);
}

static void a_fin_behind_what_had_come_is_taken(void **state)
{
	int fd = accepted();

	peer_sends_bytes(1, 1000);
	expect(ACK, 1, 1001, 0);
	assert_int_equal(kiln_door_read(door, fd, bytes, 1000), 1000);
	peer_sends_at(0, FIN | ACK, 1, 1, NULL, 0, bytes, 1000);
	expect(ACK, 1, 1002, 0);
	assert_int_equal(kiln_door_close(door, fd), 0);
	expect(FIN | ACK, 1, 1002, 0); /* no reset: nothing was unread */
}

static void limited_transmit_sends_one_for_each_duplicate(void **state)
{
	int fd = accepted_with("\2\4\3\xe8", 4);

	assert_int_equal(kiln_door_write(door, fd, bytes, 15000), 15000);
	for (uint32_t i = 0; i < 10; i++)
		expect(ACK, 1 + i * 1000, 1, 1000);
	pass(MS(110));
	peer_acks(1, 1);
	expect(ACK, 10001, 1, 1000);
	pass(MS(10));
	peer_acks(1, 1);
	expect(ACK, 11001, 1, 1000);
	expect_nothing();
	pass(MS(10));
	peer_acks(1, 3001); /* it was reordering */
	expect(ACK, 12001, 1, 1000);
}

static void bytes_acknowledged_that_were_not_sent_are_not_believed(void **state)
{
	int fd = accepted();

	assert_int_equal(kiln_door_write(door, fd, "hello", 5), 5);
	expect(ACK, 1, 1, 5);
	peer_acks(1, 100);
	expect(ACK, 6, 1, 0); /* RFC 5961, 5.2 */
	peer_sends(ACK, 1, 6, "x");
	expect(ACK, 6, 2, 0);
	/* Nor a reset that is not exact, which is asked about (3.2). */
	pass(MS(1000));
	peer_sends(RST, 3, 0, NULL);
	expect(ACK, 6, 2, 0);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	/* Nor a SYN (4.2). */
	pass(MS(1000));
	peer_sends_at(0, SYN, 2, 0, NULL, 0, NULL, 0);
	expect(ACK, 6, 2, 0);
}

static void fast_retransmit_comes_with_the_third_duplicate(void **state)
{
	int fd = accepted_with("\2\4\3\xe8", 4);

	assert_int_equal(kiln_door_write(door, fd, bytes, 4000), 4000);
	for (uint32_t i = 0; i < 4; i++)
		expect(ACK, 1 + i * 1000, 1, 1000);
	pass(MS(50));
	peer_acks(1, 1);
	peer_acks(1, 1);
	expect_nothing();
	peer_acks(1, 1);
	expect(ACK, 1, 1, 1000);
	pass(MS(50));
	peer_acks(1, 4001);
	expect_nothing();
}

static void shutting_down_reads_leaves_the_rest(void **state)
{
	char byte;
	int fd = accepted();

	assert_int_equal(kiln_door_shutdown(door, fd, SHUT_RD), 0);
	assert_int_equal(kiln_door_read(door, fd, &byte, 1), 0);
	assert_int_equal(kiln_door_write(door, fd, "x", 1), 1);
	expect(ACK, 1, 1, 1);
	peer_sends(ACK, 1, 2, "y"); /* is acknowledged all the same, as on Linux */
	expect(ACK, 2, 2, 0);
	assert_int_equal(kiln_door_read(door, fd, &byte, 1), 1);
	assert_int_equal(kiln_door_read(door, fd, &byte, 1), 0);
	assert_int_equal(kiln_door_shutdown(door, fd, SHUT_RDWR), 0);
	expect(FIN | ACK, 2, 2, 0);
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    PLAY(a_fin_that_was_sent_before_the_ack_counts),
	    PLAY6(a_fin_that_was_sent_before_the_ack_counts),
	    PLAY(duplicates_are_reported),
	    PLAY6(duplicates_are_reported),
	    PLAY(what_does_not_acknowledge_is_dropped),
	    PLAY6(what_does_not_acknowledge_is_dropped),
	    PLAY(a_fin_behind_what_had_come_is_taken),
	    PLAY6(a_fin_behind_what_had_come_is_taken),
	    PLAY(limited_transmit_sends_one_for_each_duplicate),
	    PLAY6(limited_transmit_sends_one_for_each_duplicate),
	    PLAY(bytes_acknowledged_that_were_not_sent_are_not_believed),
	    PLAY6(bytes_acknowledged_that_were_not_sent_are_not_believed),
	    PLAY(fast_retransmit_comes_with_the_third_duplicate),
	    PLAY6(fast_retransmit_comes_with_the_third_duplicate),
	    PLAY(shutting_down_reads_leaves_the_rest),
	    PLAY6(shutting_down_reads_leaves_the_rest),
	};

	return cmocka_run_group_tests_name("door: scripts", all, NULL, NULL) != 0;
}
