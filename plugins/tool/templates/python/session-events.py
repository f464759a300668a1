"""@NAME@: counts the sessions that are bound."""

from wit_world import exports
from wit_world.exports.hook import Event
from wit_world.imports.sessions import Facts, Session

bound = 0


class Hook(exports.Hook):
    def observe(self, event: Event, facts: Facts, session: Session) -> None:
        global bound
        if event == Event.BOUND:
            bound += 1
        elif event != Event.RENEWED:
            bound = max(0, bound - 1)
