// @NAME@: clients whose vendor class starts with `acme` get a domain name of their own.

// Domain name (RFC 2132 section 3.17).
const DOMAIN_NAME = 15;
// Vendor class identifier (RFC 2132 section 9.13).
const VENDOR_CLASS = 60;

// Values of options are bytes.
const bytes = (text) => new TextEncoder().encode(text);
const text = (value) => String.fromCharCode(...value);

export const hook = {
  shape(meta, exchange) {
    const vendor = exchange.requestOption(VENDOR_CLASS);
    if (vendor !== undefined && text(vendor).startsWith("acme")) {
      exchange.setOption(DOMAIN_NAME, bytes("acme.example"));
    }
    // What was lent must be given back before the return.
    exchange[Symbol.dispose]();
    return "continue";
  },
};
