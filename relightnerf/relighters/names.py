"""Names of relighters; imports nothing that takes time."""

from pathlib import Path

COMPACT = "compact"
"""The relighter whose weights come with the package; the default everywhere."""
SHADING = "shading"
"""The relighter that has learned nothing."""
COMPACT_FOLDER = Path(__file__).parents[1] / "weights" / COMPACT
"""The weights of ``compact``."""


def relighter_name(name_or_path: str) -> str:
    """Return the name of the folder that a relighter's pictures go to."""
    return name_or_path if name_or_path in (COMPACT, SHADING) else Path(name_or_path).resolve().name
