/*
 * For the end-to-end tests: takes uploads of any size and answers with their length and
 * CRC-32, and streams downloads of any size whose every byte follows from its offset.
 *
 *	PUT /       -> "LENGTH CRC\n"
 *	GET /LENGTH -> so many bytes; byte i is 167 i + 13 (i / 256) + 5 (i / 65536), mod 256
 */
#include <kiln/appliance.h>
#include <kiln/http.h>

KILN_NET(net0, "takes and gives bytes");
KILN_PARAM_PORT(port, 80, "TCP port to listen on");

/* scratch[0] is how far we are, scratch[1] the CRC, or the length of a download. */

static uint32_t crc32_update(uint32_t crc, struct slice bytes)
{
	crc = ~crc;
	for (size_t i = 0; i < bytes.len; i++) {
		crc ^= bytes.data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static size_t upload_piece(struct http_exchange *x, struct slice piece, void *user)
{
	x->scratch[0] += piece.len;
	x->scratch[1] = crc32_update((uint32_t)x->scratch[1], piece);
	return piece.len;
}

static void upload_end(struct http_exchange *x, void *user)
{
	char text[64];
	struct writer w = writer_of(text, sizeof(text));

	writer_format(&w, "%llu %08x\n", (unsigned long long)x->scratch[0],
		      (unsigned)x->scratch[1]);
	http_respond(x, 200, "text/plain", writer_done(&w));
}

static void download_more(struct http_exchange *x, void *user)
{
	uint8_t block[1024];

	while (x->scratch[0] < x->scratch[1]) {
		uint64_t at = x->scratch[0];
		size_t n = KILN_MIN(sizeof(block), x->scratch[1] - at);

		n = KILN_MIN(n, http_room(x));
		if (!n)
			return;
		for (size_t i = 0; i < n; i++, at++)
			block[i] = (uint8_t)(at * 167 + (at >> 8) * 13 + (at >> 16) * 5);
		x->scratch[0] += http_write(x, slice_of(block, n));
	}
	http_end(x);
}

static const struct http_events upload = {.body = upload_piece, .body_end = upload_end};
static const struct http_events download = {.writable = download_more};

static void transfer(struct http_exchange *x, const void *context)
{
	if (x->method == HTTP_PUT || x->method == HTTP_POST) {
		http_on(x, &upload, NULL);
	} else if (x->method != HTTP_GET) {
		http_allow(x, "GET, PUT, POST");
	} else if (!slice_decimal(slice_skip(x->path, 1), UINT32_MAX, &x->scratch[1])) {
		http_error(x, 404);
	} else {
		http_start(x, 200, "application/octet-stream", x->scratch[1]);
		http_on(x, &download, NULL);
	}
}

int appliance(struct kiln *k)
{
	struct net *net = net_up(k, &net0);

	return http_serve(tcp_new(net), port, transfer, NULL);
}
