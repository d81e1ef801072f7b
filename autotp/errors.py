"""The kinds of failure that a user can act on.

Each message says what was wrong and what to do. The command line catches `AutotpError` once and exits with
the kind's `exit_code`; anything else that escapes is a bug of ours (exit code 70).
"""


class AutotpError(Exception):
    """A failure whose message is written for the user."""

    exit_code = 2


class InputError(AutotpError):
    """A file, folder, flag or value that can't be used."""


class TopologyError(InputError):
    """A `/proc` or `/sys` file (live or recorded) that can't be understood."""


class SpaceError(InputError):
    """A search space or a config that isn't valid."""


class ModelError(InputError):
    """A model that can't be read, reshaped or driven with the inputs given."""


class TunedError(InputError):
    """A tuned.yaml that can't be used."""


class StudyError(InputError):
    """A study that exists already, is missing, or belongs to another model or objective."""


class InfeasibleError(AutotpError):
    """Nothing in the space can run here, or nothing meets the constraints."""

    exit_code = 3


class EnvironmentFailure(AutotpError):
    """Something that a command needs failed: the baseline, the storage, a worker's start, the output."""

    exit_code = 5
