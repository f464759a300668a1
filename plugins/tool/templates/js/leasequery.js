// @NAME@: a requestor is told of a binding by its address only.

export const hook = {
  decide(facts, session, query) {
    // What was lent must be given back before the return.
    session[Symbol.dispose]();
    return query.key === "address" ? "answer" : "refuse";
  },
};
