/*
 * TCP as RFC 9293 writes it down: a reference to compare the real one with. Section 3.10
 * (SEND, CLOSE, ABORT, SEGMENT ARRIVES in every state) is transcribed step by step, with the
 * changes that RFC 5961 (blind attacks), 7323 (timestamps) and 1337 (TIME-WAIT) make to it.
 * It shares nothing with lib/net: sequence numbers are plain integers, received text is an
 * array of bytes that are there or not, and there are no clocks. What it answers a segment
 * with is returned, not sent.
 *
 * It does not say when data is sent, or when an ACK that may be delayed is: whoever drives
 * it tells what was sent, and the model checks that it was allowed.
 *
 * Where Kiln differs on purpose, the model does as Kiln does, and a comment that begins with
 * DIFFERENCE gives the paragraph and the reason.
 */
#ifndef TEST_TCP_MODEL_H
#define TEST_TCP_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum rfc_state {
	RFC_CLOSED,
	RFC_LISTEN,
	RFC_SYN_SENT,
	RFC_SYN_RECEIVED,
	RFC_ESTABLISHED,
	RFC_FIN_WAIT_1,
	RFC_FIN_WAIT_2,
	RFC_CLOSE_WAIT,
	RFC_CLOSING,
	RFC_LAST_ACK,
	RFC_TIME_WAIT,
};

struct rfc_segment {
	bool syn, ack, rst, fin;
	uint32_t seq, ack_number, window; /* the window as on the wire */
	uint32_t text;                    /* bytes */
	bool has_timestamp;
	uint32_t timestamp;
	bool offers_timestamps; /* of a SYN */
	int scale;              /* that a SYN offers; -1: none */
};

/* What a segment is answered with. Data may always be sent as well. */
enum rfc_answer_kind {
	RFC_NOTHING,
	RFC_MAY_ACK,  /* now, later, or with data */
	RFC_MUST_ACK, /* now: <SEQ=SND.NXT><ACK=RCV.NXT> */
	RFC_SYN_ACK,  /* <SEQ=ISS><ACK=RCV.NXT> */
	RFC_RESET,
};

struct rfc_answer {
	enum rfc_answer_kind kind;
	uint32_t seq, ack; /* of a reset */
	bool has_ack;
	bool optional; /* what time may bring, if it does */
};

enum { RFC_TEXT_MOST = 1 << 20, RFC_SCALE = 14 };

struct rfc_tcb {
	enum rfc_state state;
	bool passive;  /* it came from LISTEN, and goes back there */
	bool detached; /* the user has closed it, and reads no more */
	bool closing;  /* CLOSE was called before the handshake ended */
	bool is_small; /* DIFFERENCE: as below, FIN-WAIT-2 without a user keeps little */

	uint32_t iss, snd_una, snd_nxt, snd_wnd, snd_wl1, snd_wl2, max_snd_wnd;
	uint32_t irs, rcv_nxt, rcv_edge; /* the right edge of the window, as promised */
	uint32_t syn_window;             /* that our SYN promised */
	int snd_scale, rcv_scale;        /* in use; 0 if not */
	bool fin_sent;

	bool has_timestamps;
	uint32_t ts_recent, last_ack_sent;

	bool peer_fin;
	uint32_t peer_fin_at;
	uint8_t have[RFC_TEXT_MOST]; /* by distance from irs + 1 */
};

static inline int32_t rfc_after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

static inline uint32_t rfc_length(const struct rfc_segment *s)
{
	return s->text + s->syn + s->fin;
}

static inline uint32_t rfc_window(const struct rfc_tcb *t)
{
	return rfc_after(t->rcv_edge, t->rcv_nxt) > 0 ? t->rcv_edge - t->rcv_nxt : 0;
}

static inline struct rfc_answer rfc_says(enum rfc_answer_kind kind)
{
	return (struct rfc_answer){.kind = kind};
}

