/*
 * Library options that were fixed at build time: none, unless `kiln build` links an
 * object of its own with these names. A file of its own, so that the linker can choose.
 */
#include <stddef.h>

extern const char kiln_fixed_options[];
extern const size_t kiln_fixed_options_size;

const char kiln_fixed_options[1] __attribute__((weak)) = "";
const size_t kiln_fixed_options_size __attribute__((weak)) = 0;
