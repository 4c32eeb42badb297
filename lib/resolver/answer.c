/*
 * What a server's message says (RFC 1035, 4.1; 2308; 6891): a pure function of the message
 * and of the question as it was sent.
 *
 * A message answers a question if it has its ID and repeats it to the letter: the case of
 * each letter was drawn at random, which a forger has to guess as well (RFC 5452, 9). A
 * server that repeats it in another case is asked by TCP, where nothing can be guessed.
 */
#include "resolver_private.h"

enum { ALIASES_MOST = 8 };
/* RFC 2308, 5; for positive answers, whatever their server says. */
enum { TTL_MOST = 24 * 3600, TTL_MOST_NEGATIVE = 3 * 3600 };

static bool same_letters(const struct dns_name *a, const struct dns_name *b)
{
	return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

/* Follows the aliases of the answer section from *name on, in whatever order they stand.
 * False: there are too many, or they go round in a circle, or are malformed. */
static bool follow_aliases(const struct dns_reader *start, struct dns_name *name,
                           unsigned *count, struct answer *answer)
{
	for (*count = 0; *count <= ALIASES_MOST; (*count)++) {
		struct dns_reader r = *start;
		struct dns_record record;
		bool found = false;

		while (!found && dns_read_record(&r, &record))
			found = record.section == DNS_ANSWERS &&
			        record.type == DNS_CNAME &&
			        record.class == DNS_CLASS_IN &&
			        dns_name_equal(&record.name, name);
		if (r.failed)
			return false;
		if (!found)
			return true;
		if (!dns_data_name(&record, name))
			return false;
		answer->ttl = KILN_MIN(answer->ttl, record.ttl);
	}
	return false;
}

static bool take_address(const struct dns_record *record, struct ip_addr *address)
{
	struct ip4_addr v4;

	if (record->type == DNS_AAAA) /* one that is IPv4's has no place in DNS */
		return dns_data_aaaa(record, address) && !ip_is4(address);
	if (!dns_data_a(record, &v4))
		return false;
	*address = ip_from4(v4);
	return true;
}

/* The rest of what counts in a message. */
struct facts {
	bool has_soa, failed;
};

static struct facts read_records(struct dns_reader r, const struct dns_name *name,
                                 uint16_t type, struct answer *answer)
{
	struct facts facts = {false};
	struct dns_record record;
	uint32_t negative = 0;

	answer->count = 0;
	while (dns_read_record(&r, &record)) {
		struct ip_addr *to = &answer->addresses[answer->count];
		struct dns_soa soa;
		struct dns_opt opt;

		if (record.type == DNS_OPT) {
			facts.failed |= !dns_data_opt(&record, &opt) || opt.rcode_high;
		} else if (record.section == DNS_ANSWERS && record.type == type &&
		           record.class == DNS_CLASS_IN &&
		           dns_name_equal(&record.name, name)) {
			if (answer->count < RESOLVER_ADDRESSES &&
			    take_address(&record, to))
				answer->count++;
			answer->ttl = KILN_MIN(answer->ttl, record.ttl);
		} else if (record.section == DNS_AUTHORITIES && record.type == DNS_SOA &&
		           dns_data_soa(&record, &soa)) {
			facts.has_soa = true; /* RFC 2308, 3 and 5 */
			negative = KILN_MIN(record.ttl, soa.minimum);
		}
	}
	facts.failed |= r.failed;
	if (answer->count == 0)
		answer->ttl =
		    KILN_MIN(answer->ttl, KILN_MIN(negative, TTL_MOST_NEGATIVE));
	return facts;
}

/* The message repeats the question. */
static enum verdict read_answer(const struct dns_reader *r, const struct sent *sent,
                                struct answer *answer, struct dns_name *target)
{
	const unsigned told = DNS_FLAG_RECURSION_AVAILABLE | DNS_FLAG_AUTHORITATIVE;
	bool denied = r->header.rcode == DNS_RCODE_NAME;
	struct answer read = *answer;
	unsigned aliases;

	if (!denied && r->header.rcode != DNS_RCODE_OK)
		return VERDICT_FAILED;
	*target = sent->name;
	if (!follow_aliases(r, target, &aliases, &read))
		return VERDICT_FAILED;
	uint32_t chain_ttl = read.ttl;
	struct facts facts = read_records(*r, target, sent->type, &read);
	if (facts.failed)
		return VERDICT_FAILED;
	if (read.count == 0 && !denied && !facts.has_soa) {
		/* An alias and no more, or a referral by a server that knows nothing; or no
		 * record of this type, without saying for how long (RFC 2308, 2.2). */
		if (aliases) {
			answer->ttl = chain_ttl;
			return VERDICT_CHAIN;
		}
		if (!(r->header.flags & told))
			return VERDICT_FAILED;
	}
	*answer = read;
	answer->error = read.count ? KILN_OK : KILN_ERR_NOT_FOUND;
	answer->ttl = KILN_MIN(answer->ttl, TTL_MOST);
	return VERDICT_ANSWERED;
}

enum verdict answer_read(struct slice message, const struct sent *sent, bool stream,
                         struct answer *answer, struct dns_name *target)
{
	struct dns_reader r;
	struct dns_question echo;

	if (!dns_read(&r, message) || r.header.id != sent->id ||
	    !(r.header.flags & DNS_FLAG_RESPONSE) || r.header.opcode != DNS_OPCODE_QUERY)
		return VERDICT_FOREIGN;
	/* A server that cannot read OPT may repeat nothing (RFC 6891, 7). */
	if (r.header.counts[DNS_QUESTIONS] == 0 && r.header.rcode == DNS_RCODE_FORMAT)
		return sent->edns ? VERDICT_PLAIN : VERDICT_FAILED;
	if (r.header.counts[DNS_QUESTIONS] != 1 || !dns_read_question(&r, &echo) ||
	    echo.type != sent->type || echo.class != DNS_CLASS_IN ||
	    !dns_name_equal(&echo.name, &sent->name))
		return VERDICT_FOREIGN;
	if (!stream && (r.header.flags & DNS_FLAG_TRUNCATED ||
	                !same_letters(&echo.name, &sent->name)))
		return VERDICT_STREAM;
	if (sent->edns && (r.header.rcode == DNS_RCODE_FORMAT ||
	                   r.header.rcode == DNS_RCODE_NOT_IMPLEMENTED))
		return VERDICT_PLAIN;
	return read_answer(&r, sent, answer, target);
}