/* 3.10.7.1: the reset that fits a segment for nobody. */
static inline struct rfc_answer rfc_reset_for(const struct rfc_segment *s)
{
	if (s->rst)
		return rfc_says(RFC_NOTHING);
	if (s->ack)
		return (struct rfc_answer){.kind = RFC_RESET, .seq = s->ack_number};
	return (struct rfc_answer){
	    .kind = RFC_RESET, .ack = s->seq + rfc_length(s), .has_ack = true};
}

static inline void rfc_forget(struct rfc_tcb *t)
{
	bool passive = t->passive;

	memset(t, 0, sizeof(*t));
	t->passive = passive;
	t->state = passive ? RFC_LISTEN : RFC_CLOSED;
}

/* ---- LISTEN and SYN-SENT ---- */

static inline void rfc_take_syn(struct rfc_tcb *t, const struct rfc_segment *s)
{
	t->irs = s->seq;
	t->rcv_nxt = s->seq + 1;
	t->last_ack_sent = t->rcv_nxt;
	t->has_timestamps = s->offers_timestamps;
	t->ts_recent = s->timestamp;
	t->rcv_edge = t->rcv_nxt + t->syn_window;
	t->snd_scale = s->scale < 0 ? 0 : s->scale;
	if (s->scale < 0)
		t->rcv_scale = 0;
}

/* 3.10.7.2. The initial number is chosen by who drives the model: it sees the SYN-ACK. */
static inline struct rfc_answer rfc_listen(struct rfc_tcb *t, const struct rfc_segment *s)
{
	if (s->rst)
		return rfc_says(RFC_NOTHING);
	if (s->ack)
		return rfc_reset_for(s);
	if (!s->syn)
		return rfc_says(RFC_NOTHING);
	/* DIFFERENCE, 3.10.7.2, third: text and FIN in the SYN are not kept, as nothing is
	 * known of who sends them; the peer will send them again. */
	rfc_take_syn(t, s);
	t->state = RFC_SYN_RECEIVED;
	return rfc_says(RFC_SYN_ACK);
}

static inline struct rfc_segment rfc_trim(const struct rfc_tcb *t, struct rfc_segment s);
static inline struct rfc_answer rfc_text_and_fin(struct rfc_tcb *t, struct rfc_segment s);

/* 3.10.7.3. */
static inline struct rfc_answer rfc_syn_sent(struct rfc_tcb *t,
                                             const struct rfc_segment *s)
{
	struct rfc_segment rest = *s;

	/* First, check the ACK bit. */
	if (s->ack && s->ack_number != t->snd_nxt)
		return rfc_reset_for(s);
	/* Second, check the RST bit. */
	if (s->rst) {
		if (s->ack)
			rfc_forget(t);
		return rfc_says(RFC_NOTHING);
	}
	/* Fourth, check the SYN bit. Fifth: neither SYN nor RST. */
	if (!s->syn)
		return rfc_says(RFC_NOTHING);
	rfc_take_syn(t, s);
	if (!s->ack) {
		/* DIFFERENCE, 3.10.7.3, fourth: its text is not kept, as in LISTEN. */
		t->state = RFC_SYN_RECEIVED;
		return rfc_says(RFC_SYN_ACK);
	}
	t->snd_una = s->ack_number;
	t->snd_wnd = t->max_snd_wnd = s->window;
	t->snd_wl1 = s->seq;
	t->snd_wl2 = s->ack_number;
	t->state = t->closing ? RFC_FIN_WAIT_1 : RFC_ESTABLISHED;
	rest.seq++;
	rest.syn = false;
	rfc_text_and_fin(t, rfc_trim(t, rest));
	return rfc_says(RFC_MUST_ACK);
}

/* ---- 3.10.7.4, first: check sequence number ---- */

