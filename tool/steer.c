/*
 * Which of a tap's queues, and so which of the images that share its address, a frame goes
 * to (kiln run --cpus): a program of eBPF's for TUNSETSTEERINGEBPF (Linux 4.16). The kernel's
 * own choice remembers flows for some seconds only, and goes by a hash of the sender's socket
 * that changes when it has to send again: neither will do where another image knows nothing
 * of the connection.
 *
 *	TCP, UDP            by the client's address and port
 *	fragments           by its address: the port is in the first alone
 *	ICMP errors         as the packet would be answered that they are about
 *	ARP, ND             to the image whose own MAC address it is sent to, by the address's
 *	                    last bits (TAP_QUEUE_BITS); what is sent to all, to the first image
 *	all else            to the first image
 *
 * The number that it returns is taken modulo the number of queues.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/if_tun.h>
#include "../monitor/monitor.h"
#include "network.h"

enum {
	/* Registers: 0 result, 6 the frame, and these, which loads from it leave alone. */
	R0 = BPF_REG_0,
	FRAME = BPF_REG_6,
	KEY = BPF_REG_7, /* of the flow */
	KIND = BPF_REG_8,
	AT = BPF_REG_9, /* offset behind the IPv4 header, from the frame's start */
	PROGRAM_MOST = 160,
	/* Offsets in a frame. */
	MAC = 0,
	TYPE = 12,
	IP = 14,
	IP4_FRAGMENT = IP + 6,
	IP4_PROTOCOL = IP + 9,
	IP4_SOURCE = IP + 12,
	IP6_NEXT = IP + 6,
	IP6_SOURCE = IP + 8,
	IP6_END = IP + 40,
	/* In an ICMP message the packet that it is about begins at 8. */
	ICMP = 8,
};

enum label { TO_FIRST, OWN, IP4, ICMP4, IP6, ICMP6, BY_KEY, LABELS };

struct program {
	struct bpf_insn code[PROGRAM_MOST];
	unsigned length;
	unsigned at[LABELS];
	enum label goes[PROGRAM_MOST]; /* of jumps; LABELS: none */
};

static void emit(struct program *p, uint8_t code, uint8_t dst, uint8_t src,
                 int16_t offset, int32_t immediate)
{
	p->goes[p->length] = LABELS;
	p->code[p->length++] = (struct bpf_insn){.code = code,
	                                         .dst_reg = dst & 15,
	                                         .src_reg = src & 15,
	                                         .off = offset,
	                                         .imm = immediate};
}

static void here(struct program *p, enum label label)
{
	p->at[label] = p->length;
}

/* R0 = the frame's 1, 2 or 4 bytes there; a frame that is too short goes to the first. */
static void load(struct program *p, uint8_t size, int32_t offset)
{
	emit(p, BPF_LD | BPF_ABS | size, 0, 0, 0, offset);
}

/* The same, from AT on. */
static void load_behind(struct program *p, uint8_t size, int32_t offset)
{
	emit(p, BPF_LD | BPF_IND | size, 0, AT, 0, offset);
}

static void alu(struct program *p, uint8_t operation, uint8_t dst, int32_t immediate)
{
	emit(p, BPF_ALU64 | operation | BPF_K, dst, 0, 0, immediate);
}

static void alu_by(struct program *p, uint8_t operation, uint8_t dst, uint8_t src)
{
	emit(p, BPF_ALU64 | operation | BPF_X, dst, src, 0, 0);
}

static void jump(struct program *p, uint8_t condition, uint8_t dst, int32_t immediate,
                 enum label to)
{
	emit(p, BPF_JMP | condition | BPF_K, dst, 0, 0, immediate);
	p->goes[p->length - 1] = to;
}

static void go(struct program *p, enum label to)
{
	emit(p, BPF_JMP | BPF_JA, 0, 0, 0, 0);
	p->goes[p->length - 1] = to;
}

/* KEY += R0, spread over it. */
static void mix(struct program *p)
{
	alu_by(p, BPF_ADD, KEY, R0);
	alu(p, BPF_MUL, KEY, 0x2c1b3c6d);
}

/* AT += 4 times the lower half of R0: an IPv4 header's length. */
static void skip_ip4(struct program *p)
{
	alu(p, BPF_AND, R0, 15);
	alu(p, BPF_LSH, R0, 2);
	alu_by(p, BPF_ADD, AT, R0);
}

