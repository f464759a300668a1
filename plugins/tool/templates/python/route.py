"""@NAME@: routes of sessions that came through a relay get a higher metric."""

from typing import Optional

from wit_world import exports
from wit_world.exports.hook import Choice
from wit_world.imports.sessions import Facts, Session


class Hook(exports.Hook):
    def choose(self, facts: Facts, session: Session) -> Optional[Choice]:
        if session.relay_address() is None:
            return None
        return Choice(metric=100, table=None, tag=None, extra=[])
