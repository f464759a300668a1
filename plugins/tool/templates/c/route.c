// @NAME@: routes of sessions that came through a relay get a higher metric.

#include <string.h>

#include "plugin.h"

bool exports_bindery_route_hook_choose(exports_bindery_route_hook_facts_t *facts,
                                       exports_bindery_route_hook_borrow_session_t session,
                                       exports_bindery_route_hook_choice_t *choice) {
    (void)facts;
    bindery_sessions_sessions_address_t relay;
    if (!bindery_sessions_sessions_method_session_relay_address(session, &relay)) {
        return false;
    }
    // What stays zero is not chosen.
    memset(choice, 0, sizeof *choice);
    choice->metric.is_some = true;
    choice->metric.val = 100;
    return true;
}
