"""@NAME@: clients whose vendor class starts with `acme` get a domain name of their own."""

from wit_world import exports
from wit_world.exports.hook import Meta, Verdict
from wit_world.imports.exchanges import Exchange

# Domain name (RFC 2132 section 3.17).
DOMAIN_NAME = 15
# Vendor class identifier (RFC 2132 section 9.13).
VENDOR_CLASS = 60


class Hook(exports.Hook):
    def shape(self, meta: Meta, exchange: Exchange) -> Verdict:
        vendor = exchange.request_option(VENDOR_CLASS)
        if vendor is not None and vendor.startswith(b"acme"):
            exchange.set_option(DOMAIN_NAME, b"acme.example")
        return Verdict.CONTINUE
