"""Which views are held out, by view and never by image, so that no light shows the field a held-out view."""

from collections.abc import Sequence


def held_out(names: Sequence[str], every: int) -> list[str]:
    """Return every ``every``-th view, counted from the middle of the first group; none for 0.

    At least two views are left for training.
    """
    chosen = list(names[every // 2 :: every]) if every > 0 else []
    return chosen[: max(len(names) - 2, 0)]
