/*
 * What of Linux's io_uring a jailed image uses (io_uring(7), linux/io_uring.h): images are
 * built without the kernel's headers.
 */
#ifndef TARGET_JAIL_URING_H
#define TARGET_JAIL_URING_H

#include <stddef.h>
#include <stdint.h>

enum {
	URING_WRITEV = 2,          /* IORING_OP_WRITEV */
	URING_READ_MULTISHOT = 49, /* Linux 6.7 */
	URING_FIXED_FILE = 1,      /* IOSQE_: the file is a number of those registered */
	URING_BUFFER_SELECT = 32,  /* IOSQE_: into a buffer of the group */
	URING_MORE = 2,            /* IORING_CQE_F_: the request goes on */
	URING_BUFFER = 1,          /* IORING_CQE_F_: flags >> 16 is the buffer's number */
	URING_OVERFLOW = 2,        /* IORING_SQ_CQ_: completions wait in the kernel */
	URING_TASKRUN = 4,         /* IORING_SQ_: there is work to do within a call */
	URING_GETEVENTS = 1,       /* IORING_ENTER_ */
};

/* struct io_uring_sqe */
struct uring_request {
	uint8_t op, flags;
	uint16_t priority;
	int32_t file;
	uint64_t offset; /* none: a tap and a socket have no position */
	uint64_t address;
	uint32_t length;
	uint32_t rw_flags;
	uint64_t tag;
	uint16_t group; /* of buffers */
	uint8_t rest[22];
};
_Static_assert(sizeof(struct uring_request) == 64, "struct io_uring_sqe");
_Static_assert(offsetof(struct uring_request, tag) == 32, "struct io_uring_sqe");
_Static_assert(offsetof(struct uring_request, group) == 40, "struct io_uring_sqe");

/* struct io_uring_cqe */
struct uring_completion {
	uint64_t tag;
	int32_t result; /* as the system call's */
	uint32_t flags;
};
_Static_assert(sizeof(struct uring_completion) == 16, "struct io_uring_cqe");

/* struct io_uring_buf */
struct uring_buffer {
	uint64_t address;
	uint32_t length;
	uint16_t number;
	uint16_t tail; /* in the first of a ring: how many have been given */
};
_Static_assert(sizeof(struct uring_buffer) == 16, "struct io_uring_buf");

#endif