static inline bool rfc_acceptable(const struct rfc_tcb *t, const struct rfc_segment *s)
{
	uint32_t length = rfc_length(s), window = rfc_window(t);
	int32_t first = rfc_after(s->seq, t->rcv_nxt);
	int32_t last = rfc_after(s->seq + length - 1, t->rcv_nxt);

	/* DIFFERENCE, table 6: a segment without text on the right edge is acceptable (a
	 * peer that has filled the window acknowledges from there), and one that begins before
	 * the window and ends behind it is. */
	if (length == 0)
		return first >= 0 && (uint32_t)first <= window;
	if (window == 0)
		return false;
	return (first < 0 || (uint32_t)first < window) && last >= 0;
}

/* RFC 7323, 5.3, R1. */
static inline bool rfc_is_old(const struct rfc_tcb *t, const struct rfc_segment *s)
{
	return t->has_timestamps && s->has_timestamp && !s->rst &&
	       rfc_after(s->timestamp, t->ts_recent) < 0;
}

/* Only what lies in the window is looked at further. */
static inline struct rfc_segment rfc_trim(const struct rfc_tcb *t, struct rfc_segment s)
{
	int32_t before = rfc_after(t->rcv_nxt, s.seq);

	if (before > 0) {
		s.text = s.text > (uint32_t)before ? s.text - (uint32_t)before : 0;
		s.seq = t->rcv_nxt;
	}
	uint32_t room = rfc_after(t->rcv_edge, s.seq) > 0 ? t->rcv_edge - s.seq : 0;
	if (s.text > room) {
		s.text = room;
		s.fin = false;
	}
	return s;
}

/* ---- fifth: check the ACK field ---- */

static inline void rfc_window_update(struct rfc_tcb *t, const struct rfc_segment *s)
{
	if (rfc_after(s->ack_number, t->snd_una) < 0)
		return;
	if (rfc_after(t->snd_wl1, s->seq) < 0 ||
	    (t->snd_wl1 == s->seq && rfc_after(t->snd_wl2, s->ack_number) <= 0)) {
		t->snd_wnd = s->window << t->snd_scale;
		t->snd_wl1 = s->seq;
		t->snd_wl2 = s->ack_number;
		if (t->snd_wnd > t->max_snd_wnd)
			t->max_snd_wnd = t->snd_wnd;
	}
}

/* RFC 5961, 5.2: SND.UNA - MAX.SND.WND =< SEG.ACK =< SND.NXT. */
static inline bool rfc_ack_is_plausible(const struct rfc_tcb *t,
                                        const struct rfc_segment *s)
{
	return rfc_after(s->ack_number, t->snd_nxt) <= 0 &&
	       rfc_after(s->ack_number, t->snd_una - t->max_snd_wnd) >= 0;
}

static inline bool rfc_fin_is_acked(const struct rfc_tcb *t)
{
	return t->fin_sent && t->snd_una == t->snd_nxt;
}

/* ---- seventh and eighth: the segment text, the FIN bit ---- */

static inline bool rfc_takes_text(const struct rfc_tcb *t)
{
	return t->state == RFC_ESTABLISHED || t->state == RFC_FIN_WAIT_1 ||
	       t->state == RFC_FIN_WAIT_2;
}

static inline void rfc_fin_arrives(struct rfc_tcb *t)
{
	t->rcv_nxt++;
	switch (t->state) {
	case RFC_ESTABLISHED:
		t->state = RFC_CLOSE_WAIT;
		break;
	case RFC_FIN_WAIT_1: /* were ours acknowledged, it would be FIN-WAIT-2 */
		t->state = RFC_CLOSING;
		break;
	case RFC_FIN_WAIT_2:
		t->state = RFC_TIME_WAIT;
		break;
	default:
		break;
	}
}

