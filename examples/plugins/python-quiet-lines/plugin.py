"""Answers nothing on access lines that are to be quiet, and takes options out of replies on others.

    settings {
        quiet "slot 9/*"            // circuit of option 82: * and ? as in file names
        without 42 "slot 3/*"       // removes an option of the reply
    }
"""

from fnmatch import fnmatchcase

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.hook import Meta, Verdict
from wit_world.imports.exchanges import Exchange
from wit_world.imports.types import Setting, SettingError

quiet: list[str] = []
without: list[tuple[int, str]] = []


def refuse(setting: int, message: str) -> Err[SettingError]:
    """The refusal of a statement by its index: what would be right."""
    return Err(SettingError(setting=setting, message=message))


class Configuration(exports.Configuration):
    def configure(self, settings: list[Setting]) -> None:
        quiet.clear()
        without.clear()
        for index, setting in enumerate(settings):
            match (setting.name, setting.arguments):
                case ("quiet", [pattern]):
                    quiet.append(pattern)
                case ("without", [code, pattern]) if code.isascii() and code.isdigit() and 0 < int(code) < 255:
                    without.append((int(code), pattern))
                case _:
                    raise refuse(index, 'it must be quiet "PATTERN" or without CODE "PATTERN"')


class Hook(exports.Hook):
    def shape(self, meta: Meta, exchange: Exchange) -> Verdict:
        circuit = exchange.circuit_id()
        if circuit is None:
            return Verdict.CONTINUE
        line = circuit.decode("latin-1")
        if any(fnmatchcase(line, pattern) for pattern in quiet):
            return Verdict.DROP
        for code, pattern in without:
            if fnmatchcase(line, pattern):
                exchange.remove_option(code)
        return Verdict.CONTINUE
