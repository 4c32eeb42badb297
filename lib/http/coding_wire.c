/*
 * Accept-Encoding (RFC 9110 12.5.3): which of a file's content codings a client takes, and
 * which it would rather have. A field that is not there is not read here: without one, what
 * is sent is the identity, which every client takes.
 */
#include "http_wire.h"

/* Where the weight of "*" is kept. */
enum { ANY = HTTP_CODINGS };

/* Its index, by name (x-gzip: 8.4.1.3); beyond ANY if it is not known. */
static unsigned coding_of(struct slice in, struct http_part name)
{
	static const struct {
		char name[12];
		uint8_t coding;
	} codings[] = {
	    {"gzip", EMBED_GZIP},        {"br", EMBED_BROTLI},   {"*", ANY},
	    {"identity", HTTP_IDENTITY}, {"x-gzip", EMBED_GZIP},
	};

	for (unsigned i = 0; i < KILN_COUNT_OF(codings); i++) {
		if (http_part_is(in, name, slice_text(codings[i].name)))
			return codings[i].coding;
	}
	return ANY + 1;
}

/* qvalue (12.4.2): 0 or 1, and up to three digits behind a point; in thousandths. */
static bool read_weight(struct slice in, struct http_part part, uint16_t *weight)
{
	struct cursor c = {in.data, part.end, part.at, false};
	unsigned value = (unsigned)(cursor_u8(&c) - '0');

	if (value > 1 || (cursor_left(&c) && cursor_u8(&c) != '.'))
		return false;
	value *= 1000;
	for (unsigned place = 100; cursor_left(&c); place /= 10) {
		unsigned digit = (unsigned)(cursor_u8(&c) - '0');
		if (digit > 9 || place == 0)
			return false;
		value += digit * place;
	}
	*weight = (uint16_t)value;
	return value <= 1000;
}

/* OWS ";" OWS "q=" qvalue, or nothing, behind the coding's name. */
static bool read_element(struct slice in, struct http_part element,
                         struct http_part *name, uint16_t *weight)
{
	struct http_part key, rest = element;

	element.end = http_part_find(in, element, ';');
	*name = http_part_trim(in, element);
	*weight = 1000;
	if (element.end == rest.end)
		return true;
	rest.at = element.end + 1;
	rest = http_part_trim(in, rest);
	key = (struct http_part){rest.at, rest.at + 2};
	if (key.end > rest.end)
		return false;
	rest.at = key.end;
	return http_part_is(in, key, SLICE("q=")) && read_weight(in, rest, weight);
}

void http_codings_read(struct http_codings *codings, struct slice value)
{
	struct http_part element, name;
	size_t at = 0;

	while (http_list_next(value, &at, &element)) {
		uint16_t weight;
		unsigned coding;
		if (!read_element(value, element, &name, &weight))
			continue;
		coding = coding_of(value, name);
		if (coding > ANY)
			continue;
		codings->weight[coding] = weight;
		codings->listed[coding] = true;
	}
}

unsigned http_codings_choose(const struct http_codings *codings,
                             const bool available[HTTP_CODINGS])
{
	static const uint8_t preferred[] = {EMBED_BROTLI, EMBED_GZIP, HTTP_IDENTITY};
	unsigned best = HTTP_CODINGS, heaviest = 0;

	for (unsigned i = 0; i < KILN_COUNT_OF(preferred); i++) {
		unsigned coding = preferred[i];
		unsigned from = codings->listed[coding] ? coding : ANY;
		if (available[coding] && codings->weight[from] > heaviest) {
			best = coding;
			heaviest = codings->weight[from];
		}
	}
	/* The identity is acceptable until something says that it is not. */
	if (best == HTTP_CODINGS && !codings->listed[HTTP_IDENTITY] &&
	    !codings->listed[ANY])
		return HTTP_IDENTITY;
	return best;
}
