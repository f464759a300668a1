// @NAME@: clients whose vendor class starts with `acme` get a domain name of their own.

#include <string.h>

#include "plugin.h"

// Domain name (RFC 2132 section 3.17).
#define DOMAIN_NAME 15
// Vendor class identifier (RFC 2132 section 9.13).
#define VENDOR_CLASS 60

exports_bindery_shape_reply_hook_verdict_t exports_bindery_shape_reply_hook_shape(
    exports_bindery_shape_reply_hook_meta_t *meta, exports_bindery_shape_reply_hook_borrow_exchange_t exchange) {
    (void)meta;
    plugin_list_u8_t vendor;
    if (bindery_shape_reply_exchanges_method_exchange_request_option(exchange, VENDOR_CLASS, &vendor)) {
        if (vendor.len >= 4 && memcmp(vendor.ptr, "acme", 4) == 0) {
            plugin_list_u8_t name = {(uint8_t *)"acme.example", strlen("acme.example")};
            bindery_shape_reply_exchanges_method_exchange_set_option(exchange, DOMAIN_NAME, &name);
        }
        // What the host hands out is ours to free.
        plugin_list_u8_free(&vendor);
    }
    return EXPORTS_BINDERY_SHAPE_REPLY_HOOK_VERDICT_CONTINUE;
}
