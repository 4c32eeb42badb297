/*
 * The wire format of the Domain Name System (RFC 1035, section 4; EDNS0: RFC 6891): names,
 * messages in, messages out. Pure: no state, no input or output, nothing allocated.
 *
 * Reading goes through a struct dns_reader, section by section, record by record; it stops
 * at the first thing that is malformed, and says so in `failed`. Writing goes through a
 * struct dns_builder, which compresses names and counts records; what does not fit leaves
 * the message as it was before.
 *
 *	struct dns_reader r;
 *	struct dns_question q;
 *	struct dns_record record;
 *
 *	if (!dns_read(&r, message) || !dns_read_question(&r, &q))
 *		return;
 *	while (dns_read_record(&r, &record))
 *		...
 *	if (r.failed)
 *		return;
 */
#ifndef KILN_DNS_H
#define KILN_DNS_H

#include <kiln/error.h>
#include <kiln/ip.h>

enum { DNS_PORT = 53 };
enum { DNS_NAME_SIZE = 255, DNS_LABEL_SIZE = 63 }; /* at most; RFC 1035, 2.3.4 */
enum { DNS_HEADER_SIZE = 12 };
enum { DNS_UDP_SIZE = 512 };   /* of a message without EDNS, at most; 4.2.1 */
enum { DNS_EDNS_SIZE = 1232 }; /* goes through any path with IPv6's least MTU in one piece */

/* ---- names ---- */

/* A whole name as on the wire, uncompressed: labels, each behind its length, up to the
 * root's empty one. size is 1 (the root) to 255. Upper and lower case are kept as they
 * came; they are equal (RFC 4343). */
struct dns_name {
	uint8_t size;
	uint8_t bytes[DNS_NAME_SIZE];
};

/* From text: "www.example.com", with or without the last dot; "\." is a dot in a label,
 * "\123" a byte by its decimal number (RFC 1035, 5.1). "." is the root. False: too long,
 * an empty label, a lone backslash. */
KILN_MUST_CHECK bool dns_name_parse(struct slice text, struct dns_name *name);
/* As text, without the last dot; the root is ".". */
void dns_name_format(struct writer *w, const struct dns_name *name);
bool dns_name_equal(const struct dns_name *a, const struct dns_name *b);
/* Whether the name is the suffix or below it: "www.example.com" is in "example.com". */
bool dns_name_in(const struct dns_name *name, const struct dns_name *suffix);
/* How many labels it has, the root's not counted. */
unsigned dns_name_labels(const struct dns_name *name);
/* name = first + second: "www" and "example.com". False: too long. */
KILN_MUST_CHECK bool dns_name_join(const struct dns_name *first,
				   const struct dns_name *second, struct dns_name *name);
/* ASCII letters in lower case: for hashing. */
void dns_name_lower(struct dns_name *name);

/*
 * Reads a name out of a message. The cursor is over the end of the message: it ends where
 * the message does, and stands where the name starts. Compression pointers (RFC 1035,
 * 4.1.4) are followed backwards only, each to before all that was read of the name so far,
 * so that no name loops. On failure the cursor has failed, too.
 */
KILN_MUST_CHECK bool dns_name_read(struct slice message, struct cursor *c,
				   struct dns_name *name);

/* ---- messages ---- */

enum dns_opcode { DNS_OPCODE_QUERY = 0, DNS_OPCODE_NOTIFY = 4, DNS_OPCODE_UPDATE = 5 };

enum dns_rcode { /* RFC 1035, 4.1.1; 6891, 9 */
	DNS_RCODE_OK = 0,
	DNS_RCODE_FORMAT = 1,
	DNS_RCODE_SERVER = 2,
	DNS_RCODE_NAME = 3, /* there is no such name: NXDOMAIN */
	DNS_RCODE_NOT_IMPLEMENTED = 4,
	DNS_RCODE_REFUSED = 5,
	DNS_RCODE_NAME_EXISTS = 6, /* YXDOMAIN: a DNAME would make it too long (RFC 6672, 2.2) */
	DNS_RCODE_NOT_AUTHORIZED = 9, /* NOTAUTH: RFC 2136, 2.2; 8945, 5.2 */
	DNS_RCODE_VERSION = 16, /* an EDNS version that is not known */
	DNS_RCODE_COOKIE = 23,  /* BADCOOKIE: RFC 7873, 8 */
};

enum dns_type { /* IANA's numbers: all others are read and written alike */
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_SOA = 6,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_KEY = 25,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_DNAME = 39,
	DNS_OPT = 41,
	DNS_DS = 43,
	DNS_RRSIG = 46,
	DNS_NSEC = 47,
	DNS_NSEC3 = 50,
	DNS_NSEC3PARAM = 51,
	DNS_SVCB = 64,
	DNS_HTTPS = 65,
	DNS_TSIG = 250,
	DNS_IXFR = 251,
	DNS_AXFR = 252,
	DNS_ANY = 255,
};

