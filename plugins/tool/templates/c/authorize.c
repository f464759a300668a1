// @NAME@: the user name that RADIUS gets is the circuit that the access node names.

#include <string.h>

#include "plugin.h"

void exports_bindery_authorize_hook_authorize(exports_bindery_authorize_hook_phase_t phase,
                                              exports_bindery_authorize_hook_borrow_request_t request,
                                              plugin_string_t *username,
                                              exports_bindery_authorize_hook_list_attribute_t *attributes,
                                              exports_bindery_authorize_hook_verdict_t *verdict) {
    // What the host hands over is ours to free.
    plugin_string_free(username);
    exports_bindery_authorize_hook_list_attribute_free(attributes);
    memset(verdict, 0, sizeof *verdict);
    verdict->tag = EXPORTS_BINDERY_AUTHORIZE_HOOK_VERDICT_CONTINUE;

    plugin_list_u8_t circuit;
    if (phase != EXPORTS_BINDERY_AUTHORIZE_HOOK_PHASE_BEFORE ||
        !bindery_admit_requests_method_request_circuit_id(request, &circuit)) {
        return;
    }
    for (size_t i = 0; i < circuit.len; i++) {
        // A string must be UTF-8, or the call fails.
        if (circuit.ptr[i] < 0x20 || circuit.ptr[i] > 0x7e) {
            circuit.ptr[i] = '?';
        }
    }
    // What stays zero is not changed. The host frees the name.
    verdict->tag = EXPORTS_BINDERY_AUTHORIZE_HOOK_VERDICT_CHOOSE;
    verdict->val.choose.username.is_some = true;
    verdict->val.choose.username.val.ptr = circuit.ptr;
    verdict->val.choose.username.val.len = circuit.len;
}
