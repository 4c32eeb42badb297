/*
 * TSIG (RFC 8945): what dig, kdig and BIND signed is found good, and a bit of it that is changed
 * is not; a server and a client of ours, with everything that can be wrong between them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/bytes.h>
#include <kiln/dns_tsig.h>
#include "dns_tsig_recorded.h"

enum { NOW = 1700000000 };

static struct dns_tsig_key key_of(const char *text)
{
	struct dns_tsig_key key;

	assert_true(dns_tsig_key_parse(slice_text(text), &key));
	return key;
}

static struct dns_tsig read_of(struct slice message)
{
	struct dns_tsig tsig;

	assert_true(dns_tsig_read(message, &tsig));
	return tsig;
}

/* Without its first message, which is returned. */
static struct slice next_message(struct slice *stream)
{
	struct cursor c = cursor_of(*stream);
	struct slice message = cursor_bytes(&c, cursor_u16(&c));

	assert_false(c.failed);
	*stream = cursor_rest(&c);
	return message;
}

#define RECORDED(name) slice_of(recorded_##name, sizeof(recorded_##name))

/* ---- of others ---- */

static enum dns_tsig_error check_recorded(struct slice question, struct slice answer,
                                          struct dns_tsig_exchange *x)
{
	static struct dns_tsig_key keys[2]; /* which the exchange refers to */
	struct dns_tsig tsig = read_of(question);

	keys[0] = key_of("hmac-sha512:big.example:" RECORDED_SECRET);
	keys[1] = key_of("transfer.example:" RECORDED_SECRET);
	enum dns_tsig_error error =
	    dns_tsig_check_request(x, keys, 2, question, &tsig, RECORDED_AT);

	if (error)
		return error;
	tsig = read_of(answer);
	return dns_tsig_check_answer(x, answer, &tsig, RECORDED_AT);
}

static void what_dig_and_kdig_ask_and_bind_answers_is_good(void **state)
{
	struct dns_tsig_exchange x;

	assert_int_equal(check_recorded(RECORDED(question), RECORDED(answer), &x), 0);
	assert_int_equal(check_recorded(RECORDED(big_question), RECORDED(big_answer), &x),
	                 0);
}

/* But for the ID, which a forwarder may change; the case of names' letters; and the first bit of
 * the TTL, which makes it 0 (RFC 2181, 8). */
static void no_bit_of_a_message_can_be_changed(void **state)
{
	uint8_t changed[sizeof(recorded_answer)];
	struct dns_tsig_exchange x;
	struct dns_tsig tsig = read_of(RECORDED(answer));

	for (size_t bit = 16; bit < 8 * sizeof(changed); bit++) {
		memcpy(changed, recorded_answer, sizeof(changed));
		changed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		bool equal = (bit / 8 > tsig.at && bit % 8 == 5) ||
		             bit == 8 * (tsig.at + tsig.key.size + 4) + 7;
		struct slice answer = slice_of(changed, sizeof(changed));
		struct dns_tsig read;
		if (!dns_tsig_read(answer, &read) || read.at == answer.len || equal)
			continue;
		assert_int_not_equal(check_recorded(RECORDED(question), answer, &x), 0);
	}
}

static void an_id_that_was_changed_on_the_way_does_not_matter(void **state)
{
	uint8_t changed[sizeof(recorded_answer)];
	struct dns_tsig_exchange x;

	memcpy(changed, recorded_answer, sizeof(changed));
	changed[0] ^= 0xff;
	assert_int_equal(
	    check_recorded(RECORDED(question), slice_of(changed, sizeof(changed)), &x),
	    0);
}

