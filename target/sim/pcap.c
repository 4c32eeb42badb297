/*
 * Capture files: the classic pcap format with nanosecond stamps (draft-ietf-opsawg-pcap),
 * in the byte order of this machine, as its magic number says. Stamps are virtual time.
 */
#include "world.h"

enum { PCAP_MAGIC_NS = 0xa1b23c4d, PCAP_SNAPLEN = 262144, PCAP_ETHERNET = 1 };

struct pcap_file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t reserved[2];
	uint32_t snaplen;
	uint32_t link_type;
};
_Static_assert(sizeof(struct pcap_file_header) == 24, "pcap file header");

struct pcap_record_header {
	uint32_t seconds, nanoseconds;
	uint32_t captured, original;
};
_Static_assert(sizeof(struct pcap_record_header) == 16, "pcap record header");

FILE *sim_pcap_open(const char *path)
{
	struct pcap_file_header header = {.magic = (uint32_t)PCAP_MAGIC_NS,
	                                  .major = 2,
	                                  .minor = 4,
	                                  .snaplen = PCAP_SNAPLEN,
	                                  .link_type = PCAP_ETHERNET};
	FILE *pcap = fopen(path, "wbe");

	if (pcap)
		fwrite(&header, sizeof(header), 1, pcap);
	return pcap;
}

/* Errors stick to the FILE; they are reported when it is closed. */
void sim_pcap_write(FILE *pcap, kiln_time at, struct slice frame)
{
	struct pcap_record_header header = {.seconds = (uint32_t)(at / KILN_SECONDS(1)),
	                                    .nanoseconds =
	                                        (uint32_t)(at % KILN_SECONDS(1)),
	                                    .captured = (uint32_t)frame.len,
	                                    .original = (uint32_t)frame.len};

	fwrite(&header, sizeof(header), 1, pcap);
	fwrite(frame.data, 1, frame.len, pcap);
}
