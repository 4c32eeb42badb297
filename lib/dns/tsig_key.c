/*
 * TSIG's keys and algorithms as text (RFC 8945, 6), as dig and kdig take them after -y.
 */
#include "dns_private.h"
#include "tsig_private.h"

static const struct dns_tsig_algorithm algorithms[] = {
    {"hmac-sha256", &digest_sha256},
    {"hmac-sha1", &digest_sha1},
    {"hmac-sha384", &digest_sha384},
    {"hmac-sha512", &digest_sha512},
};

const struct dns_tsig_algorithm *tsig_algorithm(struct slice label)
{
	for (unsigned i = 0; i < KILN_COUNT_OF(algorithms); i++) {
		if (slice_equal_nocase(slice_text(algorithms[i].label), label))
			return &algorithms[i];
	}
	return NULL;
}

void tsig_algorithm_name(const struct dns_tsig_algorithm *algorithm,
                         struct dns_name *name)
{
	struct writer w = writer_of(name->bytes, sizeof(name->bytes));

	writer_u8(&w, (uint8_t)strlen(algorithm->label));
	writer_text(&w, algorithm->label);
	writer_u8(&w, 0);
	name->size = (uint8_t)writer_done(&w).len;
}

/* What stands before the byte, which is gone past, or all. */
static struct slice before(struct slice *text, uint8_t byte)
{
	size_t at = slice_find(*text, byte);
	struct slice part = slice_take(*text, at);

	*text = slice_skip(*text, at + 1);
	return part;
}

/* "hmac-sha256", or with bits that a MAC may be cut off to: "hmac-sha256-128". */
static bool parse_algorithm(struct slice text, struct dns_tsig_key *key)
{
	struct slice rest = text, hmac = before(&rest, '-'), digest = before(&rest, '-');
	uint64_t bits;

	key->algorithm = tsig_algorithm(slice_take(text, hmac.len + 1 + digest.len));
	if (!key->algorithm)
		return false;
	unsigned size = key->algorithm->digest->size;
	key->least = (uint8_t)size;
	if (hmac.len + 1 + digest.len >= text.len)
		return true;
	if (!slice_decimal(rest, size * 8, &bits) || bits % 8 || bits / 8 < size / 2 ||
	    bits / 8 < TSIG_MAC_LEAST)
		return false;
	key->least = (uint8_t)(bits / 8);
	return true;
}

bool dns_tsig_key_parse(struct slice text, struct dns_tsig_key *key)
{
	struct writer secret = writer_of(key->secret, sizeof(key->secret));
	struct dns_decoder decoder = dns_decoder_base64(&secret);
	struct slice rest = text, algorithm = SLICE("hmac-sha256");
	struct slice name = before(&rest, ':');

	if (slice_find(rest, ':') < rest.len) {
		algorithm = name;
		name = before(&rest, ':');
	}
	if (!parse_algorithm(algorithm, key) || !dns_name_parse(name, &key->name) ||
	    !dns_decode(&decoder, rest) || !dns_decoded_whole(&decoder) ||
	    secret.failed || secret.at == 0)
		return false;
	dns_name_lower(&key->name);
	key->size = (uint8_t)secret.at;
	return true;
}
