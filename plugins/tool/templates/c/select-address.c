// @NAME@: newcomers without a vendor class get a short lease.

#include <string.h>

#include "plugin.h"

// Vendor class identifier (RFC 2132 section 9.13).
#define VENDOR_CLASS 60

void exports_bindery_select_address_hook_select(exports_bindery_select_address_hook_proposal_t *proposal,
                                                exports_bindery_select_address_hook_borrow_request_t request,
                                                exports_bindery_select_address_hook_verdict_t *verdict) {
    // What the host hands over is ours to free.
    exports_bindery_select_address_hook_proposal_free(proposal);
    memset(verdict, 0, sizeof *verdict);
    verdict->tag = EXPORTS_BINDERY_SELECT_ADDRESS_HOOK_VERDICT_CONTINUE;

    plugin_list_u8_t vendor;
    if (bindery_admit_requests_method_request_request_option(request, VENDOR_CLASS, &vendor)) {
        plugin_list_u8_free(&vendor);
        return;
    }
    // What stays zero is not chosen.
    verdict->tag = EXPORTS_BINDERY_SELECT_ADDRESS_HOOK_VERDICT_CHOOSE;
    verdict->val.choose.lease_seconds.is_some = true;
    verdict->val.choose.lease_seconds.val = 600;
}
