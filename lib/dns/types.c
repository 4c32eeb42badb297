/*
 * The table of types (IANA's registry of DNS parameters): see <kiln/dns_types.h>.
 *
 * Letters of the fields; the number behind one is its size in a message, if that is fixed:
 *
 *	1 2 4	a number (1, 2, 4)		a A	an address of IPv4, IPv6 (4, 16)
 *	t	seconds, 1h30m in text (4)	T	a moment: 20300131235959 in text (4)
 *	n	a name of RFC 1035's types	N	any other name: never compressed
 *	s S	one string, one or more		o	one string or none
 *	y	a type of records (2)		m M X	types, at least one, any, in NXT's way
 *	g d	algorithm, digest (1)		c	a kind of certificate (2)
 *	f p	flags, protocol of a key (2, 1)	r	a scheme of DSYNC's (1)
 *	x	the rest, hexadecimal		F K O	digests of DS, SSHFP, ZONEMD: their kind is
 *						the byte before
 *	b B	the rest, base64, maybe none	k	the rest, base64, none if the flags say so
 *	D	the rest, base64 or "-"		u	the rest, one string
 *	q	a string, a tag of CAA's	z h	strings: a salt, a hash of NSEC3's
 *	e E i	EUI-48, EUI-64, 64 bits of ILNP (6, 8, 8)
 *
 * and those that one type alone has: L LOC (16), W WKS, P APL, I IPSECKEY's gateway, H HIP,
 * R AMTRELAY's relay, V SVCB's parameters, Z ATMA, J NSAP, 6 A6.
 */
#include <kiln/bytes.h>
#include <kiln/dns_types.h>

static const struct dns_type_info types[] = {
    /* by number */
    {1, "A", "a"},
    {2, "NS", "n"},
    {3, "MD", "n"},
    {4, "MF", "n"},
    {5, "CNAME", "n"},
    {6, "SOA", "nn4tttt"},
    {7, "MB", "n"},
    {8, "MG", "n"},
    {9, "MR", "n"},
    {10, "NULL", ""},
    {11, "WKS", "W"},
    {12, "PTR", "n"},
    {13, "HINFO", "ss"},
    {14, "MINFO", "nn"},
    {15, "MX", "2n"},
    {16, "TXT", "S"},
    {17, "RP", "NN"},
    {18, "AFSDB", "2N"},
    {19, "X25", "s"},
    {20, "ISDN", "so"},
    {21, "RT", "2N"},
    {22, "NSAP", "J"},
    {23, "NSAP-PTR", "N"},
    {24, "SIG", "yg14TT2Nb"},
    {25, "KEY", "fpgk"},
    {26, "PX", "2NN"},
    {27, "GPOS", "sss"},
    {28, "AAAA", "A"},
    {29, "LOC", "L"},
    {30, "NXT", "NX"},
    {31, "EID", "x"},
    {32, "NIMLOC", "x"},
    {33, "SRV", "222N"},
    {34, "ATMA", "Z"},
    {35, "NAPTR", "22sssN"},
    {36, "KX", "2N"},
    {37, "CERT", "c2gb"},
    {38, "A6", "6"},
    {39, "DNAME", "N"},
    {40, "SINK", "111B"},
    {41, "OPT", ""},
    {42, "APL", "P"},
    {43, "DS", "2gdF"},
    {44, "SSHFP", "11K"},
    {45, "IPSECKEY", "1IB"},
    {46, "RRSIG", "yg14TT2Nb"},
    {47, "NSEC", "Nm"},
    {48, "DNSKEY", "fpgb"},
    {49, "DHCID", "b"},
    {50, "NSEC3", "112zhM"},
    {51, "NSEC3PARAM", "112z"},
    {52, "TLSA", "111x"},
    {53, "SMIMEA", "111x"},
    {55, "HIP", "H"},
    {56, "NINFO", "S"},
    {57, "RKEY", "fpgb"},
    {58, "TALINK", "NN"},
    {59, "CDS", "2gdF"},
    {60, "CDNSKEY", "fpgb"},
    {61, "OPENPGPKEY", "b"},
    {62, "CSYNC", "42M"},
    {63, "ZONEMD", "411O"},
    {64, "SVCB", "2NV"},
    {65, "HTTPS", "2NV"},
    {66, "DSYNC", "yr2N"},
    {67, "HHIT", "b"},
    {68, "BRID", "b"},
    {99, "SPF", "S"},
    {100, "UINFO", ""},
    {101, "UID", ""},
    {102, "GID", ""},
    {103, "UNSPEC", ""},
    {104, "NID", "2i"},
    {105, "L32", "2a"},
    {106, "L64", "2i"},
    {107, "LP", "2N"},
    {108, "EUI48", "e"},
    {109, "EUI64", "E"},
    {249, "TKEY", ""},
    {250, "TSIG", ""},
    {251, "IXFR", ""},
    {252, "AXFR", ""},
    {253, "MAILB", ""},
    {254, "MAILA", ""},
    {255, "ANY", ""},
    {256, "URI", "22u"},
    {257, "CAA", "1qu"},
    {258, "AVC", "S"},
    {259, "DOA", "441sD"},
    {260, "AMTRELAY", "1R"},
    {261, "RESINFO", "S"},
    {262, "WALLET", "S"},
    {32768, "TA", "2gdF"},
    {32769, "DLV", "2gdF"},
};

enum { META_FIRST = 128, META_LAST = 255 }; /* RFC 6895, 3.1 */

const struct dns_type_info *dns_type_find(uint16_t type)
{
	size_t from = 0, to = KILN_COUNT_OF(types);

	while (from < to) {
		size_t middle = (from + to) / 2;

		if (types[middle].type == type)
			return &types[middle];
		if (types[middle].type < type)
			from = middle + 1;
		else
			to = middle;
	}
	return NULL;
}

bool dns_type_parse(struct slice text, uint16_t *type)
{
	uint64_t number;

	for (size_t i = 0; i < KILN_COUNT_OF(types); i++) {
		if (slice_equal_nocase(text, slice_text(types[i].name))) {
			*type = types[i].type;
			return true;
		}
	}
	if (!slice_equal_nocase(slice_take(text, 4), SLICE("TYPE")) ||
	    !slice_decimal(slice_skip(text, 4), UINT16_MAX, &number))
		return false;
	*type = (uint16_t)number;
	return true;
}

void dns_type_format(struct writer *w, uint16_t type)
{
	const struct dns_type_info *info = dns_type_find(type);

	if (info)
		writer_text(w, info->name);
	else
		writer_format(w, "TYPE%u", type);
}

bool dns_type_is_meta(uint16_t type)
{
	return type == 0 || type == DNS_OPT || (type >= META_FIRST && type <= META_LAST);
}
