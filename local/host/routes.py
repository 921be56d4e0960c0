"""Route templates of HTTP triggers, matched as ASP.NET does: ``vms/{id:guid}/{view?}``, ``files/{*path}``.

Literals match in any letter case; where several templates match, the more literal one wins.
"""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self
from urllib.parse import unquote

_TOKEN = re.compile(r"\{(?P<rest>\*{0,2})(?P<name>\w+)(?P<constraints>(?::[^{}]+)*)(?P<optional>\??)\}")
_CONSTRAINT = re.compile(r":(\w+)(?:\(([^()]*)\))?")
_LITERAL, _CONSTRAINED, _PARAMETER, _REST = range(4)

type Check = Callable[[str], bool]


def _parses(kind: Callable[[str], object], value: str) -> bool:
    try:
        kind(value)
    except ValueError:
        return False
    return True


def _between(value: str, low: float, high: float) -> bool:
    return _parses(int, value) and low <= int(value) <= high


# Each constraint, from its argument to a check. Those with two numbers separate them by a comma.
_CHECKS: dict[str, Callable[[str], Check]] = {
    "alpha": lambda _: lambda value: re.fullmatch("[A-Za-z]*", value) is not None,
    "bool": lambda _: lambda value: value.lower() in {"true", "false"},
    "decimal": lambda _: partial(_parses, float),
    "double": lambda _: partial(_parses, float),
    "float": lambda _: partial(_parses, float),
    "guid": lambda _: partial(_parses, uuid.UUID),
    "int": lambda _: lambda value: _between(value, -(2**31), 2**31 - 1),
    "long": lambda _: lambda value: _between(value, -(2**63), 2**63 - 1),
    "length": lambda size: lambda value: _within(size, len(value)),
    "minlength": lambda low: lambda value: len(value) >= int(low),
    "maxlength": lambda high: lambda value: len(value) <= int(high),
    "min": lambda low: lambda value: _between(value, int(low), float("inf")),
    "max": lambda high: lambda value: _between(value, float("-inf"), int(high)),
    "range": lambda limits: lambda value: _parses(int, value) and _within(limits, int(value)),
}


def _within(limits: str, number: int) -> bool:
    low, _, high = limits.partition(",")
    return int(low) <= number <= int(high or low)


@dataclass(frozen=True)
class Route:
    """One template, ready to match."""

    template: str
    rank: tuple[int, ...]
    """Sorts the more literal template first."""
    _pattern: re.Pattern[str]
    _checks: tuple[tuple[str, Check], ...]

    @classmethod
    def parse(cls, template: str) -> Self:
        """From a template without leading slash. Raises ValueError that says what is wrong with it."""
        pattern, rank, checks = "", [], []
        for segment in filter(None, template.split("/")):
            end, kind = 0, _LITERAL
            text = ""
            for token in _TOKEN.finditer(segment):
                text += re.escape(segment[end : token.start()]) + _group(token)
                end = token.end()
                checks += [(token["name"], check) for check in _parse_constraints(token["constraints"])]
                kind = _REST if token["rest"] else _CONSTRAINED if token["constraints"] else _PARAMETER
            tail = segment[end:]
            if "{" in tail or "}" in tail:
                raise ValueError(
                    f"{segment!r} is not understood: expected text, {{name}}, {{name:int}} or {{*name}}"
                )
            text += re.escape(tail)
            may_be_absent = segment.endswith("?}") or kind == _REST
            pattern += f"(?:/{text})?" if may_be_absent else f"/{text}"
            rank.append(kind)
        if not rank or rank[-1] != _REST:
            pattern += "/?"
        return cls(template, tuple(rank), re.compile(pattern, re.IGNORECASE | re.DOTALL), tuple(checks))

    def match(self, raw_path: str) -> dict[str, str] | None:
        """The parameters, decoded, when the still percent-encoded path matches; else None."""
        # As on the platform an encoded slash stays encoded: it is part of a value, not a separator.
        path = unquote(re.sub("%2f", "%252F", raw_path, flags=re.IGNORECASE))
        if (found := self._pattern.fullmatch(path)) is None:
            return None
        values = {name: value for name, value in found.groupdict().items() if value is not None}
        if all(check(values[name]) for name, check in self._checks if name in values):
            return values
        return None


def _group(token: re.Match[str]) -> str:
    return f"(?P<{token['name']}>{'.*' if token['rest'] else '[^/]+?'})"


def _parse_constraints(text: str) -> list[Check]:
    checks = []
    for name, argument in _CONSTRAINT.findall(text):
        if name.lower() not in _CHECKS:
            raise ValueError(f"the constraint {name!r} is not known: expected one of {', '.join(_CHECKS)}")
        checks.append(_CHECKS[name.lower()](argument))
    return checks
