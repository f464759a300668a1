// @NAME@: newcomers without a vendor class get a short lease.

// Vendor class identifier (RFC 2132 section 9.13).
const VENDOR_CLASS = 60;

export const hook = {
  select(proposal, request) {
    const vendor = request.requestOption(VENDOR_CLASS);
    // What was lent must be given back before the return.
    request[Symbol.dispose]();
    // What is left out is not chosen.
    return vendor === undefined ? { tag: "choose", val: { leaseSeconds: 600 } } : { tag: "continue" };
  },
};
