/*
 * Questions about the server itself, of class CHAOS: version.bind and version.server,
 * hostname.bind and id.server (RFC 4892), each a TXT of one string, if there is something to
 * say. See answer_private.h.
 */
#include "answer_private.h"

enum { POINTER_TO_QUESTION = 0xc00c, STRING_MOST = 255 };

static struct slice text_for(const struct answer *m)
{
	struct slice name = zone_key_from(&m->query->name, 0);

	if (slice_equal(name, SLICE("\7version\4bind\0")) ||
	    slice_equal(name, SLICE("\7version\6server\0")))
		return m->answerer->version;
	if (slice_equal(name, SLICE("\10hostname\4bind\0")) ||
	    slice_equal(name, SLICE("\2id\6server\0")))
		return m->answerer->host;
	return slice_take(name, 0);
}

void answer_chaos(struct answer *m)
{
	const struct answer_query *q = m->query;
	struct slice text = slice_take(text_for(m), STRING_MOST);

	if (text.len == 0) {
		m->rcode = DNS_RCODE_REFUSED;
		m->what->kind = DNS_KIND_ERROR;
		return;
	}
	m->flags |= DNS_FLAG_AUTHORITATIVE;
	m->what->kind = DNS_KIND_CHAOS;
	if (q->type != DNS_TXT && q->type != DNS_ANY)
		return;
	struct writer before = m->w;
	writer_u16(&m->w, POINTER_TO_QUESTION);
	writer_u16(&m->w, DNS_TXT);
	writer_u16(&m->w, DNS_CLASS_CHAOS);
	writer_u32(&m->w, 0);
	writer_u16(&m->w, (uint16_t)(text.len + 1));
	writer_u8(&m->w, (uint8_t)text.len);
	writer_bytes(&m->w, text);
	if (m->w.failed) {
		m->w = before;
		answer_truncate(m);
	} else {
		m->counts[DNS_ANSWERS] = 1;
	}
}
