/*
 * The remote serial protocol of gdb ("Debugging with GDB", appendix E), as much of it as gdb
 * needs: registers, memory, continue, step, and the interrupt. See gdb.h.
 *
 * Whoever connects to the socket controls the guest, as the one who started it does. What
 * it sends is checked nevertheless: it is text from outside.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include "kvm.h"

/* In gdb's order: 17 registers of 64 bits, then rflags and six selectors of 32. */
enum { REGISTERS = 24, WIDE = 17, REGISTERS_SIZE = WIDE * 8 + (REGISTERS - WIDE) * 4 };
enum { RIP = 16, INT3 = 0xcc, BREAKPOINT = 3 };
enum { INTERRUPT = 3, MEMORY_MOST = GDB_PACKET / 2 - 8 };
_Static_assert(2 * REGISTERS_SIZE + 8 < GDB_PACKET, "all registers in a packet");

struct registers {
	uint64_t wide[WIDE];
	uint32_t narrow[REGISTERS - WIDE];
};
_Static_assert(offsetof(struct registers, narrow) == WIDE * 8, "gdb's layout");

/* ---- text ---- */

static void put_hex(char *to, const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		snprintf(to + 2 * i, 3, "%02x", ((const uint8_t *)bytes)[i]);
}

static bool get_hex(void *to, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned byte;
		if (!text[2 * i] || !text[2 * i + 1] ||
		    sscanf(text + 2 * i, "%2x", &byte) != 1)
			return false;
		((uint8_t *)to)[i] = (uint8_t)byte;
	}
	return true;
}

/* ---- packets ---- */

static void hang_up(struct gdb *g)
{
	close(g->fd);
	g->fd = -1;
}

static int next_byte(struct gdb *g)
{
	if (g->at == g->size) {
		ssize_t n = g->fd < 0 ? 0 : read(g->fd, g->input, sizeof(g->input));
		if (n <= 0) {
			if (g->fd >= 0)
				hang_up(g);
			return -1;
		}
		g->size = (size_t)n;
		g->at = 0;
	}
	return (unsigned char)g->input[g->at++];
}

static void send_bytes(struct gdb *g, const char *bytes, size_t size)
{
	while (size && g->fd >= 0) {
		ssize_t n = write(g->fd, bytes, size);
		if (n <= 0) {
			hang_up(g);
			return;
		}
		bytes += n;
		size -= (size_t)n;
	}
}

/* g->packet without its frame; false once gdb is gone. */
static bool receive(struct gdb *g)
{
	int byte;

	for (;;) {
		size_t size = 0;
		do {
			byte = next_byte(g);
			if (byte < 0)
				return false;
		} while (byte != '$');
		while ((byte = next_byte(g)) >= 0 && byte != '#')
			if (size + 1 < sizeof(g->packet))
				g->packet[size++] = (char)byte;
		g->packet[size] = '\0';
		/* The checksum: the socket does not lose or change anything. */
		if (next_byte(g) < 0 || next_byte(g) < 0)
			return false;
		send_bytes(g, "+", 1);
		return true;
	}
}

static void reply(struct gdb *g, const char *text)
{
	char frame[GDB_PACKET + 8];
	unsigned sum = 0;
	int size;

	for (const char *p = text; *p; p++)
		sum += (unsigned char)*p;
	size = snprintf(frame, sizeof(frame), "$%s#%02x", text, sum & 0xff);
	send_bytes(g, frame, (size_t)size);
}

/* ---- registers ---- */

static uint64_t *wide_register(struct kvm_regs *r, unsigned number)
{
	/* clang-format off */
	uint64_t *const registers[WIDE] = {
	    (uint64_t *)&r->rax, (uint64_t *)&r->rbx, (uint64_t *)&r->rcx, (uint64_t *)&r->rdx,
	    (uint64_t *)&r->rsi, (uint64_t *)&r->rdi, (uint64_t *)&r->rbp, (uint64_t *)&r->rsp,
	    (uint64_t *)&r->r8,  (uint64_t *)&r->r9,  (uint64_t *)&r->r10, (uint64_t *)&r->r11,
	    (uint64_t *)&r->r12, (uint64_t *)&r->r13, (uint64_t *)&r->r14, (uint64_t *)&r->r15,
	    (uint64_t *)&r->rip};
	/* clang-format on */

	return registers[number];
}

