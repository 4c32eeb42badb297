/*
 * Hex, base32 and base64 (RFC 4648) into bytes, part by part: in records' data they may stand
 * in several words.
 */
#include "dns_private.h"

static const char base16[] = "0123456789abcdef";
static const char base32[] = "0123456789abcdefghijklmnopqrstuv";
static const char base64[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

struct dns_decoder dns_decoder_hex(struct writer *w)
{
	return (struct dns_decoder){.w = w, .digits = base16, .bits = 4};
}

struct dns_decoder dns_decoder_base32(struct writer *w)
{
	return (struct dns_decoder){.w = w, .digits = base32, .bits = 5};
}

struct dns_decoder dns_decoder_base64(struct writer *w)
{
	return (struct dns_decoder){.w = w, .digits = base64, .bits = 6};
}

static int digit_of(uint8_t byte, const char *digits)
{
	const char *at = byte ? strchr(digits, byte) : NULL;

	return at ? (int)(at - digits) : -1;
}

bool dns_decode(struct dns_decoder *d, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t byte = text.data[i];

		d->read++;
		if (byte == '=' && d->bits == 6 && (d->read - 1) % 4 >= 2) {
			d->padding++;
			continue;
		}
		int digit = digit_of(d->bits == 6 ? byte : byte_lower(byte), d->digits);
		if (digit < 0 || d->padding)
			return false;
		d->have = d->have << d->bits | (uint32_t)digit;
		d->count += d->bits;
		if (d->count >= 8) {
			d->count -= 8;
			writer_u8(d->w, (uint8_t)(d->have >> d->count));
			d->have &= (1u << d->count) - 1;
		}
	}
	return true;
}

bool dns_decoded_whole(const struct dns_decoder *d)
{
	if (d->bits == 6 && (d->read % 4 || d->padding > 2))
		return false;
	return d->count < d->bits && d->have == 0;
}
