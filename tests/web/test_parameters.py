"""The parameters that a route has, and those that it has not."""

import pytest

from shared.domain.malformed import Malformed
from shared.web.parameters import PARAMETERS, check
from tests.described import TO_COME
from tests.registered import FUNCTIONS

HTTP = {name for name, function in FUNCTIONS.items() if function.get_trigger().type == "httpTrigger"}


def test_the_table_is_whole() -> None:
    assert set(PARAMETERS) - TO_COME == HTTP


@pytest.mark.parametrize("function", PARAMETERS)
def test_a_route_takes_its_own_and_the_key_and_no_other(function: str) -> None:
    check(function, [*PARAMETERS[function], "code"])
    check(function, ["Code"])
    with pytest.raises(Malformed, match="unknown parameter 'colour': expected ") as caught:
        check(function, [*PARAMETERS[function], "colour"])
    assert str(caught.value).endswith(f"expected {', '.join(PARAMETERS[function]) or 'none'}")


@pytest.mark.parametrize("name", ["Flagged", "flagged ", "", "done\n"])
def test_a_name_is_taken_as_it_is_written(name: str) -> None:
    with pytest.raises(Malformed, match="unknown parameter"):
        check("vms", [name])