static bool read_registers(const struct monitor *m, struct registers *to)
{
	struct kvm_regs r;
	struct kvm_sregs s;

	if (ioctl(m->machine.vcpu, KVM_GET_REGS, &r) < 0 ||
	    ioctl(m->machine.vcpu, KVM_GET_SREGS, &s) < 0)
		return false;
	for (unsigned i = 0; i < WIDE; i++)
		to->wide[i] = *wide_register(&r, i);
	to->narrow[0] = (uint32_t)r.rflags;
	to->narrow[1] = s.cs.selector;
	to->narrow[2] = s.ss.selector;
	to->narrow[3] = s.ds.selector;
	to->narrow[4] = s.es.selector;
	to->narrow[5] = s.fs.selector;
	to->narrow[6] = s.gs.selector;
	return true;
}

/* The selectors stay: the guest cannot change them either. */
static bool write_registers(const struct monitor *m, const struct registers *from)
{
	struct kvm_regs r;

	if (ioctl(m->machine.vcpu, KVM_GET_REGS, &r) < 0)
		return false;
	for (unsigned i = 0; i < WIDE; i++)
		*wide_register(&r, i) = from->wide[i];
	r.rflags = from->narrow[0];
	return ioctl(m->machine.vcpu, KVM_SET_REGS, &r) == 0;
}

static const char *get_registers(struct monitor *m)
{
	struct registers registers;

	if (!read_registers(m, &registers))
		return "E01";
	put_hex(m->gdb.reply, &registers, REGISTERS_SIZE);
	return m->gdb.reply;
}

static const char *set_registers(struct monitor *m, const char *text)
{
	struct registers registers;

	return get_hex(&registers, text, REGISTERS_SIZE) && write_registers(m, &registers)
	           ? "OK"
	           : "E01";
}

/* "NUMBER=VALUE" */
static const char *set_register(struct monitor *m, const char *text)
{
	struct registers registers;
	char *value;
	unsigned long number = strtoul(text, &value, 16);
	void *place;

	if (number >= REGISTERS || *value != '=' || !read_registers(m, &registers))
		return "E01";
	place = number < WIDE ? (void *)&registers.wide[number]
	                      : (void *)&registers.narrow[number - WIDE];
	return get_hex(place, value + 1, number < WIDE ? 8 : 4) &&
	               write_registers(m, &registers)
	           ? "OK"
	           : "E01";
}

/* ---- memory ---- */

/* "ADDRESS,SIZE" at the start of the text, as memory; NULL if that is none of the guest's. */
static uint8_t *memory_at(const struct monitor *m, char **text, size_t *size)
{
	uint64_t address = strtoull(*text, text, 16);

	if (**text != ',')
		return NULL;
	*size = strtoull(*text + 1, text, 16);
	if (*size > MEMORY_MOST)
		return NULL;
	return guest_memory_at(&m->space.memory, address - m->space.offset, *size,
	                       GUEST_READ);
}

static const char *get_memory(struct monitor *m, char *text)
{
	size_t size;
	const uint8_t *memory = memory_at(m, &text, &size);

	if (!memory)
		return "E01";
	m->gdb.reply[0] = '\0';
	put_hex(m->gdb.reply, memory, size);
	return m->gdb.reply;
}

static const char *set_memory(struct monitor *m, char *text)
{
	size_t size;
	uint8_t *memory = memory_at(m, &text, &size);

	if (!memory || *text != ':' || strlen(text + 1) != 2 * size)
		return "E01";
	return get_hex(memory, text + 1, size) ? "OK" : "E01";
}

/* ---- commands ---- */

static const char *query(struct monitor *m, const char *text)
{
	const struct space *space = &m->space;

	if (strcmp(text, "qOffsets") == 0) { /* gdb moves the image's symbols there */
		snprintf(m->gdb.reply, sizeof(m->gdb.reply), "TextSeg=%llx",
		         (unsigned long long)(space->image + space->offset));
		return m->gdb.reply;
	}
	if (strncmp(text, "qSupported", 10) == 0)
		return "PacketSize=800";
	if (strcmp(text, "qAttached") == 0)
		return "1";
	if (strcmp(text, "qfThreadInfo") == 0)
		return "m1";
	if (strcmp(text, "qsThreadInfo") == 0)
		return "l";
	return strcmp(text, "qC") == 0 ? "QC1" : "";
}