static inline struct rfc_answer rfc_text_and_fin(struct rfc_tcb *t, struct rfc_segment s)
{
	bool gap;

	if (!rfc_takes_text(t))
		return rfc_says(RFC_NOTHING);
	if (s.text > 0 && t->detached) {
		/* RFC 1122, 4.2.2.13: nobody will ever read it. */
		struct rfc_answer reset = {.kind = RFC_RESET,
		                           .seq = t->snd_nxt,
		                           .ack = t->rcv_nxt,
		                           .has_ack = true};

		rfc_forget(t);
		return reset;
	}
	gap = s.seq != t->rcv_nxt;
	for (uint32_t i = 0; i < s.text; i++)
		t->have[s.seq + i - (t->irs + 1)] = 1;
	if (s.fin) {
		t->peer_fin = true;
		t->peer_fin_at = s.seq + s.text;
	}
	while (t->have[t->rcv_nxt - (t->irs + 1)])
		t->rcv_nxt++;
	if (t->peer_fin && t->peer_fin_at == t->rcv_nxt) {
		rfc_fin_arrives(t);
		return rfc_says(RFC_MUST_ACK);
	}
	if (s.text == 0 && !s.fin)
		return rfc_says(RFC_NOTHING);
	/* RFC 5681, 4.2: at once beyond a gap, else it may be delayed. */
	return rfc_says(gap ? RFC_MUST_ACK : RFC_MAY_ACK);
}

/* ---- SYN-RECEIVED ---- */

static inline struct rfc_answer rfc_rest(struct rfc_tcb *t, const struct rfc_segment *s);

static inline struct rfc_answer rfc_syn_received(struct rfc_tcb *t, struct rfc_segment s)
{
	/* DIFFERENCE, first: the peer's SYN again is answered with our SYN-ACK, which was
	 * lost, where the letter has an ACK that says less. */
	if (t->passive && s.syn && !s.ack && !s.rst && s.seq == t->irs)
		return rfc_says(RFC_SYN_ACK);
	/* DIFFERENCE, first: in a simultaneous open the SYN-ACK repeats a SYN that was
	 * taken, and by the letter is not acceptable; figure 7 has it so. */
	if (!t->passive && s.syn && s.ack && !s.rst && s.seq == t->irs) {
		s.syn = false;
		s.seq++;
		s.window >>= t->snd_scale;
	}
	if (t->has_timestamps && !s.has_timestamp && !s.rst)
		return rfc_says(RFC_NOTHING); /* RFC 7323, 3.2 */
	if (rfc_is_old(t, &s) || !rfc_acceptable(t, &s)) {
		if (s.rst)
			return rfc_says(RFC_NOTHING);
		/* DIFFERENCE, first: in a simultaneous open text or a FIN brings the SYN-ACK
		 * again, which acknowledges as well, and may have been lost. */
		return rfc_says(!t->passive && (s.text || s.fin) ? RFC_SYN_ACK
		                                                 : RFC_MUST_ACK);
	}
	if (s.rst) {
		if (s.seq != t->rcv_nxt) /* RFC 5961, 3.2 */
			return rfc_says(RFC_MUST_ACK);
		rfc_forget(t);
		return rfc_says(RFC_NOTHING);
	}
	/* DIFFERENCE, fourth: a SYN in the window does not send us back to LISTEN, but is
	 * challenged as in the other states: it may come from anyone (RFC 5961, 4). */
	if (s.syn)
		return rfc_says(RFC_MUST_ACK);
	if (!s.ack)
		return rfc_says(RFC_NOTHING);
	if (rfc_after(s.ack_number, t->snd_una) <= 0 ||
	    rfc_after(s.ack_number, t->snd_nxt) > 0)
		return rfc_reset_for(&s);
	t->state = t->closing ? RFC_FIN_WAIT_1 : RFC_ESTABLISHED;
	t->snd_una = s.ack_number;
	t->snd_wnd = t->max_snd_wnd = s.window << t->snd_scale;
	t->snd_wl1 = s.seq;
	t->snd_wl2 = s.ack_number;
	return rfc_rest(t, &s);
}

/* ---- the other states ---- */

