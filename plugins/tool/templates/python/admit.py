"""@NAME@: puts clients whose vendor class starts with `acme` into a class of their own."""

from wit_world import exports
from wit_world.exports.hook import Choice, Meta, Verdict, Verdict_Choose, Verdict_Continue
from wit_world.imports.requests import Request

# Vendor class identifier (RFC 2132 section 9.13).
VENDOR_CLASS = 60


class Hook(exports.Hook):
    def admit(self, meta: Meta, request: Request) -> Verdict:
        vendor = request.request_option(VENDOR_CLASS)
        if vendor is not None and vendor.startswith(b"acme"):
            return Verdict_Choose(Choice(group=None, pool=None, class_="acme"))
        return Verdict_Continue()
