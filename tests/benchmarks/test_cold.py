"""What the starts of apps come to."""

import pytest

from benchmarks import cold
from benchmarks.identity import Identities
from shared.adapters.identity import Identity

TOKEN = {"token_cpu": 0.07, "token_wall": 0.08, "token_resident": 17.0}


def started(cpu: float, resident: float) -> dict[str, float]:
    return {"cpu": cpu, "wall": cpu, "resident": resident, **TOKEN}


def test_a_start_is_held_against_the_empty_app_s_beside_it() -> None:
    found = {
        cold.APP: [started(0.24, 47.0), started(0.48, 47.0), started(0.26, 47.0)],
        cold.ASKING: [started(0.18, 41.0)] * 3,
        cold.EMPTY: [started(0.12, 31.0), started(0.24, 31.0), started(0.10, 31.0)],
    }
    figures = {each.key: each for each in cold.figures_of(found)}
    assert figures["cold.cpu"].value == pytest.approx(2)
    assert figures["cold.resident"].value == pytest.approx(47 / 31)
    assert figures["cold.asking.cpu"].value == pytest.approx(1.5)
    assert [figures[f"cold.token.{what}"].value for what in ("cpu", "wall", "resident")] == [0.07, 0.08, 17]


async def test_the_identity_endpoint_gives_the_app_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Identities() as identities, Identity(None) as identity:
        for name, value in identities.settings.items():
            monkeypatch.setenv(name, value)
        assert (await identity.get_token("https://management.azure.com/.default")).token == "none"