static void each_message_of_a_transfer_is_good_behind_the_one_before(void **state)
{
	struct slice questions = RECORDED(transfer_question),
	             answers = RECORDED(transfer);
	struct slice question = next_message(&questions), first = next_message(&answers);
	struct dns_tsig_exchange x, before;
	struct dns_tsig tsig;
	unsigned count = 1;

	assert_int_equal(check_recorded(question, first, &x), 0);
	for (; answers.len; count++) {
		struct slice message = next_message(&answers);

		before = x;
		tsig = read_of(message);
		assert_int_equal(dns_tsig_check_answer(&x, message, &tsig, RECORDED_AT),
		                 0);
		/* The same again, or one left out, is not. */
		x = before;
		if (answers.len) {
			struct slice rest = answers, later = next_message(&rest);
			tsig = read_of(later);
			assert_int_equal(
			    dns_tsig_check_answer(&x, later, &tsig, RECORDED_AT),
			    DNS_TSIG_BADSIG);
		}
		x = before;
		tsig = read_of(message);
		assert_int_equal(dns_tsig_check_answer(&x, message, &tsig, RECORDED_AT),
		                 0);
	}
	assert_int_equal(count, 4);
}

/* The recorded question again, signed by us at the same time: the same bytes. */
static void what_is_signed_is_what_dig_signs(void **state)
{
	struct dns_tsig_key key = key_of("transfer.example:" RECORDED_SECRET);
	struct dns_tsig tsig = read_of(RECORDED(question));
	struct dns_tsig_exchange x;
	uint8_t message[512];

	memcpy(message, recorded_question, tsig.at);
	message[11]--;
	dns_tsig_begin(&x, &key);
	assert_int_equal(tsig.at + dns_tsig_room(&x), sizeof(recorded_question));
	struct slice s =
	    dns_tsig_sign(&x, message, tsig.at, sizeof(message), RECORDED_AT);
	assert_true(slice_equal(s, RECORDED(question)));
}

/* ---- of ours ---- */

struct play {
	struct dns_tsig_key client, server;
	struct dns_tsig_exchange asks, answers;
	uint8_t buffer[2048];
	struct slice message;
};

static void begin(struct play *p, const char *client, const char *server)
{
	p->client = key_of(client);
	p->server = key_of(server);
}

static void write_message(struct play *p, uint16_t flags)
{
	struct dns_header header = {.id = 0x1234, .flags = flags};
	struct dns_question question = {.type = DNS_SOA, .class = DNS_CLASS_IN};
	struct dns_builder b;

	assert_true(dns_name_parse(SLICE("Example.com"), &question.name));
	dns_build(&b, p->buffer, sizeof(p->buffer), &header);
	assert_true(dns_build_question(&b, &question));
	p->message = dns_build_done(&b);
}

static void sign(struct play *p, struct dns_tsig_exchange *x, uint64_t now)
{
	size_t len = p->message.len, room = dns_tsig_room(x);

	p->message = dns_tsig_sign(x, p->buffer, len, sizeof(p->buffer), now);
	assert_int_equal(p->message.len, len + room);
}

static enum dns_tsig_error ask(struct play *p, uint64_t sent, uint64_t received)
{
	write_message(p, 0);
	dns_tsig_begin(&p->asks, &p->client);
	sign(p, &p->asks, sent);
	struct dns_tsig tsig = read_of(p->message);
	return dns_tsig_check_request(&p->answers, &p->server, 1, p->message, &tsig,
	                              received);
}

static enum dns_tsig_error answer(struct play *p, uint64_t sent, uint64_t received)
{
	write_message(p, DNS_FLAG_RESPONSE);
	sign(p, &p->answers, sent);
	struct dns_tsig tsig = read_of(p->message);
	return dns_tsig_check_answer(&p->asks, p->message, &tsig, received);
}

static void a_question_and_its_answer_are_good_with_each_algorithm(void **state)
{
	static const char *const keys[] = {
	    "k.example:MTIzNA==", "hmac-sha1:k.example:MTIzNA==",
	    "hmac-sha384:K.Example:MTIzNA==", "HMAC-SHA512:k.example.:MTIzNA=="};
	struct play p;

	for (unsigned i = 0; i < KILN_COUNT_OF(keys); i++) {
		begin(&p, keys[i], keys[i]);
		assert_int_equal(ask(&p, NOW, NOW + DNS_TSIG_FUDGE), DNS_TSIG_OK);
		assert_int_equal(answer(&p, NOW, NOW), DNS_TSIG_OK);
		assert_int_equal(answer(&p, NOW, NOW), DNS_TSIG_OK);
	}
}

