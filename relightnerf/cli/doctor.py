"""Checks of the installation."""

from dataclasses import dataclass
from pathlib import Path

from relightnerf.errors import InputError

_COLORS = {"OK": "green", "warning": "yellow", "problem": "red"}


@dataclass
class Doctor:
    """Check the installation by using its parts, and say how to repair each problem."""

    scene: Path = Path()
    """Folder for scenes; the free space on its disk is checked."""

    def run(self) -> None:
        """Print a line for every check.

        Raises:
            InputError: there is a problem; warnings do not count.
        """
        from rich.text import Text

        from relightnerf.progress import say, show
        from relightnerf.status.installation import findings

        problems = []
        for name, finding in findings(self.scene):
            show(Text.assemble((f"{finding.level:8}", _COLORS[finding.level]), f"{name}: {finding.text}"))
            if finding.fix:
                say(f"{'':8}→ {finding.fix}")
            if finding.level == "problem":
                problems.append(name)
        if problems:
            raise InputError(f"not usable yet: {', '.join(problems)}", "do what the lines above say")
        say("everything that relightnerf needs is here")
