"""@NAME@: a client that might have understood gets a NAK at its next renewal; any other stays as it was."""

from wit_world import exports
from wit_world.exports.hook import Verdict
from wit_world.imports.sessions import Facts, Session


class Hook(exports.Hook):
    def decide(self, facts: Facts, session: Session, attempts: int, has_nonce: bool) -> Verdict:
        return Verdict.DEFER if has_nonce else Verdict.RESTORE
