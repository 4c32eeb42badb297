/*
 * What is told of a socket: TCP_INFO. Apart from option.c, for the kernel's struct tcp_info
 * and the C library's cannot be had in one file.
 */
#ifndef DOOR_INFO_H
#define DOOR_INFO_H

#include "door_private.h"

/* struct tcp_info, as much of it as fits. */
int door_get_info(struct door_socket *s, void *value, socklen_t *size);

#endif
