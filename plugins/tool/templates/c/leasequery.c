// @NAME@: a requestor is told of a binding by its address only.

#include "plugin.h"

exports_bindery_leasequery_hook_verdict_t exports_bindery_leasequery_hook_decide(
    exports_bindery_leasequery_hook_facts_t *facts, exports_bindery_leasequery_hook_borrow_session_t session,
    exports_bindery_leasequery_hook_query_t *query) {
    (void)facts;
    (void)session;
    return query->key == EXPORTS_BINDERY_LEASEQUERY_HOOK_QUERY_KEY_ADDRESS
               ? EXPORTS_BINDERY_LEASEQUERY_HOOK_VERDICT_ANSWER
               : EXPORTS_BINDERY_LEASEQUERY_HOOK_VERDICT_REFUSE;
}