enum { DNS_CLASS_IN = 1, DNS_CLASS_CHAOS = 3, DNS_CLASS_NONE = 254, DNS_CLASS_ANY = 255 };

enum { /* of a header */
       DNS_FLAG_RESPONSE = 0x8000,
       DNS_FLAG_AUTHORITATIVE = 0x0400,
       DNS_FLAG_TRUNCATED = 0x0200,
       DNS_FLAG_RECURSION_DESIRED = 0x0100,
       DNS_FLAG_RECURSION_AVAILABLE = 0x0080,
       DNS_FLAG_AUTHENTIC = 0x0020,         /* RFC 4035, 3.2.3 */
       DNS_FLAG_CHECKING_DISABLED = 0x0010, /* RFC 4035, 3.2.2 */
};

struct dns_header {
	uint16_t id;
	uint16_t flags;  /* DNS_FLAG_* */
	uint8_t opcode;  /* enum dns_opcode, or another */
	uint8_t rcode;   /* the low 4 bits: the others are in OPT */
	uint16_t counts[4]; /* by enum dns_section */
};

enum dns_section { DNS_QUESTIONS, DNS_ANSWERS, DNS_AUTHORITIES, DNS_ADDITIONALS };

struct dns_question {
	struct dns_name name;
	uint16_t type, class;
};

struct dns_record {
	enum dns_section section;
	struct dns_name name;
	uint16_t type, class;
	uint32_t ttl; /* seconds; above 2^31 - 1 is read as 0 (RFC 2181, 8) */
	struct slice data;
	struct slice message; /* up to the data's end: names in the data point into it */
};

/* ---- reading ---- */

struct dns_reader {
	struct slice message;
	struct cursor cursor;
	struct dns_header header;
	uint16_t left[4]; /* entries of each section still to be read */
	bool failed;
};

/* Begins with a message's header. False: shorter than that. The message must stay while
 * the reader, and the records that came from it, are used. */
KILN_MUST_CHECK bool dns_read(struct dns_reader *r, struct slice message);
/* The next question. False: there is no other, or it is malformed. */
KILN_MUST_CHECK bool dns_read_question(struct dns_reader *r, struct dns_question *question);
/* The next record of the three sections behind the questions, which are skipped if they
 * were not read. False: there is no other, or it is malformed. */
KILN_MUST_CHECK bool dns_read_record(struct dns_reader *r, struct dns_record *record);

/* What a record's data says, by type; false: malformed, or too short or too long. */
KILN_MUST_CHECK bool dns_data_a(const struct dns_record *record, struct ip4_addr *address);
KILN_MUST_CHECK bool dns_data_aaaa(const struct dns_record *record,
				   struct ip_addr *address);
/* CNAME, NS and PTR. */
KILN_MUST_CHECK bool dns_data_name(const struct dns_record *record, struct dns_name *name);

struct dns_soa {
	struct dns_name server, mailbox;
	uint32_t serial, refresh, retry, expire, minimum;
};
KILN_MUST_CHECK bool dns_data_soa(const struct dns_record *record, struct dns_soa *soa);

struct dns_srv { /* RFC 2782 */
	uint16_t priority, weight, port;
	struct dns_name target;
};
KILN_MUST_CHECK bool dns_data_srv(const struct dns_record *record, struct dns_srv *srv);

struct dns_opt { /* RFC 6891, 6.1 */
	uint16_t udp_size; /* the largest message that its sender takes by UDP, at least 512 */
	uint8_t rcode_high; /* the upper 8 bits of the response code */
	uint8_t version;
	bool dnssec; /* DO: RFC 3225 */
};
/* Of a record of type DNS_OPT. False: its name is not the root, or its options do not end
 * where it does. */
KILN_MUST_CHECK bool dns_data_opt(const struct dns_record *record, struct dns_opt *opt);

/* ---- writing ---- */

enum { DNS_BUILDER_NAMES = 32 };

struct dns_builder {
	struct writer w;
	struct dns_header header; /* written at the end, with its counts */
	unsigned name_count;      /* of places that a later name can point to */
	uint16_t names[DNS_BUILDER_NAMES];
};

/* A message of at most `size` bytes, 12 at least; the counts of the header are not used. */
void dns_build(struct dns_builder *b, void *buffer, size_t size,
	       const struct dns_header *header);
/* False: there is no room for it; the message is as before. Questions go first, then each
 * section in its order. */
bool dns_build_question(struct dns_builder *b, const struct dns_question *question);
/* The data is written as it is: names in it are uncompressed. */
bool dns_build_record(struct dns_builder *b, const struct dns_record *record);
bool dns_build_opt(struct dns_builder *b, const struct dns_opt *opt);
/* The whole message. */
struct slice dns_build_done(struct dns_builder *b);

#endif
