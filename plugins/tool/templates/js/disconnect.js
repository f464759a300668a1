// @NAME@: a client that can be reconfigured moves; any other is decided by the next plugin, or the default.

export const hook = {
  decide(facts, session, request) {
    // What was lent must be given back before the return.
    session[Symbol.dispose]();
    return request.cause === "disconnect" && request.canReconfigure ? "reconfigure" : "pass";
  },
};
