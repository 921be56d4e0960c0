"""The command line: `python -m local package`, the package that a deployment uploads: what is in it, and as a zip.

`azd deploy`, Core Tools and VS Code upload this directory but for what .funcignore names, and Azure installs what
requirements.txt asks for. Sources: "Configure service packaging file exclusions"
(learn.microsoft.com/azure/developer/azure-developer-cli), Azure/azure-dev cli/azd/pkg/project/project_utils.go and
service_target_functionapp.go, Azure/azure-functions-core-tools Common/GitIgnoreParser.cs.
"""

import argparse
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path, PurePath, PurePosixPath
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from pathspec import GitIgnoreSpec

from local.parts import ROOT

IGNORE = ".funcignore"
FILES = ("LICENSE", "function_app.py", "host.json", "requirements.txt")
FOLDERS = ("functions", "shared")
"""With `FILES`, all that belongs into the package."""

SECRETS = ("local.settings.json*", ".env*", "*.env", "*.key", "*.pem", "*.pfx", "*.p12", "*.publishsettings")
"""Names of what must never be uploaded, in any letter case, wherever it lies."""

COMPILED = "__pycache__"


class Unfit(Exception):
    """The package cannot be uploaded. Each line of the text says why, and how to mend it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` reads."""
    parser.epilog = "Exit code: 0; 1 when something is missing in the package, or should not be in it."
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="the zip to write (default: only list what is in it)",
    )


def run(args: argparse.Namespace) -> int:
    """List the package, and write it."""
    try:
        names = contents(ROOT)
        if args.file:
            write(ROOT, names, args.file)
    except (Unfit, OSError) as fault:
        print(fault, file=sys.stderr)
        return 1
    size = sum((ROOT / name).stat().st_size for name in names)
    print(*names, sep="\n")
    print(f"{len(names)} files, {size:,} bytes")
    if args.file:
        written: bytes = args.file.read_bytes()
        print(f"{args.file}: {len(written):,} bytes, SHA-256 {sha256(written).hexdigest()}")
    return 0


def contents(root: Path) -> list[str]:
    """What is in the package, sorted: paths below `root`.

    Raises:
        Unfit: something is missing in it, or should not be in it.
        OSError: there is no .funcignore, or something cannot be read.
    """
    names = sorted(_kept(root, GitIgnoreSpec.from_lines((root / IGNORE).read_text("utf-8").splitlines())))
    if faults := [*_missing(root, names), *_foreign(root, names)]:
        raise Unfit("\n".join(faults))
    return names


def write(root: Path, names: list[str], file: Path) -> None:
    """Write the package as a zip; the same contents are the same bytes, whenever and by whomever it is made."""
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name in names:
            entry = ZipInfo(name)
            entry.compress_type = ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, (root / name).read_bytes())


def _kept(root: Path, ignored: GitIgnoreSpec) -> Iterator[str]:
    """The files that .funcignore does not name. What lies in an ignored folder is not even looked at."""
    for folder, folders, files in root.walk():
        below = PurePosixPath(folder.relative_to(root))
        folders[:] = [name for name in folders if not ignored.match_file(f"{below / name}/")]
        yield from (str(below / name) for name in files if not ignored.match_file(below / name))


def _missing(root: Path, names: list[str]) -> Iterator[str]:
    """What the app needs and the package has not."""
    sources = [
        path.relative_to(root) for folder in FOLDERS for path in (root / folder).rglob("*") if path.is_file()
    ]
    needed = {*FILES, *(f"{folder}/__init__.py" for folder in FOLDERS)}
    needed |= {path.as_posix() for path in sources if not _is_litter(path)}
    for name in sorted(needed - {*names}):
        why = f"{IGNORE} leaves it out" if (root / name).exists() else "no such file"
        yield f"{name}: missing in the package: {why}"


def _foreign(root: Path, names: list[str]) -> Iterator[str]:
    """What is in the package and should not be."""
    for name in names:
        top = name.partition("/")[0]
        if _is_secret(name):
            yield f"{name}: would be uploaded, and may hold secrets: name it in {IGNORE}"
        elif (root / name).is_symlink():
            yield f"{name}: is a link, which not every tool follows: put the file itself in its place"
        elif top not in FILES + FOLDERS or _is_litter(PurePosixPath(name)):
            yield f"{name}: would be uploaded, and is no part of the app: remove it, or name it in {IGNORE}"


def _is_litter(path: PurePath) -> bool:
    """Whether it is what Python or an editor left behind."""
    return COMPILED in path.parts or path.name.startswith(".")


def _is_secret(name: str) -> bool:
    return any(fnmatch(PurePosixPath(name).name.lower(), pattern) for pattern in SECRETS)
