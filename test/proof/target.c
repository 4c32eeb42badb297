/*
 * Request targets: every one of up to 24 bytes, its host, and its path: whether it is plain,
 * decoded and encoded again. What is decoded into is zero at first: that nothing of it is read
 * before it is written is not shown here.
 *
 * sources: lib/http/target_wire.c
 * seeded: lib/http/target_wire.c: dots && at < out->at => dots && at <= out->at
 * length: 4
 * precision: -eva-slevel 0 -eva-auto-loop-unroll 16
 */
#include "lib/http/http_wire.h"
#include "proof.h"

static void check(struct slice target)
{
	struct slice host, path, query;
	static uint8_t decoded[16], encoded[16];
	struct writer in = writer_of(decoded, sizeof(decoded));
	struct writer out = writer_of(encoded, sizeof(encoded));

	/* Where to look for bounds: no more than a hint. */
	//@ widen_hints global:"all", 16;
	(void)http_split_target(target, &host, &path, &query);
	(void)http_is_host(target);
	(void)http_path_is_plain(target);
	if (http_decode_path(target, &in))
		http_encode_path(&out, writer_done(&in));
}

enum { MOST = 24 };
#include "slices.h"
