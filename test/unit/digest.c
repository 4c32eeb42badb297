/*
 * Digests against published vectors: those of FIPS 180-4 (the examples of NIST's that go with
 * it), HMAC's of RFC 2202 and 4231; and that pieces make no difference.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/bytes.h>
#include <kiln/digest.h>

static const struct digest_algorithm *const algorithms[] = {
    &digest_sha1, &digest_sha256, &digest_sha384, &digest_sha512};

static void assert_digest(const struct digest_algorithm *algorithm, const uint8_t *digest,
                          const char *hex)
{
	char text[2 * DIGEST_MOST + 1];

	for (unsigned i = 0; i < algorithm->size; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	assert_string_equal(text, hex);
}

#define TWO_BLOCKS "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
#define FOUR_BLOCKS                                                        \
	"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno" \
	"ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"

static const struct vector {
	const struct digest_algorithm *algorithm;
	const char *text, *digest;
} vectors[] = {
    {&digest_sha1, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
    {&digest_sha256, "",
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {&digest_sha384, "",
     "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da"
     "274edebfe76f65fbd51ad2f14898b95b"},
    {&digest_sha512, "",
     "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
     "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"},
    {&digest_sha1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
    {&digest_sha256, "abc",
     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {&digest_sha384, "abc",
     "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
     "8086072ba1e7cc2358baeca134c825a7"},
    {&digest_sha512, "abc",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
     "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
    {&digest_sha1, TWO_BLOCKS, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
    {&digest_sha256, TWO_BLOCKS,
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {&digest_sha384, TWO_BLOCKS,
     "3391fdddfc8dc7393707a65b1b4709397cf8b1d162af05abfe8f450de5f36bc6"
     "b0455a8520bc4e6f5fe95b1fe3c8452b"},
    {&digest_sha512, TWO_BLOCKS,
     "204a8fc6dda82f0a0ced7beb8e08a41657c16ef468b228a8279be331a703c335"
     "96fd15c13b1b07f9aa1d3bea57789ca031ad85c7a71dd70354ec631238ca3445"},
    {&digest_sha1, FOUR_BLOCKS, "a49b2446a02c645bf419f995b67091253a04a259"},
    {&digest_sha256, FOUR_BLOCKS,
     "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    {&digest_sha384, FOUR_BLOCKS,
     "09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712"
     "fcc7c71a557e2db966c3e9fa91746039"},
    {&digest_sha512, FOUR_BLOCKS,
     "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
     "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909"},
};

/* Of a million letters "a". */
static const struct vector million[] = {
    {&digest_sha1, "", "34aa973cd4c4daa4f61eeb2bdbad27316534016f"},
    {&digest_sha256, "",
     "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
    {&digest_sha384, "",
     "9d0e1809716474cb086e834e310a4a1ced149e9c00f248527972cec5704c2a5b"
     "07b8b3dc38ecc4ebae97ddd87f3d8985"},
    {&digest_sha512, "",
     "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb"
     "de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b"},
};

static void digests_are_those_of_the_standard(void **state)
{
	uint8_t digest[DIGEST_MOST];

	for (unsigned i = 0; i < KILN_COUNT_OF(vectors); i++) {
		const struct vector *v = &vectors[i];

		digest_of(v->algorithm, slice_text(v->text), digest);
		assert_digest(v->algorithm, digest, v->digest);
	}
}

static void a_million_letters_have_the_standards_digest(void **state)
{
	static uint8_t letters[1000];
	uint8_t digest[DIGEST_MOST];
	struct digest d;

	memset(letters, 'a', sizeof(letters));
	for (unsigned i = 0; i < KILN_COUNT_OF(million); i++) {
		digest_begin(&d, million[i].algorithm);
		for (unsigned n = 0; n < 1000; n++)
			digest_add(&d, slice_of(letters, sizeof(letters)));
		digest_end(&d, digest);
		assert_digest(million[i].algorithm, digest, million[i].digest);
	}
}

/* Every length up to two blocks and more: padding goes into the last block, or into one more. */
static void pieces_make_no_difference(void **state)
{
	uint8_t text[300], whole[DIGEST_MOST], pieces[DIGEST_MOST];
	struct digest d;

	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 7);
	for (unsigned a = 0; a < KILN_COUNT_OF(algorithms); a++) {
		for (unsigned length = 0; length <= sizeof(text); length++) {
			struct slice s = slice_of(text, length);

			digest_of(algorithms[a], s, whole);
			digest_begin(&d, algorithms[a]);
			for (unsigned step = 1; s.len; step += 13) {
				digest_add(&d, slice_take(s, step));
				s = slice_skip(s, step);
			}
			digest_end(&d, pieces);
			assert_memory_equal(pieces, whole, algorithms[a]->size);
		}
	}
}

