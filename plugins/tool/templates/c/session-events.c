// @NAME@: counts the sessions that are bound.

#include "plugin.h"

static uint64_t bound;

void exports_bindery_session_events_hook_observe(exports_bindery_session_events_hook_event_t event,
                                                 exports_bindery_session_events_hook_facts_t *facts,
                                                 exports_bindery_session_events_hook_borrow_session_t session) {
    (void)facts;
    (void)session;
    switch (event) {
    case EXPORTS_BINDERY_SESSION_EVENTS_HOOK_EVENT_BOUND:
        bound++;
        break;
    case EXPORTS_BINDERY_SESSION_EVENTS_HOOK_EVENT_RENEWED:
        break;
    default:
        bound -= bound > 0;
    }
}
