"""A stand-in for the Azure CLI's deployment stacks: the Bicep is worked out, and an estate keeps what it makes.

The arguments are read as strictly as the Azure CLI reads them (2.91, `az stack sub|mg create|show|delete`).
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.infra.deployed import Fault, Scope, deploy
from tests.infra.syntax import INFRA

NOT_FOUND = 3


def main(estate: str, arguments: list[str]) -> int:
    """Do as the arguments say; the exit code is as `az` has it."""
    given = _parser().parse_args(arguments)
    below = (
        f"managementGroups/{given.management_group_id}"
        if given.scope == "mg"
        else f"subscriptions/{given.subscription}"
    )
    url = f"{estate}/_stacks/{below}/deploymentStacks/{given.name}"
    if given.verb != "create":
        return _ask("GET" if given.verb == "show" else "DELETE", url)
    read = json.loads(Path(given.parameters.removeprefix("@")).read_text("utf-8"))
    parameters = {name: each["value"] for name, each in read["parameters"].items()}
    scope = (
        Scope(management_group=given.management_group_id)
        if given.scope == "mg"
        else Scope(given.subscription)
    )
    try:
        made = deploy(str(Path(given.template_file).relative_to(INFRA)), scope, parameters)
    except Fault as fault:
        sys.stderr.write(f"ERROR: InvalidTemplate: {fault}\n")
        return 1
    rows = [{"id": each.id, "name": each.name, "type": each.type, **each.body} for each in made.resources]
    return _ask("PUT", url, {"resources": rows})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="az", allow_abbrev=False)
    stack = parser.add_subparsers(required=True).add_parser("stack", allow_abbrev=False)
    scopes = stack.add_subparsers(dest="scope", required=True)
    for scope in ("sub", "mg"):
        verbs = scopes.add_parser(scope, allow_abbrev=False).add_subparsers(dest="verb", required=True)
        for verb in ("create", "show", "delete"):
            each = verbs.add_parser(verb, allow_abbrev=False)
            each.add_argument("--name", required=True)
            each.add_argument("--subscription", required=scope == "sub")
            if scope == "mg":
                each.add_argument("--management-group-id", required=True)
            each.add_argument("--only-show-errors", action="store_true", required=True)
            each.add_argument("--output", choices=["none"], required=True)
            if verb != "show":
                each.add_argument("--action-on-unmanage", choices=["deleteAll"], required=True)
                each.add_argument("--yes", action="store_true", required=True)
            if verb == "create":
                each.add_argument("--location", required=True)
                each.add_argument("--template-file", required=True)
                each.add_argument("--parameters", required=True)
                each.add_argument("--deny-settings-mode", choices=["none", "denyDelete"], required=True)
    return parser


def _ask(method: str, url: str, body: Any = None) -> int:  # noqa: ANN401 - as JSON has it
    try:
        with urlopen(Request(url, method=method, data=json.dumps(body).encode())):  # noqa: S310 - on loopback
            return 0
    except HTTPError as error:
        told = error.read().decode()
        sys.stderr.write(f"ERROR: {told}\n")
        return NOT_FOUND if error.code == 404 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
