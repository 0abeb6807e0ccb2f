"""The `kubedeb` command: knows its sub-commands as strings, loads a room only when its command is called.

This is the only place that prints errors and ends the process.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence

import click

from kubedeb import __version__
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.lazygroup import Lazy, LazyGroup

COMMANDS = {
    "build": Lazy("pkgbuild.commands.build:build", "Build packages from recipes, in a clean container."),
    "rebuild": Lazy("pkgbuild.commands.rebuild:rebuild", "Build again in the recorded root of a .buildinfo, and compare."),
    "base": Lazy("pkgbuild.commands.base:base", "Make and list the base roots that builds start from."),
    "recipe": Lazy("pkgbuild.commands.recipe:recipe", "List, show, check and render recipes."),
    "lint": Lazy("pkgbuild.commands.lint:lint", "Say whether packages are safe to upgrade on a node that serves."),
    "attest": Lazy("pkgbuild.commands.attest:attest", "Sign and verify what is stated about packages."),
    "repo": Lazy("repo.commands:repo", "Keep a signed apt repository."),
    "cluster": Lazy("upgrade_plans.commands.cluster:cluster", "Check, show and import cluster files; findings."),
    "fleet": Lazy("upgrade_plans.commands.fleet:fleet", "Check the order of several clusters."),
    "inspect": Lazy("upgrade_plans.commands.inspect:inspect", "Read a live cluster (read-only) into a facts file."),
    "plan": Lazy("upgrade_plans.commands.plan:plan", "Make, show and explain upgrade plans."),
    "prove": Lazy("upgrade_plans.commands.prove:prove", "Prove a plan safe in every state it can reach, or show why not."),
    "preflight": Lazy("upgrade_plans.commands.run:preflight", "Ask every check of a plan that can be asked now."),
    "apply": Lazy("upgrade_plans.commands.run:apply", "Carry out a plan."),
    "status": Lazy("upgrade_plans.commands.run:status", "Show how far a run is."),
    "resume": Lazy("upgrade_plans.commands.run:resume", "Go on with a run that was stopped or killed."),
    "rollback": Lazy("upgrade_plans.commands.run:rollback", "Take a run back to where its hop began."),
    "rules": Lazy("kubedeb.knowledge.commands:rules", "List and show what is known about versions."),
    "config": Lazy("kubedeb.commands:config", "Show the settings and where each came from."),
}


COMPLETE = "_KUBEDEB_COMPLETE"
"""By this a shell asks how a command line may go on, instead of having one run."""
COLLECTED = 100_000
"""How many new objects make Python look for garbage: what is loaded stays; to look through it takes much of a short command."""


@click.command(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="kubedeb", message="%(prog)s %(version)s")
def kubedeb() -> None:
    """Debian packages of Kubernetes and its parts, a signed apt repository, and rolling upgrades with a proof."""


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status; errors are printed on stderr."""
    # Whatever package is installed beside this one may bring a plugin, which would have a say in what a recipe means; and to
    # look for some takes longer than to read a recipe.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if sys.stdout is None:  # started with a closed one (`>&-`), which nobody reads
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    gc.set_threshold(COLLECTED)

    def command() -> object:
        try:
            result = kubedeb.main(args=list(argv) if argv is not None else None, prog_name="kubedeb", standalone_mode=False)
        except SystemExit as done:
            if COMPLETE not in os.environ:
                raise
            result = done.code  # click leaves when it has answered a shell
        sys.stdout.flush()
        return result

    return guarded(command)


def guarded(command: Callable[[], object]) -> int:
    """Call `command` and return the exit status: what it returns if that is a number; errors are printed on stderr."""
    output = sys.stdout
    try:
        result = command()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except KubedebError as error:
        print(error.render(), file=sys.stderr)
        return error.code
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nothing is wrong, and nothing more can be said.
        _say_no_more()
        return ExitCode.DONE
    except SystemExit as error:
        if sys.stdout is output:
            return _bug(error, os.environ)
        # Where click itself was writing to a closed pipe it wraps the output, so that nothing more fails, and leaves with 1.
        _say_no_more()
        return ExitCode.DONE
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            print(_full(error).render(), file=sys.stderr)
            return ExitCode.OUTPUT
        return _bug(error, os.environ)
    return result if isinstance(result, int) else ExitCode.DONE


def _say_no_more() -> None:
    """Let what is still to be written to the output go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _full(error: OSError) -> KubedebError:
    """Return what to say of a full disk that no command expected: it is the output's, or names its file."""
    _say_no_more()
    return KubedebError(
        f"cannot write {error.filename or 'the output'}: the disk is full", details=error.strerror or str(error),
        hint="Make room, and run the command again.", code=ExitCode.OUTPUT,
    )  # fmt: skip


def _bug(error: BaseException, environment: Mapping[str, str]) -> ExitCode:
    """Say that kubedeb itself failed, and keep what is needed to mend it."""
    import tempfile
    import traceback

    trace = "".join(traceback.format_exception(error))
    with tempfile.NamedTemporaryFile("w", prefix="kubedeb-bug-", suffix=".txt", delete=False) as report:
        report.write(f"kubedeb {__version__}, Python {sys.version.split()[0]}\n{sys.argv}\n\n{trace}")
    if environment.get("KUBEDEB_TRACEBACK"):
        print(trace, file=sys.stderr)
    message = KubedebError(
        f"kubedeb met a case that it does not know: {type(error).__name__}: {error}",
        details=f"What is needed to mend it is in {report.name}",
        hint="This is a bug in kubedeb: please report it with that file.",
        code=ExitCode.BUG,
    )
    print(message.render(), file=sys.stderr)
    return ExitCode.BUG


def main() -> None:
    """Be the `kubedeb` command."""
    status = run()
    # What there is at the end is given up with the process: looking for cycles in it takes a fifth of a short command's time.
    gc.freeze()
    sys.exit(status)
