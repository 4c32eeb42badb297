/*
 * SYN cookies, as functions: what goes in with the SYN comes out with the third segment,
 * for both families and across the wrap of the timestamp's clock.
 */
#include "tcp_play.h"

static const struct ip_addr peer6 = {{0x20, 1, 0xd, 0xb8, [15] = 1}};

static struct tcp_tuple tuple_of(bool ip6)
{
	return (struct tcp_tuple){
	    .remote = ip6 ? peer6 : ip_from4(ip4_of(0x0a000001)),
	    .local = ip6 ? peer6 : ip_from4(ip4_of(0x0a000002)),
	    .remote_port = PEER_PORT,
	    .local_port = LOCAL_PORT,
	};
}

/* There and back; false if the cookie is not taken. */
static bool exchange(const struct tcp_tuple *tuple, const struct tcp_handshake *in,
                     struct tcp_handshake *out)
{
	struct tcp_segment third = {
	    .flags = TCP_ACK,
	    .seq = tcp_seq_add(in->irs, 1),
	    .ack = tcp_seq_add(tcp_cookie_make(tcp, tuple, in), 1),
	};

	if (in->has_timestamps) {
		third.options.has_timestamps = true;
		third.options.ts_value = 77;
		third.options.ts_echo = tcp_cookie_timestamp(tcp, tuple, in);
	}
	return tcp_cookie_check(tcp, tuple, &third, out);
}

static uint16_t size_kept(bool ip6, uint16_t mss)
{
	struct tcp_tuple tuple = tuple_of(ip6);
	struct tcp_handshake in = {.irs = tcp_seq_of(PEER_ISN), .mss_peer = mss}, out;

	assert_true(exchange(&tuple, &in, &out));
	return out.mss_peer;
}

static void the_common_sizes_are_kept_exactly(void **state)
{
	static const uint16_t ip4[] = {536, 1360, 1400, 1440, 1460, 8960};
	static const uint16_t ip6[] = {1220, 1280, 1340, 1420, 1440, 8940};

	for (unsigned i = 0; i < KILN_COUNT_OF(ip4); i++) {
		assert_int_equal(size_kept(false, ip4[i]), ip4[i]);
		assert_int_equal(size_kept(true, ip6[i]), ip6[i]);
	}
}

static void no_size_is_raised_above_what_the_peer_takes(void **state)
{
	for (unsigned mss = 536; mss < 65536; mss += 7) {
		assert_in_range(size_kept(false, (uint16_t)mss), 1, mss);
		assert_in_range(size_kept(true, (uint16_t)mss), 1, mss);
	}
}

/* RFC 9293, MUST-15. */
static void a_peer_that_names_no_size_gets_that_of_its_family(void **state)
{
	struct tcp_segment syn = {.flags = TCP_SYN};
	struct ip_addr peer4 = ip_from4(ip4_of(0x0a000001));

	assert_int_equal(tcp_handshake_of(tcp, &peer4, &syn, tcp_seq_of(1)).mss_peer,
	                 536);
	assert_int_equal(tcp_handshake_of(tcp, &peer6, &syn, tcp_seq_of(1)).mss_peer,
	                 1220);
}

static void check_options(const struct tcp_tuple *tuple, uint8_t scale, bool sack)
{
	struct tcp_handshake in = {
	    .irs = tcp_seq_of(PEER_ISN),
	    .mss_peer = 1460,
	    .has_timestamps = true,
	    .has_window_scale = scale <= TCP_WINDOW_SCALE_MAX,
	    .snd_wscale = scale,
	    .has_sack = sack,
	};
	struct tcp_handshake out;
	uint32_t now = tcp_timestamp_now(tcp, tcp_timestamp_offset(tcp, tuple));
	uint32_t sent = tcp_cookie_timestamp(tcp, tuple, &in);

	assert_true(exchange(tuple, &in, &out));
	assert_int_equal(out.has_window_scale, in.has_window_scale);
	if (in.has_window_scale)
		assert_int_equal(out.snd_wscale, scale);
	assert_int_equal(out.has_sack, sack);
	assert_int_equal(out.ts_recent, 77);
	/* Never ahead of the clock, nor far behind. */
	assert_in_range(now - sent, 0, 62);
}

static void the_timestamp_keeps_the_options_across_its_wrap(void **state)
{
	struct tcp_tuple tuple = tuple_of(true);
	uint32_t offset = tcp_timestamp_offset(tcp, &tuple);

	for (int32_t at = -70; at < 70; at++) {
		uint64_t ms = ((uint64_t)1 << 32) + (uint32_t)at - offset;

		net.kiln.loop.now = KILN_MS(ms);
		assert_int_equal(tcp_timestamp_now(tcp, offset), (uint32_t)at);
		for (uint8_t scale = 0; scale <= TCP_WINDOW_SCALE_MAX + 1; scale++) {
			check_options(&tuple, scale, false);
			check_options(&tuple, scale, true);
		}
	}
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    PLAY(the_common_sizes_are_kept_exactly),
	    PLAY(no_size_is_raised_above_what_the_peer_takes),
	    PLAY(a_peer_that_names_no_size_gets_that_of_its_family),
	    PLAY(the_timestamp_keeps_the_options_across_its_wrap),
	};

	return cmocka_run_group_tests_name("tcp_cookie", all, NULL, NULL) != 0;
}
