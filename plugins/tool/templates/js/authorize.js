// @NAME@: the user name that RADIUS gets is the circuit that the access node names.

const text = (value) => String.fromCharCode(...value);

export const hook = {
  authorize(phase, request, username, attributes) {
    const circuit = request.circuitId();
    // What was lent must be given back before the return.
    request[Symbol.dispose]();
    if (phase === "before" && circuit !== undefined) {
      // What is left out stays as it is.
      return { tag: "choose", val: { username: text(circuit) } };
    }
    return { tag: "continue" };
  },
};
