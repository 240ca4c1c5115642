"""Scripts with which a shell completes subcommands, flags and values."""

from dataclasses import dataclass
from typing import Literal

import tyro


@dataclass
class Completion:
    """Print a script with which a shell completes relightnerf's subcommands, flags and values on the tab key."""

    shell: tyro.conf.Positional[Literal["bash", "zsh", "fish"]]
    """The shell to be taught; start a new one afterwards."""

    def run(self) -> None:
        """Print the script."""
        from relightnerf.cli import completion_script

        print(completion_script(self.shell))
