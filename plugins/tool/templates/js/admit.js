// @NAME@: puts clients whose vendor class starts with `acme` into a class of their own.

// Vendor class identifier (RFC 2132 section 9.13).
const VENDOR_CLASS = 60;

const text = (value) => String.fromCharCode(...value);

export const hook = {
  admit(meta, request) {
    const vendor = request.requestOption(VENDOR_CLASS);
    // What was lent must be given back before the return.
    request[Symbol.dispose]();
    if (vendor !== undefined && text(vendor).startsWith("acme")) {
      // What is left out is not chosen.
      return { tag: "choose", val: { class: "acme" } };
    }
    return { tag: "continue" };
  },
};
