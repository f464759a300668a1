"""@NAME@: a client that can be reconfigured moves; any other is decided by the next plugin, or the default."""

from wit_world import exports
from wit_world.exports.hook import Cause, Request, Verdict
from wit_world.imports.sessions import Facts, Session


class Hook(exports.Hook):
    def decide(self, facts: Facts, session: Session, request: Request) -> Verdict:
        if request.cause == Cause.DISCONNECT and request.can_reconfigure:
            return Verdict.RECONFIGURE
        return Verdict.PASS
