"""The README's pictures: each that is shown is kept, told in words, and made by `make pictures`; no other is kept."""

import re
from argparse import ArgumentParser
from pathlib import Path

from local.pictures import command
from local.pictures.png import SIGNATURE

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
IMAGES = dict(re.findall(r'<img src="(.+?)" alt="(.+?)">', README))
"""What is said of each."""

LARGEST = 300 * 1024


def shown() -> set[str]:
    return {*IMAGES, *re.findall(r'srcset="(.+?)"', README)}


def test_those_shown_are_those_kept() -> None:
    assert shown() == {str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "pictures").iterdir()}


def test_they_are_those_that_are_made() -> None:
    parser = ArgumentParser(add_help=False)
    command.add_arguments(parser)
    (names,) = re.findall(r"--only \{(.+?)\}", parser.format_usage())
    assert shown() == {f"docs/pictures/{name}.png" for name in names.split(",")}


def test_they_are_small_files() -> None:
    for path in shown():
        picture = (ROOT / path).read_bytes()
        assert picture.startswith(SIGNATURE), path
        assert len(picture) < LARGEST, path


def test_each_is_told_in_words() -> None:
    assert len(IMAGES) == README.count("<img")
    for image, words in IMAGES.items():
        assert len(words.split()) > 20, image
