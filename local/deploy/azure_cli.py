"""The Azure CLI: it compiles Bicep, and runs deployment stacks to their end."""

import subprocess
from collections.abc import Sequence

from local.deploy.environment import CannotDeploy

NOT_FOUND = 3
"""The exit code of `az` for something that is not there."""


def az(arguments: Sequence[str], *, missing_is_fine: bool = False) -> bool:
    """Run it to its end, errors shown. Whether the thing asked for is there.

    Args:
        arguments: After `az`.
        missing_is_fine: Whether it may be missing; else that is a failure like another.

    Raises:
        CannotDeploy: It failed, or is not installed.
    """
    command = ["az", *arguments, "--only-show-errors", "--output", "none"]
    try:
        done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
    except FileNotFoundError:
        raise CannotDeploy("the Azure CLI is not installed: https://aka.ms/azure-cli") from None
    if done.returncode == 0:
        return True
    if missing_is_fine and done.returncode == NOT_FOUND:
        return False
    raise CannotDeploy(
        f"{' '.join(command)}\n  failed ({done.returncode}): {done.stderr.strip() or 'without a word'}"
    )


def azd_env_set(name: str, value: str) -> None:
    """Keep a variable in azd's environment, for `azd provision` and later hooks."""
    try:
        done = subprocess.run(
            ["azd", "env", "set", name, value],
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
    except FileNotFoundError:
        raise CannotDeploy("the Azure Developer CLI is not installed: https://aka.ms/azd") from None
    if done.returncode:
        raise CannotDeploy(f"azd env set {name} failed: {done.stderr.strip()}")
