// @NAME@: a client that might have understood gets a NAK at its next renewal; any other stays as it was.

export const hook = {
  decide(facts, session, attempts, hasNonce) {
    // What was lent must be given back before the return.
    session[Symbol.dispose]();
    return hasNonce ? "defer" : "restore";
  },
};