static void a_copy_of_a_digest_goes_its_own_way(void **state)
{
	uint8_t one[DIGEST_SHA256], other[DIGEST_SHA256];
	struct digest d, copy;

	digest_begin(&d, &digest_sha256);
	digest_add(&d, SLICE("a"));
	copy = d;
	digest_add(&d, SLICE("bc"));
	digest_add(&copy, SLICE("BC"));
	digest_end(&copy, other);
	digest_end(&d, one);
	assert_digest(&digest_sha256, one,
	              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_digest(&digest_sha256, other,
	              "711f3321cca85147b754fbdd1bca7d08682a09fed40422cb4a63e1c22bf42353");
}

/* A byte so many times; 0: the bytes 1, 2, 3... */
struct run {
	uint8_t byte;
	uint8_t count;
};

static struct slice run_of(struct run run, uint8_t *out)
{
	for (unsigned i = 0; i < run.count; i++)
		out[i] = run.byte ? run.byte : (uint8_t)(i + 1);
	return slice_of(out, run.count);
}

static const struct mac {
	const struct digest_algorithm *algorithm;
	const char *key, *text; /* NULL: the run below */
	struct run key_run, text_run;
	const char *mac;
} macs[] = {
    /* RFC 2202 */
    {&digest_sha1,
     NULL,
     "Hi There",
     {0x0b, 20},
     {0, 0},
     "b617318655057264e28bc0b6fb378c8ef146be00"},
    {&digest_sha1,
     "Jefe",
     "what do ya want for nothing?",
     {0, 0},
     {0, 0},
     "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
    {&digest_sha1,
     NULL,
     NULL,
     {0xaa, 20},
     {0xdd, 50},
     "125d7342b9ac11cd91a39af48aa17b4f63f175d3"},
    {&digest_sha1,
     NULL,
     NULL,
     {0, 25},
     {0xcd, 50},
     "4c9007f4026250c6bc8414f9bf50c86c2d7235da"},
    {&digest_sha1,
     NULL,
     "Test Using Larger Than Block-Size Key - Hash Key First",
     {0xaa, 80},
     {0, 0},
     "aa4ae5e15272d00e95705637ce8a3b55ed402112"},
    /* RFC 4231 */
    {&digest_sha256,
     NULL,
     "Hi There",
     {0x0b, 20},
     {0, 0},
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {&digest_sha384,
     NULL,
     "Hi There",
     {0x0b, 20},
     {0, 0},
     "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
     "faea9ea9076ede7f4af152e8b2fa9cb6"},
    {&digest_sha512,
     NULL,
     "Hi There",
     {0x0b, 20},
     {0, 0},
     "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
     "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
    {&digest_sha256,
     "Jefe",
     "what do ya want for nothing?",
     {0, 0},
     {0, 0},
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {&digest_sha384,
     "Jefe",
     "what do ya want for nothing?",
     {0, 0},
     {0, 0},
     "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
     "8e2240ca5e69e2c78b3239ecfab21649"},
    {&digest_sha512,
     "Jefe",
     "what do ya want for nothing?",
     {0, 0},
     {0, 0},
     "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
     "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
    {&digest_sha256,
     NULL,
     NULL,
     {0xaa, 20},
     {0xdd, 50},
     "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {&digest_sha384,
     NULL,
     NULL,
     {0xaa, 20},
     {0xdd, 50},
     "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b"
     "2a5ab39dc13814b94e3ab6e101a34f27"},
    {&digest_sha512,
     NULL,
     NULL,
     {0xaa, 20},
     {0xdd, 50},
     "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39"
     "bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb"},
    {&digest_sha256,
     NULL,
     NULL,
     {0, 25},
     {0xcd, 50},
     "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    {&digest_sha384,
     NULL,
     NULL,
     {0, 25},
     {0xcd, 50},
     "3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e"
     "6801dd23c4a7d679ccf8a386c674cffb"},
    {&digest_sha512,
     NULL,
     NULL,
     {0, 25},
     {0xcd, 50},
     "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3db"
     "a91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd"},
    {&digest_sha256,
     NULL,
     "Test Using Larger Than Block-Size Key - Hash Key First",
     {0xaa, 131},
     {0, 0},
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {&digest_sha384,
     NULL,
     "Test Using Larger Than Block-Size Key - Hash Key First",
     {0xaa, 131},
     {0, 0},
     "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c6"
     "0c2ef6ab4030fe8296248df163f44952"},
    {&digest_sha512,
     NULL,
     "Test Using Larger Than Block-Size Key - Hash Key First",
     {0xaa, 131},
     {0, 0},
     "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
     "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"},
    {&digest_sha256,
     NULL,
     "This is a test using a larger than block-size key and a larger than block-size "
     "data. "
     "The key needs to be hashed before being used by the HMAC algorithm.",
     {0xaa, 131},
     {0, 0},
     "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    {&digest_sha384,
     NULL,
     "This is a test using a larger than block-size key and a larger than block-size "
     "data. "
     "The key needs to be hashed before being used by the HMAC algorithm.",
     {0xaa, 131},
     {0, 0},
     "6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5"
     "a678cc31e799176d3860e6110c46523e"},
    {&digest_sha512,
     NULL,
     "This is a test using a larger than block-size key and a larger than block-size "
     "data. "
     "The key needs to be hashed before being used by the HMAC algorithm.",
     {0xaa, 131},
     {0, 0},
     "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944"
     "b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58"},
};

static void macs_are_those_of_the_rfcs(void **state)
{
	uint8_t key[UINT8_MAX], text[UINT8_MAX], mac[DIGEST_MOST];

	for (unsigned i = 0; i < KILN_COUNT_OF(macs); i++) {
		const struct mac *m = &macs[i];
		struct hmac h;

		hmac_begin(&h, m->algorithm,
		           m->key ? slice_text(m->key) : run_of(m->key_run, key));
		hmac_add(&h, m->text ? slice_text(m->text) : run_of(m->text_run, text));
		hmac_end(&h, mac);
		assert_digest(m->algorithm, mac, m->mac);
	}
}

static void bytes_that_are_equal_are_told_from_others(void **state)
{
	assert_true(digest_equal(SLICE("abc"), SLICE("abc")));
	assert_false(digest_equal(SLICE("abc"), SLICE("abd")));
	assert_false(digest_equal(SLICE("abc"), SLICE("bbc")));
	assert_false(digest_equal(SLICE("abc"), SLICE("ab")));
	assert_true(digest_equal(SLICE(""), SLICE("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(digests_are_those_of_the_standard),
	    cmocka_unit_test(a_million_letters_have_the_standards_digest),
	    cmocka_unit_test(pieces_make_no_difference),
	    cmocka_unit_test(a_copy_of_a_digest_goes_its_own_way),
	    cmocka_unit_test(macs_are_those_of_the_rfcs),
	    cmocka_unit_test(bytes_that_are_equal_are_told_from_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
