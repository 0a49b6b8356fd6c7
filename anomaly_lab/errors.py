"""The one exception that a user's mistake raises; commands print its sentence and exit 1, without a stack trace."""


class UserError(Exception):
    """A mistake that the user can mend: the message names the thing and the remedy in one sentence."""