static void an_unknown_key_is_answered_unsigned(void **state)
{
	struct play p;

	begin(&p, "one.example:MTIzNA==", "other.example:MTIzNA==");
	assert_int_equal(ask(&p, NOW, NOW), DNS_TSIG_BADKEY);
	assert_int_equal(answer(&p, NOW, NOW), DNS_TSIG_BADKEY);
	struct dns_tsig tsig = read_of(p.message);
	assert_int_equal(tsig.mac.len, 0);
	assert_true(dns_name_equal(&tsig.key, &p.client.name));
	/* An algorithm of its own makes a key of its own. */
	begin(&p, "one.example:MTIzNA==", "hmac-sha1:one.example:MTIzNA==");
	assert_int_equal(ask(&p, NOW, NOW), DNS_TSIG_BADKEY);
}

static void another_secret_is_answered_unsigned(void **state)
{
	struct play p;

	begin(&p, "k.example:MTIzNA==", "k.example:MTIzNQ==");
	assert_int_equal(ask(&p, NOW, NOW), DNS_TSIG_BADSIG);
	assert_int_equal(answer(&p, NOW, NOW), DNS_TSIG_BADSIG);
	assert_int_equal(read_of(p.message).mac.len, 0);
}

static void a_clock_that_is_wrong_is_told_the_time_signed(void **state)
{
	struct play p;

	begin(&p, "k.example:MTIzNA==", "k.example:MTIzNA==");
	assert_int_equal(ask(&p, NOW, NOW - DNS_TSIG_FUDGE), DNS_TSIG_OK);
	assert_int_equal(ask(&p, NOW, NOW - DNS_TSIG_FUDGE - 1), DNS_TSIG_BADTIME);
	assert_int_equal(ask(&p, NOW, NOW + DNS_TSIG_FUDGE + 1), DNS_TSIG_BADTIME);
	assert_int_equal(answer(&p, NOW + 400, NOW), DNS_TSIG_BADTIME);
	struct dns_tsig tsig = read_of(p.message);
	assert_int_equal(tsig.mac.len, DIGEST_SHA256);
	assert_int_equal(tsig.time, NOW);
	struct cursor c = cursor_of(tsig.other);
	assert_int_equal(cursor_u16(&c), 0);
	assert_int_equal(cursor_u32(&c), NOW + 400);
}

/* The MAC of the message cut off to so many bytes. */
static struct slice cut_off(struct play *p, size_t to)
{
	struct dns_tsig tsig = read_of(p->message);
	size_t at = (size_t)(tsig.mac.data - p->buffer), cut = tsig.mac.len - to;
	size_t data = at - 10 - tsig.algorithm.size - 2; /* where the data's length is */
	struct writer w = writer_of(p->buffer + data, 2);

	memmove(p->buffer + at + to, p->buffer + at + tsig.mac.len,
	        p->message.len - at - tsig.mac.len);
	writer_u16(&w, (uint16_t)(tsig.algorithm.size + 16 + to));
	w = writer_of(p->buffer + at - 2, 2);
	writer_u16(&w, (uint16_t)to);
	return slice_take(p->message, p->message.len - cut);
}

static enum dns_tsig_error ask_cut_off(struct play *p, size_t to)
{
	write_message(p, 0);
	dns_tsig_begin(&p->asks, &p->client);
	sign(p, &p->asks, NOW);
	p->message = cut_off(p, to);
	struct dns_tsig tsig = read_of(p->message);
	return dns_tsig_check_request(&p->answers, &p->server, 1, p->message, &tsig, NOW);
}

