/*
 * An interface's own addresses, reached: what is sent to them, or to 127.0.0.0/8 and ::1
 * (RFC 1122, 3.2.1.3 (g); RFC 4291, 2.5.3), is received in the same iteration and never
 * meets the device. For targets with sockets (target/door); an image that does not call
 * this has no way to itself, and pays a pointer.
 */
#ifndef NET_LOOPBACK_H
#define NET_LOOPBACK_H

#include "stack.h"

/* From here on. */
void net_loopback_start(struct net *net);
/* Whether the address is one of those; false until it is started. */
bool net_loopback_has(const struct net *net, const struct ip_addr *addr);

#endif
