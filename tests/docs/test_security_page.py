"""What docs/security.md refers to is there."""

import ast
import re
from functools import cache

import pytest

from tests.docs.test_docs import ROOT, text

PAGE = text("docs/security.md")
CITED = sorted(set(re.findall(r"`((?:[\w.-]+/)*[\w.-]+\.(?:py|txt|json|sh|md))(?:::(\w+))?`", PAGE)))
SECTIONS = re.findall(r"^## (.+?)$", PAGE, re.MULTILINE)
ANSWERS = ("**Wants:**", "**What stops them.**", "**What does not.**")


@cache
def names_of_tests(file: str) -> set[str]:
    tree = ast.parse(text(file))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_something_is_cited() -> None:
    assert len(CITED) > 40


@pytest.mark.parametrize(("file", "test"), CITED)
def test_what_is_cited_is_there(file: str, test: str) -> None:
    assert (ROOT / file).is_file()
    if test:
        assert test in names_of_tests(file)


def test_nothing_looks_like_a_test_that_is_not_checked() -> None:
    assert set(re.findall(r"\btest_\w+", PAGE)) <= {
        name for file, test in CITED for name in (test, file.rpartition("/")[2].removesuffix(".py"))
    }


def test_the_table_has_each_chapter_and_each_chapter_its_answers() -> None:
    told = re.findall(r"^\| \[[^\]]+\]\(#([\w-]+)\) \|", PAGE, re.MULTILINE)
    chapters = [
        re.sub(r"[^\w -]", "", name).lower().replace(" ", "-")
        for name in SECTIONS
        if name not in {"In short", "Reporting"}
    ]
    assert told == chapters
    for name, chapter in zip(SECTIONS, re.split(r"^## .+$", PAGE, flags=re.MULTILINE)[1:], strict=True):
        if name not in {"In short", "Privacy", "Reporting"}:
            assert [word for word in ANSWERS if word not in chapter] == [], name
