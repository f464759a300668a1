// @NAME@: counts the sessions that are bound.

let bound = 0;

export const hook = {
  observe(event, facts, session) {
    // What was lent must be given back before the return.
    session[Symbol.dispose]();
    if (event === "bound") {
      bound += 1;
    } else if (event !== "renewed") {
      bound = Math.max(0, bound - 1);
    }
  },
};
