// @NAME@: a client that might have understood gets a NAK at its next renewal; any other stays as it was.

#include "plugin.h"

exports_bindery_reconfigure_exhausted_hook_verdict_t exports_bindery_reconfigure_exhausted_hook_decide(
    exports_bindery_reconfigure_exhausted_hook_facts_t *facts,
    exports_bindery_reconfigure_exhausted_hook_borrow_session_t session, uint8_t attempts, bool has_nonce) {
    (void)facts;
    (void)session;
    (void)attempts;
    return has_nonce ? EXPORTS_BINDERY_RECONFIGURE_EXHAUSTED_HOOK_VERDICT_DEFER
                     : EXPORTS_BINDERY_RECONFIGURE_EXHAUSTED_HOOK_VERDICT_RESTORE;
}
