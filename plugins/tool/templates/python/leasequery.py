"""@NAME@: a requestor is told of a binding by its address only."""

from wit_world import exports
from wit_world.exports.hook import Query, QueryKey, Verdict
from wit_world.imports.sessions import Facts, Session


class Hook(exports.Hook):
    def decide(self, facts: Facts, session: Session, query: Query) -> Verdict:
        return Verdict.ANSWER if query.key == QueryKey.ADDRESS else Verdict.REFUSE
