// @NAME@: puts clients whose vendor class starts with `acme` into a class of their own.

#include <string.h>

#include "plugin.h"

// Vendor class identifier (RFC 2132 section 9.13).
#define VENDOR_CLASS 60

void exports_bindery_admit_hook_admit(exports_bindery_admit_hook_meta_t *meta,
                                      exports_bindery_admit_hook_borrow_request_t request,
                                      exports_bindery_admit_hook_verdict_t *verdict) {
    (void)meta;
    memset(verdict, 0, sizeof *verdict);
    verdict->tag = EXPORTS_BINDERY_ADMIT_HOOK_VERDICT_CONTINUE;

    plugin_list_u8_t vendor;
    if (!bindery_admit_requests_method_request_request_option(request, VENDOR_CLASS, &vendor)) {
        return;
    }
    if (vendor.len >= 4 && memcmp(vendor.ptr, "acme", 4) == 0) {
        // What stays zero is not chosen.
        verdict->tag = EXPORTS_BINDERY_ADMIT_HOOK_VERDICT_CHOOSE;
        verdict->val.choose.class_.is_some = true;
        plugin_string_dup(&verdict->val.choose.class_.val, "acme");
    }
    // What the host hands out is ours to free.
    plugin_list_u8_free(&vendor);
}