static void steer_ip4(struct program *p)
{
	here(p, IP4);
	load(p, BPF_B, IP4_PROTOCOL);
	alu_by(p, BPF_MOV, KIND, R0);
	load(p, BPF_W, IP4_SOURCE);
	mix(p);
	load(p, BPF_H, IP4_FRAGMENT);
	jump(p, BPF_JSET, R0, 0x3fff, BY_KEY); /* an offset, or more to come */
	alu(p, BPF_MOV, AT, IP);
	load(p, BPF_B, IP);
	skip_ip4(p);
	jump(p, BPF_JEQ, KIND, 1, ICMP4);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, KIND, 0, 1, 6);
	jump(p, BPF_JNE, KIND, 17, TO_FIRST);
	load_behind(p, BPF_H, 0);
	mix(p);
	go(p, BY_KEY);

	here(p, ICMP4); /* 3 unreachable, 11 time exceeded, 12 parameter */
	load_behind(p, BPF_B, 0);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, R0, 0, 2, 3);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, R0, 0, 1, 11);
	jump(p, BPF_JNE, R0, 12, TO_FIRST);
	alu(p, BPF_MOV, KEY, 0);
	load_behind(p, BPF_W, ICMP + 16); /* its destination */
	mix(p);
	load_behind(p, BPF_B, ICMP);
	skip_ip4(p);
	load_behind(p, BPF_H, ICMP + 2);
	mix(p);
	go(p, BY_KEY);
}

/* The four words of an address. */
static void mix_ip6(struct program *p, int32_t offset)
{
	for (int32_t i = 0; i < 16; i += 4) {
		load(p, BPF_W, offset + i);
		mix(p);
	}
}

static void steer_ip6(struct program *p)
{
	here(p, IP6);
	load(p, BPF_B, IP6_NEXT);
	alu_by(p, BPF_MOV, KIND, R0);
	jump(p, BPF_JEQ, KIND, 58, ICMP6);
	mix_ip6(p, IP6_SOURCE);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, KIND, 0, 1, 6);
	jump(p, BPF_JNE, KIND, 17, BY_KEY);
	load(p, BPF_H, IP6_END);
	mix(p);
	go(p, BY_KEY);

	here(p, ICMP6); /* 1 to 4 errors, 133 to 137 neighbour discovery */
	load(p, BPF_B, IP6_END);
	emit(p, BPF_JMP | BPF_JLT | BPF_K, R0, 0, 2, 133);
	jump(p, BPF_JLE, R0, 137, OWN);
	go(p, TO_FIRST);
	jump(p, BPF_JGT, R0, 4, TO_FIRST);
	mix_ip6(p, IP6_END + ICMP + 24); /* its destination */
	load(p, BPF_H, IP6_END + ICMP + 40 + 2);
	mix(p);
	go(p, BY_KEY);
}

static void write_program(struct program *p)
{
	alu_by(p, BPF_MOV, FRAME, BPF_REG_1);
	alu(p, BPF_MOV, KEY, 0);
	load(p, BPF_H, TYPE);
	jump(p, BPF_JEQ, R0, 0x0800, IP4);
	jump(p, BPF_JEQ, R0, 0x86dd, IP6);
	jump(p, BPF_JEQ, R0, 0x0806, OWN);

	here(p, TO_FIRST);
	alu(p, BPF_MOV, R0, 0);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);

	here(p, OWN);
	load(p, BPF_B, MAC);
	jump(p, BPF_JSET, R0, 1, TO_FIRST); /* to a group */
	load(p, BPF_B, MAC + 5);
	alu(p, BPF_AND, R0, TAP_QUEUE_BITS);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);

	steer_ip4(p);
	steer_ip6(p);

	here(p, BY_KEY); /* the middle bits have the most of it */
	alu_by(p, BPF_MOV, R0, KEY);
	alu(p, BPF_RSH, R0, 20);
	alu(p, BPF_AND, R0, 0xffff);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	for (unsigned i = 0; i < p->length; i++)
		if (p->goes[i] != LABELS)
			p->code[i].off = (int16_t)((int)p->at[p->goes[i]] - (int)i - 1);
}

void steer(int tap, const char *interface)
{
	struct program program = {.length = 0};
	union bpf_attr attributes;
	int fd;

	write_program(&program);
	memset(&attributes, 0, sizeof(attributes));
	attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attributes.insns = (uintptr_t)program.code;
	attributes.insn_cnt = program.length;
	attributes.license = (uintptr_t) "ISC";
	fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes));
	if (fd < 0)
		fail(
		    "--cpus: the kernel takes no program to steer the frames of %s: %s%s",
		    interface, strerror(errno), errno == EPERM ? ": run as root" : "");
	if (ioctl(tap, TUNSETSTEERINGEBPF, &fd) < 0)
		fail("--cpus: cannot steer the frames of %s: %s", interface,
		     strerror(errno));
	close(fd);
}
