/*
 * Words that stand for numbers in the data of records, as BIND takes them: algorithms and
 * keys of DNSSEC (RFC 4034, appendix A; 2535, 7.1), digests, certificates (RFC 4398, 2.1),
 * schemes of DSYNC (RFC 9859), and well-known services by their ports (RFC 1035, 3.4.2).
 */
#include "master_private.h"

static const struct {
	uint16_t value;
	char field; /* as lib/dns/types.c has it; '/': a port, '0': a protocol of IP */
	char word[17];
} words[] = {
    {1, 'g', "RSAMD5"},       {2, 'g', "DH"},
    {3, 'g', "DSA"},          {5, 'g', "RSASHA1"},
    {6, 'g', "NSEC3DSA"},     {7, 'g', "NSEC3RSASHA1"},
    {8, 'g', "RSASHA256"},    {10, 'g', "RSASHA512"},
    {12, 'g', "ECCGOST"},     {13, 'g', "ECDSAP256SHA256"},
    {13, 'g', "ECDSA256"},    {14, 'g', "ECDSAP384SHA384"},
    {14, 'g', "ECDSA384"},    {15, 'g', "ED25519"},
    {16, 'g', "ED448"},       {252, 'g', "INDIRECT"},
    {253, 'g', "PRIVATEDNS"}, {254, 'g', "PRIVATEOID"},
    {1, 'd', "SHA-1"},        {1, 'd', "SHA1"},
    {2, 'd', "SHA-256"},      {2, 'd', "SHA256"},
    {3, 'd', "GOST"},         {4, 'd', "SHA-384"},
    {4, 'd', "SHA384"},       {1, 'c', "PKIX"},
    {2, 'c', "SPKI"},         {3, 'c', "PGP"},
    {4, 'c', "IPKIX"},        {5, 'c', "ISPKI"},
    {6, 'c', "IPGP"},         {7, 'c', "ACPKIX"},
    {8, 'c', "IACPKIX"},      {253, 'c', "URI"},
    {254, 'c', "OID"},        {0x8000, 'f', "NOAUTH"},
    {0x4000, 'f', "NOCONF"},  {0xc000, 'f', "NOKEY"},
    {0x2000, 'f', "FLAG2"},   {0x1000, 'f', "EXTEND"},
    {0x0800, 'f', "FLAG4"},   {0x0400, 'f', "FLAG5"},
    {0, 'f', "USER"},         {0x0100, 'f', "ZONE"},
    {0x0200, 'f', "HOST"},    {0x0300, 'f', "NTYP3"},
    {0x0080, 'f', "FLAG8"},   {0x0040, 'f', "FLAG9"},
    {0x0020, 'f', "FLAG10"},  {0x0010, 'f', "FLAG11"},
    {0x0080, 'f', "REVOKE"},  {1, 'f', "KSK"},
    {0, 'f', "SIG0"},         {1, 'f', "SIG1"},
    {2, 'f', "SIG2"},         {3, 'f', "SIG3"},
    {4, 'f', "SIG4"},         {5, 'f', "SIG5"},
    {6, 'f', "SIG6"},         {7, 'f', "SIG7"},
    {8, 'f', "SIG8"},         {9, 'f', "SIG9"},
    {10, 'f', "SIG10"},       {11, 'f', "SIG11"},
    {12, 'f', "SIG12"},       {13, 'f', "SIG13"},
    {14, 'f', "SIG14"},       {15, 'f', "SIG15"},
    {0, 'p', "NONE"},         {1, 'p', "TLS"},
    {2, 'p', "EMAIL"},        {3, 'p', "DNSSEC"},
    {4, 'p', "IPSEC"},        {255, 'p', "ALL"},
    {1, 'r', "NOTIFY"},       {1, '0', "icmp"},
    {6, '0', "tcp"},          {17, '0', "udp"},
    {7, '/', "echo"},         {9, '/', "discard"},
    {11, '/', "systat"},      {13, '/', "daytime"},
    {15, '/', "netstat"},     {19, '/', "chargen"},
    {20, '/', "ftp-data"},    {21, '/', "ftp"},
    {22, '/', "ssh"},         {23, '/', "telnet"},
    {25, '/', "smtp"},        {37, '/', "time"},
    {43, '/', "whois"},       {53, '/', "domain"},
    {69, '/', "tftp"},        {70, '/', "gopher"},
    {79, '/', "finger"},      {80, '/', "http"},
    {88, '/', "kerberos"},    {110, '/', "pop3"},
    {111, '/', "sunrpc"},     {113, '/', "auth"},
    {119, '/', "nntp"},       {123, '/', "ntp"},
    {143, '/', "imap2"},      {161, '/', "snmp"},
    {162, '/', "snmp-trap"},  {179, '/', "bgp"},
    {389, '/', "ldap"},       {443, '/', "https"},
};

bool master_meaning(char field, struct slice word, uint16_t *value)
{
	for (size_t i = 0; i < KILN_COUNT_OF(words); i++) {
		if (words[i].field == field &&
		    slice_equal_nocase(word, slice_text(words[i].word))) {
			*value = words[i].value;
			return true;
		}
	}
	return false;
}
