"""The command line: one module for each command.

Only this room prints or configures logging; `main` turns every AutotpError into a message and an exit code.
"""

import sys
from importlib import import_module

import click

from autotp.cli.terminal.signals import FIRST_CODE, stopped_by_signals
from autotp.cli.terminal.streams import lasting_streams
from autotp.errors import AutotpError, EnvironmentFailure
from autotp.options import Spelling, spelled_for

COMMANDS = (
    "probe",
    "health",
    "space",
    "tune",
    "measure",
    "compare",
    "split",
    "show",
    "select",
    "dashboard",
    "demo",
)
INTERRUPTED = 130
BUG = 70


class _LazyGroup(click.Group):
    """A group whose commands are modules of the same name, imported only when used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"autotp.cli.{cmd_name}").command
        return command


@click.group(cls=_LazyGroup, epilog="Example: autotp tune model.xml --objective throughput --budget 5m")
@click.version_option(package_name="autotp")
def cli() -> None:
    """Find, prove and deploy the fastest OpenVINO settings for a model on this machine."""
    click.get_current_context().with_resource(spelled_for(Spelling.COMMAND_LINE))


def main() -> None:
    """Run the command line and exit with the outcome's exit code."""
    with lasting_streams() as stdout:
        with stopped_by_signals() as signals:
            code = _run()
        if signals:
            code = FIRST_CODE + signals[0]
        sys.stdout.flush()
        if failure := stdout and stdout.failure:
            code = _complain(f"Can't write the output: {failure.strerror}.", EnvironmentFailure.exit_code)
    sys.exit(code)


def _run() -> int:
    """Run the command line and return the exit code; what went wrong is printed."""
    try:
        code = cli.main(standalone_mode=False)
    except AutotpError as error:
        code = _complain(str(error), error.exit_code)
    except click.exceptions.Exit as done:
        code = done.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.ClickException as error:
        code = _complain(error.format_message(), 2)
    except (KeyboardInterrupt, click.Abort):
        code = _complain("stopped.", INTERRUPTED)
    except UnicodeEncodeError as error:
        from autotp.files.text import not_text

        code = _complain(not_text(error), 2)
    except Exception as error:
        code = _report_bug(error)
    return code if isinstance(code, int) else 0


def _complain(sentence: str, code: int) -> int:
    click.echo(f"autotp: {sentence}", err=True)
    return code


def _report_bug(error: Exception) -> int:
    import traceback

    traceback.print_exception(error)
    click.echo(
        "autotp: this is a bug in autotp. Please open an issue with the lines above and the output of "
        "`autotp probe --json`.",
        err=True,
    )
    return BUG
