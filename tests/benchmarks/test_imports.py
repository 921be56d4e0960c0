"""Who wants what a start imports, by what Python tells."""

from benchmarks.imports import GROUPS, imported, sorted_out
from benchmarks.targets import TARGETS

SAID = """\
import time: self [us] | cumulative | imported package
import time:      1000 |       1000 |   json
import time:      2000 |       3000 | azure.functions
import time:       500 |        500 |       http.cookies
import time:     30000 |      30500 |     aiohttp.connector
import time:       700 |        700 |     yarl
import time:      4000 |      35200 |   aiohttp
import time:       300 |        300 |       xml
import time:      2500 |       2800 |     azure.core
import time:       600 |       3400 |   shared.exchange
import time:       900 |        900 |   msgspec
import time:       100 |      39600 | shared.bootstrap
import time:       200 |        200 | queue
something else on stderr
"""


def test_a_module_of_pythons_own_counts_for_who_imports_it() -> None:
    found = sorted_out(imported(SAID), {"json", "azure.functions"})
    assert found == {
        "both": 3.0,
        "tls": 30.0,
        "aiohttp": 5.2,
        "azure": 2.8,
        "others": 1.1,
        "own": 0.7,
    }


def test_nothing_is_left_out() -> None:
    modules = imported(SAID)
    assert len(modules) == 12
    assert sum(sorted_out(modules, ()).values()) == sum(each.milliseconds for each in modules)


def test_every_group_is_shown() -> None:
    assert [key for key in TARGETS if key.startswith("imports.")] == [
        f"imports.{group}.{what}" for group in GROUPS for what in ("ms", "share")
    ]
