import pytest

from local.host.routes import Route


@pytest.mark.parametrize(
    ("template", "path", "params"),
    [
        ("api/vms", "/api/vms", {}),
        ("api/vms", "/API/VMS/", {}),
        ("api/vms", "/api/vms/x", None),
        ("api/vms", "/api", None),
        ("", "/", {}),
        ("api/{a}/{b}", "/api/x/y", {"a": "x", "b": "y"}),
        ("api/{a}/{b}", "/api/x/", None),
        ("api/{a}/{b?}", "/api/x", {"a": "x"}),
        ("api/{a}", "/api/Caf%C3%A9%20x", {"a": "Café x"}),
        ("api/{a}", "/api/x%2Fy", {"a": "x%2Fy"}),
        ("api/{*rest}", "/api/x/y/", {"rest": "x/y/"}),
        ("api/{*rest}", "/api", {}),
        ("api/{name}.{ending}", "/api/episodes.csv", {"name": "episodes", "ending": "csv"}),
        ("api/a.b", "/api/axb", None),
        ("api/{id:int}", "/api/12", {"id": "12"}),
        ("api/{id:int}", "/api/12x", None),
        ("api/{id:int?}", "/api", {}),
        ("api/{id:int:min(5)}", "/api/4", None),
        ("api/{id:max(5)}", "/api/4", {"id": "4"}),
        ("api/{id:range(2,5)}", "/api/6", None),
        ("api/{id:long}", "/api/9999999999", {"id": "9999999999"}),
        ("api/{id:int}", "/api/9999999999", None),
        (
            "api/{id:guid}",
            "/api/c1c7a9b2-5a8c-4b53-9b5f-0d7d2f9f8f11",
            {"id": "c1c7a9b2-5a8c-4b53-9b5f-0d7d2f9f8f11"},
        ),
        ("api/{id:guid}", "/api/nope", None),
        ("api/{id:alpha}", "/api/a1", None),
        ("api/{id:bool}", "/api/True", {"id": "True"}),
        ("api/{id:double}", "/api/1.5", {"id": "1.5"}),
        ("api/{id:length(2,3)}", "/api/abcd", None),
        ("api/{id:length(3)}", "/api/abc", {"id": "abc"}),
        ("api/{id:minlength(2)}", "/api/a", None),
        ("api/{id:maxlength(2)}", "/api/a", {"id": "a"}),
    ],
)
def test_matching(template: str, path: str, params: dict[str, str] | None) -> None:
    assert Route.parse(template).match(path) == params


def test_the_more_literal_route_ranks_first() -> None:
    templates = ["{*rest}", "vms/{id}", "vms/{id:int}", "vms/all"]
    assert [
        route.template for route in sorted(map(Route.parse, templates), key=lambda route: route.rank)
    ] == [
        "vms/all",
        "vms/{id:int}",
        "vms/{id}",
        "{*rest}",
    ]


@pytest.mark.parametrize("template", ["api/{", "api/{a", "api/a}", "api/{a b}", "api/{id:colour}"])
def test_what_is_not_understood_is_said(template: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        Route.parse(template)