/* The fifth step and those behind it; the segment is acceptable and has an ACK. */
static inline struct rfc_answer rfc_rest(struct rfc_tcb *t, const struct rfc_segment *s)
{
	struct rfc_segment in = *s;

	/* DIFFERENCE, RFC 7323, 4.3: the timestamp is kept once the ACK field has been
	 * checked as well, so that nobody can spoil it by guessing the window. */
	if (t->has_timestamps && s->has_timestamp &&
	    rfc_after(s->seq, t->last_ack_sent) <= 0)
		t->ts_recent = s->timestamp;
	in = rfc_trim(t, in);
	if (rfc_after(s->ack_number, t->snd_una) > 0)
		t->snd_una = s->ack_number;
	in.ack_number = s->ack_number;
	rfc_window_update(t, &in);
	if (rfc_fin_is_acked(t)) {
		if (t->state == RFC_FIN_WAIT_1) {
			t->state = RFC_FIN_WAIT_2;
		} else if (t->state == RFC_CLOSING) {
			t->state = RFC_TIME_WAIT;
			return rfc_says(RFC_NOTHING);
		} else if (t->state == RFC_LAST_ACK) {
			rfc_forget(t);
			return rfc_says(RFC_NOTHING);
		}
	}
	return rfc_text_and_fin(t, in);
}

static inline struct rfc_answer rfc_synchronized(struct rfc_tcb *t, struct rfc_segment s)
{
	if (t->has_timestamps && !s.has_timestamp && !s.rst)
		return rfc_says(RFC_NOTHING); /* RFC 7323, 3.2 */
	if (rfc_is_old(t, &s))
		return rfc_says(RFC_MUST_ACK);
	/* 3.10.7.4, first: with a window of zero the ACK of a probe still counts. */
	bool probe = rfc_window(t) == 0 && !s.syn && rfc_after(t->rcv_nxt, s.seq) >= 0 &&
	             rfc_after(s.seq + rfc_length(&s), t->rcv_nxt) > 0;
	if (probe) {
		s.seq = t->rcv_nxt;
		s.text = 0;
		s.fin = false;
	}
	if (!rfc_acceptable(t, &s))
		return rfc_says(s.rst ? RFC_NOTHING : RFC_MUST_ACK);
	if (s.rst) {
		if (s.seq != t->rcv_nxt) /* RFC 5961, 3.2 */
			return rfc_says(RFC_MUST_ACK);
		if (t->state != RFC_TIME_WAIT) /* RFC 1337 */
			rfc_forget(t);
		return rfc_says(RFC_NOTHING);
	}
	if (s.syn) /* RFC 5961, 4.2 */
		return rfc_says(RFC_MUST_ACK);
	if (!s.ack)
		return rfc_says(probe ? RFC_MAY_ACK : RFC_NOTHING);
	if (!rfc_ack_is_plausible(t, &s))
		return rfc_says(RFC_MUST_ACK);
	struct rfc_answer answer = rfc_rest(t, &s);
	return probe && answer.kind == RFC_NOTHING && t->state >= RFC_ESTABLISHED
	           ? rfc_says(t->state == RFC_TIME_WAIT ? RFC_MAY_ACK : RFC_MUST_ACK)
	           : answer;
}

/*
 * DIFFERENCE, 3.10.4: FIN-WAIT-2 that the user has closed, and TIME-WAIT, are kept in a
 * small struct without queues. What comes is answered as ever but for this: text is reset
 * whatever its place, a FIN beyond a gap is not kept, and an old ACK is no reason to
 * answer.
 */
static inline struct rfc_answer rfc_small_fin_wait_2(struct rfc_tcb *t,
                                                     const struct rfc_segment *s)
{
	if (t->has_timestamps && !s->has_timestamp && !s->rst)
		return rfc_says(RFC_NOTHING); /* RFC 7323, 3.2 */
	if (rfc_is_old(t, s) || !rfc_acceptable(t, s))
		return rfc_says(s->rst ? RFC_NOTHING : RFC_MUST_ACK);
	if (s->rst && s->seq == t->rcv_nxt) {
		rfc_forget(t);
		return rfc_says(RFC_NOTHING);
	}
	if (s->rst || s->syn || rfc_after(s->ack_number, t->snd_nxt) > 0)
		return rfc_says(RFC_MUST_ACK);
	if (!s->ack)
		return rfc_says(RFC_NOTHING);
	if (s->text && rfc_after(s->seq + s->text, t->rcv_nxt) > 0) {
		struct rfc_answer reset = rfc_reset_for(s);

		rfc_forget(t);
		return reset;
	}
	if (s->fin && s->seq + s->text == t->rcv_nxt) {
		rfc_fin_arrives(t);
		t->ts_recent = s->timestamp;
		return rfc_says(RFC_MUST_ACK);
	}
	return rfc_says(RFC_NOTHING);
}

