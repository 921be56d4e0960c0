"""Ids in order, so that a page of a list costs its rows, however many others there are."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class SortedIds:
    """Lower-case ids, each once.

    They are put in order when somebody asks for some of them: of ids that are nearly in order that costs little, and
    many can be added at once.
    """

    _ids: list[str] = field(default_factory=list)
    _in_order: bool = True

    def add(self, an_id: str) -> None:
        """Add one that is not there yet."""
        self._in_order = self._in_order and (not self._ids or self._ids[-1] < an_id)
        self._ids.append(an_id)

    def remove(self, an_id: str) -> None:
        """Take out one that is there."""
        ids = self._ordered()
        del ids[bisect_left(ids, an_id)]

    def clear(self) -> None:
        """Take out all."""
        self._ids.clear()

    def below(self, prefix: str, after: str) -> Iterator[str]:
        """Those that begin with a prefix and come after an id, which need not be there."""
        ids = self._ordered()
        position = max(bisect_left(ids, prefix), bisect_right(ids, after))
        while position < len(ids) and ids[position].startswith(prefix):
            yield ids[position]
            position += 1

    def _ordered(self) -> list[str]:
        if not self._in_order:
            self._ids.sort()
            self._in_order = True
        return self._ids