static void a_mac_is_cut_off_as_far_as_the_key_allows(void **state)
{
	struct play p;

	begin(&p, "k.example:MTIzNA==", "hmac-sha256-160:k.example:MTIzNA==");
	assert_int_equal(ask_cut_off(&p, 32), DNS_TSIG_OK);
	assert_int_equal(ask_cut_off(&p, 20), DNS_TSIG_OK);
	assert_int_equal(ask_cut_off(&p, 19), DNS_TSIG_BADTRUNC);
	assert_non_null(p.answers.key); /* and the answer is signed (5.3.2) */
	assert_int_equal(ask_cut_off(&p, 16), DNS_TSIG_BADTRUNC);
	assert_int_equal(ask_cut_off(&p, 15), DNS_TSIG_MALFORMED);
	begin(&p, "k.example:MTIzNA==", "k.example:MTIzNA==");
	assert_int_equal(ask_cut_off(&p, 31), DNS_TSIG_BADTRUNC);
	begin(&p, "hmac-sha1:k.example:MTIzNA==", "hmac-sha1-80:k.example:MTIzNA==");
	assert_int_equal(ask_cut_off(&p, 10), DNS_TSIG_OK);
	assert_int_equal(ask_cut_off(&p, 9), DNS_TSIG_MALFORMED);
}

static void an_answer_that_is_not_signed_is_none(void **state)
{
	struct play p;

	begin(&p, "k.example:MTIzNA==", "k.example:MTIzNA==");
	assert_int_equal(ask(&p, NOW, NOW), DNS_TSIG_OK);
	write_message(&p, DNS_FLAG_RESPONSE);
	struct dns_tsig tsig = read_of(p.message);
	assert_int_equal(tsig.at, p.message.len);
	assert_int_equal(dns_tsig_check_answer(&p.asks, p.message, &tsig, NOW),
	                 DNS_TSIG_BADSIG);
}

/* RFC 8945, 5.3.1: the MAC of the next that is signed covers them. */
static void messages_between_signed_ones_may_be_unsigned(void **state)
{
	struct play p;

	begin(&p, "k.example:MTIzNA==", "k.example:MTIzNA==");
	for (unsigned changed = 0; changed < 2; changed++) {
		assert_int_equal(ask(&p, NOW, NOW), DNS_TSIG_OK);
		assert_int_equal(answer(&p, NOW, NOW), DNS_TSIG_OK);
		for (unsigned i = 0; i < DNS_TSIG_UNSIGNED; i++) {
			write_message(&p, DNS_FLAG_RESPONSE);
			hmac_add(&p.answers.hmac, p.message); /* as it signs behind it */
			p.buffer[3] = (uint8_t)(changed && i == 50 ? 5 : 0);
			struct dns_tsig tsig = read_of(p.message);
			assert_int_equal(
			    dns_tsig_check_answer(&p.asks, p.message, &tsig, NOW),
			    DNS_TSIG_OK);
			assert_int_equal(p.asks.since, i + 1);
		}
		assert_int_equal(answer(&p, NOW, NOW),
		                 changed ? DNS_TSIG_BADSIG : DNS_TSIG_OK);
		assert_int_equal(p.asks.since, 0);
	}
}

static void a_hundred_unsigned_messages_are_one_too_many(void **state)
{
	struct play p;
	enum dns_tsig_error error = DNS_TSIG_OK;
	unsigned taken = 0;

	begin(&p, "k.example:MTIzNA==", "k.example:MTIzNA==");
	assert_int_equal(ask(&p, NOW, NOW), DNS_TSIG_OK);
	assert_int_equal(answer(&p, NOW, NOW), DNS_TSIG_OK);
	write_message(&p, DNS_FLAG_RESPONSE);
	struct dns_tsig tsig = read_of(p.message);
	for (; !error; taken++)
		error = dns_tsig_check_answer(&p.asks, p.message, &tsig, NOW);
	assert_int_equal(taken, 100);
	assert_int_equal(error, DNS_TSIG_BADSIG);
}

/* ---- what is no record ---- */

