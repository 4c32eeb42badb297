/*
 * What errno an ICMP error is, as Linux has it: one table for each family, by type and code
 * (RFC 792, 1122 3.2.2.1, 1812 5.2.7.1; RFC 4443, 3).
 */
#include "door_private.h"

struct fault {
	int number;
	bool fatal;
};

static const struct fault unreachable4[] = {
    {ENETUNREACH, false},                                              /* network */
    {EHOSTUNREACH, false}, {ENOPROTOOPT, true},  {ECONNREFUSED, true}, /* port */
    {EMSGSIZE, true},                            /* fragmentation needed */
    {EOPNOTSUPP, false},                         /* source route failed */
    {ENETUNREACH, true},                         /* network unknown */
    {EHOSTDOWN, true},                           /* host unknown */
    {ENONET, true},                              /* source host isolated */
    {ENETUNREACH, true},                         /* prohibited: network */
    {EHOSTUNREACH, true},                        /* prohibited: host */
    {ENETUNREACH, false},                        /* for this type of service */
    {EHOSTUNREACH, false}, {EHOSTUNREACH, true}, /* filtered */
    {EHOSTUNREACH, true},  {EHOSTUNREACH, true},
};

static const struct fault unreachable6[] = {
    {ENETUNREACH, false},  /* no route */
    {EACCES, true},        /* prohibited */
    {EHOSTUNREACH, false}, /* beyond the scope of the source */
    {EHOSTUNREACH, false}, /* address */
    {ECONNREFUSED, true},  /* port */
    {EACCES, true},        /* source address failed policy */
    {EACCES, true},        /* reject route */
};

enum {
	UNREACHABLE4 = 3,
	TIME4 = 11,
	PARAMETER4 = 12,
	UNREACHABLE6 = 1,
	TOO_BIG6,
	TIME6,
	PARAMETER6,
};

static struct fault fault4(uint8_t type, uint8_t code)
{
	if (type == UNREACHABLE4 && code < sizeof(unreachable4) / sizeof(*unreachable4))
		return unreachable4[code];
	return type == PARAMETER4 ? (struct fault){EPROTO, true}
	                          : (struct fault){EHOSTUNREACH, false};
}

static struct fault fault6(uint8_t type, uint8_t code)
{
	if (type == UNREACHABLE6 && code < sizeof(unreachable6) / sizeof(*unreachable6))
		return unreachable6[code];
	if (type == TOO_BIG6)
		return (struct fault){EMSGSIZE, true};
	return type == PARAMETER6 ? (struct fault){EPROTO, true}
	                          : (struct fault){EHOSTUNREACH, false};
}

int door_icmp_errno(bool ip6, uint8_t type, uint8_t code, bool *fatal)
{
	struct fault fault = ip6 ? fault6(type, code) : fault4(type, code);

	*fatal = fault.fatal;
	return fault.number;
}
