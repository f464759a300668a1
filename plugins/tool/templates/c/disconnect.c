// @NAME@: a client that can be reconfigured moves; any other is decided by the next plugin, or the default.

#include "plugin.h"

exports_bindery_disconnect_hook_verdict_t exports_bindery_disconnect_hook_decide(
    exports_bindery_disconnect_hook_facts_t *facts, exports_bindery_disconnect_hook_borrow_session_t session,
    exports_bindery_disconnect_hook_request_t *request) {
    (void)facts;
    (void)session;
    bool moves = request->cause == EXPORTS_BINDERY_DISCONNECT_HOOK_CAUSE_DISCONNECT && request->can_reconfigure;
    // What the host hands over is ours to free.
    exports_bindery_disconnect_hook_request_free(request);
    return moves ? EXPORTS_BINDERY_DISCONNECT_HOOK_VERDICT_RECONFIGURE : EXPORTS_BINDERY_DISCONNECT_HOOK_VERDICT_PASS;
}
