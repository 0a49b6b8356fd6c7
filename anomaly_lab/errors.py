"""The exceptions that a user's mistake raises; commands print its sentence and exit 1, without a stack trace."""


class UserError(Exception):
    """A mistake that the user can mend: the message names the thing and the remedy in one sentence."""


class InUse(UserError):
    """Another process is at work in a run's directory: in a sweep that is no failure, since the job is being done."""