/* TIME-WAIT without a user: 3.10.7.4 with RFC 1337 and 6191. */
static inline struct rfc_answer rfc_small_time_wait(struct rfc_tcb *t,
                                                    const struct rfc_segment *s)
{
	bool bare_syn = s->syn && !s->ack && !s->rst && !s->fin, is_new;

	/* 3.6.1, MAY-2, and RFC 6191, 2: a SYN that is surely of a new connection. */
	is_new = rfc_after(s->seq, t->rcv_nxt) > 0;
	if (t->has_timestamps && s->has_timestamp && s->timestamp != t->ts_recent)
		is_new = rfc_after(s->timestamp, t->ts_recent) > 0;
	if (bare_syn && is_new && t->passive) {
		rfc_forget(t);
		return rfc_listen(t, s);
	}
	if (s->rst)
		return rfc_says(RFC_NOTHING);
	if (rfc_length(s) == 0 && s->seq == t->rcv_nxt)
		return rfc_says(RFC_NOTHING);
	return rfc_says(RFC_MUST_ACK);
}

/* SEGMENT ARRIVES. */
static inline struct rfc_answer rfc_segment_arrives(struct rfc_tcb *t,
                                                    const struct rfc_segment *s)
{
	switch (t->state) {
	case RFC_CLOSED:
		return rfc_reset_for(s);
	case RFC_LISTEN:
		return rfc_listen(t, s);
	case RFC_SYN_SENT:
		return rfc_syn_sent(t, s);
	case RFC_SYN_RECEIVED:
		return rfc_syn_received(t, *s);
	default:
		break;
	}
	if (t->is_small)
		return t->state == RFC_TIME_WAIT ? rfc_small_time_wait(t, s)
		                                 : rfc_small_fin_wait_2(t, s);
	return rfc_synchronized(t, *s);
}

/* ---- the user's calls ---- */

/* 3.10.4, for a user that goes on reading (a half close). */
static inline void rfc_shutdown(struct rfc_tcb *t)
{
	if (t->state == RFC_SYN_SENT || t->state == RFC_SYN_RECEIVED)
		t->closing = true;
	else if (t->state == RFC_ESTABLISHED)
		t->state = RFC_FIN_WAIT_1;
	else if (t->state == RFC_CLOSE_WAIT)
		t->state = RFC_LAST_ACK;
}

static inline struct rfc_answer rfc_abort(struct rfc_tcb *t);

/* 3.10.4, for one that does not. `unread`: text that was received and never will be. */
static inline struct rfc_answer rfc_close(struct rfc_tcb *t, bool unread)
{
	if (t->state == RFC_SYN_SENT) {
		rfc_forget(t);
		return rfc_says(RFC_NOTHING);
	}
	if (unread && t->state > RFC_LISTEN) /* RFC 1122, 4.2.2.13 */
		return rfc_abort(t);
	t->detached = true;
	rfc_shutdown(t);
	return rfc_says(RFC_MAY_ACK);
}

/* 3.10.5. */
static inline struct rfc_answer rfc_abort(struct rfc_tcb *t)
{
	struct rfc_answer reset = {
	    .kind = RFC_RESET, .seq = t->snd_nxt, .ack = t->rcv_nxt, .has_ack = true};

	/* DIFFERENCE: CLOSING and LAST-ACK reset as well, so that the peer need not wait. */
	if (t->state < RFC_SYN_RECEIVED || t->state == RFC_TIME_WAIT)
		reset.kind = RFC_NOTHING;
	rfc_forget(t);
	return reset;
}

#endif
