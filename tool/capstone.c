/*
 * Capstone, the disassembler, loaded when it is first opened. Its tables are full of pointers:
 * linked in, it takes the dynamic linker three quarters of the start of `kiln`, which most
 * commands have no use for. The functions are those of its header that the tool calls.
 */
#include <capstone/capstone.h>
#include <dlfcn.h>
#include <string.h>
#include "tool.h"

#define TEXT(x)  #x
#define MAJOR(x) TEXT(x)

static struct {
	void *library;
	cs_err (*open)(cs_arch arch, cs_mode mode, csh *handle);
	cs_err (*close)(csh *handle);
	cs_err (*option)(csh handle, cs_opt_type type, size_t value);
	cs_insn *(*malloc)(csh handle);
	void (*free)(cs_insn *instructions, size_t count);
	bool (*disasm_iter)(csh handle, const uint8_t **code, size_t *size,
	                    uint64_t *address, cs_insn *instruction);
	bool (*insn_group)(csh handle, const cs_insn *instruction, unsigned group);
} capstone;

static void find(const char *name, void *function)
{
	void *found = dlsym(capstone.library, name);

	if (!found)
		fail("cannot start the disassembler: %s", dlerror());
	memcpy(function, &found, sizeof(found));
}

cs_err cs_open(cs_arch arch, cs_mode mode, csh *handle)
{
	if (!capstone.library) {
		capstone.library =
		    dlopen("libcapstone.so." MAJOR(CS_API_MAJOR), RTLD_NOW);
		if (!capstone.library)
			fail("cannot start the disassembler: %s", dlerror());
		find("cs_open", &capstone.open);
		find("cs_close", &capstone.close);
		find("cs_option", &capstone.option);
		find("cs_malloc", &capstone.malloc);
		find("cs_free", &capstone.free);
		find("cs_disasm_iter", &capstone.disasm_iter);
		find("cs_insn_group", &capstone.insn_group);
	}
	return capstone.open(arch, mode, handle);
}

cs_err cs_close(csh *handle)
{
	return capstone.close(handle);
}

cs_err cs_option(csh handle, cs_opt_type type, size_t value)
{
	return capstone.option(handle, type, value);
}

cs_insn *cs_malloc(csh handle)
{
	return capstone.malloc(handle);
}

void cs_free(cs_insn *instructions, size_t count)
{
	capstone.free(instructions, count);
}

bool cs_disasm_iter(csh handle, const uint8_t **code, size_t *size, uint64_t *address,
                    cs_insn *instruction)
{
	return capstone.disasm_iter(handle, code, size, address, instruction);
}

bool cs_insn_group(csh handle, const cs_insn *instruction, unsigned group)
{
	return capstone.insn_group(handle, instruction, group);
}
