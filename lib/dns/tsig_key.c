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

static int base64_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648, 4. */
static bool parse_base64(struct slice text, struct writer *w)
{
	uint32_t bits = 0;
	unsigned held = 0;

	if (text.len % 4)
		return false;
	for (unsigned padding = 0; padding < 2 && text.len; padding++) {
		if (text.data[text.len - 1] == '=')
			text.len--;
	}
	for (size_t i = 0; i < text.len; i++) {
		int value = base64_value(text.data[i]);

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		held += 6;
		if (held >= 8) {
			held -= 8;
			writer_u8(w, (uint8_t)(bits >> held));
		}
	}
	return !w->failed && writer_done(w).len > 0;
}

bool dns_tsig_key_parse(struct slice text, struct dns_tsig_key *key)
{
	struct writer secret = writer_of(key->secret, sizeof(key->secret));
	struct slice rest = text, algorithm = SLICE("hmac-sha256");
	struct slice name = before(&rest, ':');

	if (slice_find(rest, ':') < rest.len) {
		algorithm = name;
		name = before(&rest, ':');
	}
	if (!parse_algorithm(algorithm, key) || !dns_name_parse(name, &key->name) ||
	    !parse_base64(rest, &secret))
		return false;
	dns_name_lower(&key->name);
	key->size = (uint8_t)writer_done(&secret).len;
	return true;
}
