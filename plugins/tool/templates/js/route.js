// @NAME@: routes of sessions that came through a relay get a higher metric.

export const hook = {
  choose(facts, session) {
    const relay = session.relayAddress();
    // What was lent must be given back before the return.
    session[Symbol.dispose]();
    return relay === undefined ? undefined : { metric: 100, extra: [] };
  },
};
