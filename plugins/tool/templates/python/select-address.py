"""@NAME@: newcomers without a vendor class get a short lease."""

from wit_world import exports
from wit_world.exports.hook import Choice, Proposal, Verdict, Verdict_Choose, Verdict_Continue
from wit_world.imports.requests import Request

# Vendor class identifier (RFC 2132 section 9.13).
VENDOR_CLASS = 60


class Hook(exports.Hook):
    def select(self, proposal: Proposal, request: Request) -> Verdict:
        if request.request_option(VENDOR_CLASS) is None:
            return Verdict_Choose(Choice(pool=None, address=None, lease_seconds=600))
        return Verdict_Continue()
