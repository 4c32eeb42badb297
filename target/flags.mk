# Compiler flags, in one place: the Makefile includes this file, and `kiln build` reads it
# (lines "NAME = words", no make functions) so that an appliance is compiled as lib/ is.

# Every C file of the project, and every appliance.
COMMON_CFLAGS = -std=c17 -g -O2 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wpointer-arith -Wcast-qual -Wvla -Wundef -Wno-unused-parameter -fno-strict-aliasing -fno-common -fno-omit-frame-pointer -ffunction-sections -fdata-sections

# Into images (jail, vm): freestanding, position independent, no thread-local storage. Padding
# of loops and jumps would be 5 % of the text.
IMAGE_CFLAGS = -ffreestanding -fbuiltin -fPIE -fvisibility=hidden -fno-asynchronous-unwind-tables -fno-unwind-tables -fcf-protection=none -fstack-protector-strong -mstack-protector-guard=global -mno-red-zone -nostdinc -isystem /usr/include/x86_64-linux-musl -D_GNU_SOURCE -falign-functions=8 -falign-loops=1 -falign-jumps=1

# Kiln's part of images: small, as what the kernel takes for each frame hides most of what speed
# would gain. Than with -O2, web pages took as long, queries of a flood 3 % longer, and a connection
# for each page 8 %.
SMALL_CFLAGS = -Oz -fomit-frame-pointer

# clang has no option for the jumps, and is told not to say so.
CLANG_CFLAGS = -Wno-ignored-optimization-argument

# Into programs on the host (host, sim, tests).
HOSTED_CFLAGS = -fPIE -D_GNU_SOURCE -fstack-protector-strong
ASAN_CFLAGS = -fPIE -D_GNU_SOURCE -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_CFLAGS = -fPIE -D_GNU_SOURCE -O1 -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined

# Into kiln-jail: musl in place of glibc, whose start asks the processor for its features
# forty times by cpuid. A hypervisor traps each, for 11 us here: half of the whole start.
MUSL_CFLAGS = -fPIE -D_GNU_SOURCE -fstack-protector-strong -fno-asynchronous-unwind-tables -nostdinc -isystem /usr/include/x86_64-linux-musl -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu
# Few segments, whose pages are mapped and unmapped together.
MUSL_LDFLAGS = -nostdlib -static-pie -Wl,--gc-sections,-z,relro,-z,now,-z,noexecstack,-z,noseparate-code
MUSL_START = /usr/lib/x86_64-linux-musl/rcrt1.o /usr/lib/x86_64-linux-musl/crti.o
MUSL_END = /usr/lib/x86_64-linux-musl/libc.a /usr/lib/x86_64-linux-musl/crtn.o

# Linking images. The scripts lay out text, constants, relocated constants and data on
# pages of their own; nothing is both writable and executable.
JAIL_LDFLAGS = -nostdlib -static-pie -Wl,--no-dynamic-linker,-z,text,-z,noexecstack,-z,norelro,-z,pack-relative-relocs,--spare-dynamic-tags=0,--build-id=none,--gc-sections,--hash-style=gnu
VM_LDFLAGS = -nostdlib -static-pie -Wl,--no-dynamic-linker,-z,text,-z,noexecstack,-z,norelro,-z,pack-relative-relocs,--spare-dynamic-tags=0,--build-id=none,--gc-sections,--hash-style=gnu
# musl's C library, for its pieces without system calls.
IMAGE_LIBC = /usr/lib/x86_64-linux-musl/libc.a
