"""The one error that users see: a line that says what is wrong, where, and what to do."""


class InputError(Exception):
    """Something that the user gave cannot be used; the command ends with exit code 2.

    Args:
        what: the problem, with the offending value or file in it, e.g. ``"cams.json: no frames"``.
        fix: what the user can do about it, as an imperative sentence without a full stop.
    """

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(f"{what}. {fix[0].upper()}{fix[1:]}.")
        self.what = what
        self.fix = fix

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, str]]:
        return InputError, (self.what, self.fix)  # so that it comes whole out of another process


def first_line(error: BaseException) -> str:
    """Return the first line of what a library's error says, or its kind where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
