"""@NAME@: the user name that RADIUS gets is the circuit that the access node names."""

from wit_world import exports
from wit_world.exports.hook import Attribute, Choice, Phase, Verdict, Verdict_Choose, Verdict_Continue
from wit_world.imports.requests import Request


class Hook(exports.Hook):
    def authorize(self, phase: Phase, request: Request, username: str, attributes: list[Attribute]) -> Verdict:
        circuit = request.circuit_id()
        if phase != Phase.BEFORE or circuit is None:
            return Verdict_Continue()
        return Verdict_Choose(
            Choice(
                username=circuit.decode("ascii", "replace"),
                attributes=None,
                group=None,
                pool=None,
                class_=None,
                address=None,
                lease_seconds=None,
            )
        )
