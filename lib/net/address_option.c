/*
 * The options that are addresses, for KILN_OPTION_OF: see <kiln/ip.h>. Each kind is a
 * constant of its own, so that the linker keeps those that an image has options of.
 */
#include <kiln/abi/address.h>
#include <kiln/ip.h>

const struct kiln_param_kind ip_kind_address = ADDRESS_KIND_ADDRESS;
const struct kiln_param_kind ip_kind_prefix = ADDRESS_KIND_PREFIX;
const struct kiln_param_kind ip_kind_address6 = ADDRESS_KIND_ADDRESS6;
const struct kiln_param_kind ip_kind_prefix6 = ADDRESS_KIND_PREFIX6;
const struct kiln_param_kind ip_kind_any_address = ADDRESS_KIND_ANY_ADDRESS;
const struct kiln_param_kind ip_kind_addresses = ADDRESS_KIND_ADDRESSES;
const struct kiln_param_kind ip_kind_routes = ADDRESS_KIND_ROUTES;