static void a_record_that_is_not_the_last_is_malformed(void **state)
{
	struct dns_header header = {.id = 1};
	struct dns_record record = {.section = DNS_ADDITIONALS, .name = {.size = 1}};
	struct dns_tsig tsig = read_of(RECORDED(question));
	struct dns_builder b;
	uint8_t buffer[512];
	struct slice data = slice_skip(RECORDED(question), tsig.at + tsig.key.size + 10);

	for (unsigned variant = 0; variant < 6; variant++) {
		dns_build(&b, buffer, sizeof(buffer), &header);
		record.type = DNS_TSIG;
		record.class = variant == 1 ? DNS_CLASS_IN : DNS_CLASS_ANY;
		record.ttl = variant == 2;
		record.section = variant == 3 ? DNS_ANSWERS : DNS_ADDITIONALS;
		record.data = variant == 4 ? slice_take(data, data.len - 1) : data;
		assert_true(dns_build_record(&b, &record));
		if (variant == 5) {
			record = (struct dns_record){.section = DNS_ADDITIONALS,
			                             .name = {.size = 1},
			                             .type = DNS_OPT,
			                             .class = 512};
			assert_true(dns_build_record(&b, &record));
		}
		struct dns_tsig read;
		assert_int_equal(dns_tsig_read(dns_build_done(&b), &read), variant == 0);
	}
}

static void a_message_cut_short_has_no_record(void **state)
{
	struct slice whole = RECORDED(answer);
	struct dns_tsig tsig;

	for (size_t len = 0; len < whole.len; len++)
		assert_false(dns_tsig_read(slice_take(whole, len), &tsig));
}

static void texts_that_are_no_keys_are_refused(void **state)
{
	static const char *const texts[] = {
	    "",
	    "k.example",
	    "k.example:",
	    "k.example:MTIz=",
	    "k.example:M",
	    "k.example:M===",
	    "k.example:MT*z",
	    "hmac-md5:k.example:MTIz",
	    "hmac-sha256:k..example:MTIz",
	    "hmac-sha256-120:k:MTIz",
	    "hmac-sha256-264:k:MTIz",
	    "hmac-sha1-72:k:MTIz",
	    "hmac-sha256-129:k:MTIz",
	    "hmac-sha256-:k:MTIz",
	    ":MTIz",
	    "hmac-sha256:k:MTIz:MTIz",
	};
	struct dns_tsig_key key;

	for (unsigned i = 0; i < KILN_COUNT_OF(texts); i++)
		assert_false(dns_tsig_key_parse(slice_text(texts[i]), &key));
	assert_true(dns_tsig_key_parse(SLICE("k:+/8A"), &key));
	assert_int_equal(key.size, 3);
	assert_memory_equal(key.secret, "\xfb\xff\x00", 3);
	assert_int_equal(key.least, DIGEST_SHA256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_dig_and_kdig_ask_and_bind_answers_is_good),
	    cmocka_unit_test(no_bit_of_a_message_can_be_changed),
	    cmocka_unit_test(an_id_that_was_changed_on_the_way_does_not_matter),
	    cmocka_unit_test(each_message_of_a_transfer_is_good_behind_the_one_before),
	    cmocka_unit_test(what_is_signed_is_what_dig_signs),
	    cmocka_unit_test(a_question_and_its_answer_are_good_with_each_algorithm),
	    cmocka_unit_test(an_unknown_key_is_answered_unsigned),
	    cmocka_unit_test(another_secret_is_answered_unsigned),
	    cmocka_unit_test(a_clock_that_is_wrong_is_told_the_time_signed),
	    cmocka_unit_test(a_mac_is_cut_off_as_far_as_the_key_allows),
	    cmocka_unit_test(an_answer_that_is_not_signed_is_none),
	    cmocka_unit_test(messages_between_signed_ones_may_be_unsigned),
	    cmocka_unit_test(a_hundred_unsigned_messages_are_one_too_many),
	    cmocka_unit_test(a_record_that_is_not_the_last_is_malformed),
	    cmocka_unit_test(a_message_cut_short_has_no_record),
	    cmocka_unit_test(texts_that_are_no_keys_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