static const char *answer(struct monitor *m, int signal)
{
	struct gdb *g = &m->gdb;

	switch (g->packet[0]) {
	case '?':
		snprintf(g->reply, sizeof(g->reply), "S%02x", signal);
		return g->reply;
	case 'g':
		return get_registers(m);
	case 'G':
		return set_registers(m, g->packet + 1);
	case 'P':
		return set_register(m, g->packet + 1);
	case 'm':
		return get_memory(m, g->packet + 1);
	case 'M':
		return set_memory(m, g->packet + 1);
	case 'q':
		return query(m, g->packet);
	case 'H':
	case 'T':
		return "OK";
	default:
		return "";
	}
}

static void set_debug(struct monitor *m, uint32_t control)
{
	struct kvm_guest_debug debug = {.control = control};

	if (ioctl(m->machine.vcpu, KVM_SET_GUEST_DEBUG, &debug) < 0)
		monitor_fail(&m->options, "this machine's KVM cannot debug a guest");
}

/* What KVM exits for as it should: int3 is not yet behind it, as gdb would have it. */
void gdb_debug_exit(struct monitor *m)
{
	struct registers registers;

	if (m->machine.run->debug.arch.exception == BREAKPOINT &&
	    read_registers(m, &registers)) {
		registers.wide[RIP]++;
		(void)write_registers(m, &registers);
	}
	gdb_stopped(m, SIGTRAP);
}

bool gdb_trapped(struct monitor *m)
{
	struct registers registers;
	uint64_t rip;
	const uint8_t *before;

	if (m->gdb.fd < 0 || !read_registers(m, &registers))
		return false;
	rip = registers.wide[RIP];
	before =
	    guest_memory_at(&m->space.memory, rip - m->space.offset - 1, 1, GUEST_READ);
	if (m->gdb.stepping ? rip == m->gdb.stepped_from : !before || *before != INT3) {
		gdb_stopped(m, SIGSEGV);
		return false;
	}
	gdb_stopped(m, SIGTRAP);
	return true;
}

static void go_on(struct monitor *m, bool step)
{
	struct registers registers;

	m->gdb.stepping = step && read_registers(m, &registers);
	if (m->gdb.stepping)
		m->gdb.stepped_from = registers.wide[RIP];
	set_debug(m, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP |
	                 (step ? KVM_GUESTDBG_SINGLESTEP : 0));
}

void gdb_stopped(struct monitor *m, int signal)
{
	struct gdb *g = &m->gdb;
	char stopped[8];

	snprintf(stopped, sizeof(stopped), "S%02x", signal);
	if (signal) /* 0: at the start, when nobody has asked yet */
		reply(g, stopped);
	g->interrupted = false;
	while (receive(g)) {
		switch (g->packet[0]) {
		case 'c':
		case 'C': /* the signal that it names is nothing to a guest */
			go_on(m, false);
			return;
		case 's':
		case 'S':
			go_on(m, true);
			return;
		case 'D':
			reply(g, "OK");
			hang_up(g);
			break;
		case 'k':
			_exit(MONITOR_EXIT_FAILED);
		default:
			reply(g, answer(m, signal ? signal : SIGTRAP));
		}
	}
	set_debug(m, 0);
}

void gdb_input(struct monitor *m)
{
	struct gdb *g = &m->gdb;
	struct pollfd fd = {.fd = g->fd, .events = POLLIN};
	const struct timespec at_once = {0};

	while (g->fd >= 0 && ppoll(&fd, 1, &at_once, NULL) == 1) {
		int byte = next_byte(g);
		if (byte == INTERRUPT || byte < 0)
			g->interrupted = true;
	}
}

void gdb_ended(struct monitor *m, int status)
{
	char ended[8];

	if (m->gdb.fd < 0)
		return;
	snprintf(ended, sizeof(ended), "W%02x", status & 0xff);
	reply(&m->gdb, ended);
}

void gdb_open(struct monitor *m)
{
	struct gdb *g = &m->gdb;
	sigset_t input;

	g->fd = -1;
	if (m->options.gdb < 0)
		return;
	g->fd = accept(m->options.gdb, NULL, NULL);
	sigemptyset(&input);
	sigaddset(&input, SIGIO); /* read from a descriptor: monitor_open_stop() */
	if (g->fd < 0 || sigprocmask(SIG_BLOCK, &input, NULL) < 0 ||
	    fcntl(g->fd, F_SETOWN, getpid()) < 0 || fcntl(g->fd, F_SETFL, O_ASYNC) < 0)
		monitor_fail(&m->options, "no debugger can connect");
	close(m->options.gdb);
}
