"""The commands and their options."""

import contextlib
import json
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Apps = Annotated[
    list[str] | None,
    typer.Option(
        "--app",
        metavar="MODULE[:ATTRIBUTE]",
        help="A module to import, from the current directory, that declares boundaries. May be given again.",
        show_default=False,
    ),
]


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's form
    if wanted:
        typer.echo(f"aiguard {version('aiguard-boundary')}")
        raise typer.Exit


@app.callback()
def main(
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Boundaries: check their policies, halt them, resume them. Running processes: look into them."""


@app.command("check")
def check_command(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="By default what AIGUARD_CONFIG names, else aiguard.yaml.", show_default=False
        ),
    ] = None,
    apps: Apps = None,
    form: Annotated[Literal["text", "json", "sarif"], typer.Option("--format", help="What to print.")] = "text",
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Let a warning fail too.")] = False,
    rules: Annotated[bool, typer.Option("--rules", help="Show what is looked for, and exit.")] = False,
) -> None:
    """
    Say everything that is wrong with a file, with the environment and, given --app, with how they fit the code.

    Exit codes: 0 nothing wrong, notes and warnings aside; 1 an error, or with --strict a warning; 2 nothing to check.
    """
    # imported here, so that `--help` and `--version` start at once
    from aiguard.check import RULES, UncheckableError, check  # noqa: PLC0415 - as above
    from aiguard.cli import json_form, sarif, text  # noqa: PLC0415 - as above
    from aiguard.config.live import path_of_file  # noqa: PLC0415 - as above

    if rules:
        typer.echo(text.rules(RULES))
        return
    found = path_of_file(file)
    if found is None and not apps:
        _stop("there is no aiguard.yaml here, and AIGUARD_CONFIG names no file: name one, or a module with --app")
    try:
        report = check(found, apps or ())
    except UncheckableError as error:
        _stop(str(error))
    if form == "text":
        text.show(report, sys.stdout)
    else:
        data = json_form.of(report) if form == "json" else sarif.of(report)
        typer.echo(json.dumps(data, indent=2))
    if report.count("error") or (strict and report.count("warning")):
        raise typer.Exit(1)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the file, for editors."""
    from aiguard.config.schema import file_schema  # noqa: PLC0415 - as in `check`

    typer.echo(json.dumps(file_schema(), indent=2))


@app.command()
def export(apps: Apps = None) -> None:
    """
    Print the file that says what the code says.

    Exit codes: 0 printed; 1 something in the code has no form in a file; 2 nothing to import.
    """
    from aiguard.check import UncheckableError  # noqa: PLC0415 - as in `check`
    from aiguard.cli import text  # noqa: PLC0415 - as in `check`
    from aiguard.cli.export import exported  # noqa: PLC0415 - as in `check`

    if not apps:
        _stop("name a module that declares boundaries, with --app")
    try:
        written = exported(apps)
    except UncheckableError as error:
        _stop(str(error))
    if isinstance(written, str):
        typer.echo(written, nl=False)
        return
    text.show_findings(written, sys.stderr)
    raise typer.Exit(1)


@app.command("explain")
def explain_command(
    name: Annotated[
        str,
        typer.Argument(metavar="CLASS", help="An exception, as it is imported: openai.RateLimitError, TimeoutError."),
    ],
    status: Annotated[
        int | None, typer.Option(min=100, max=599, help="The HTTP status that it carries.", show_default=False)
    ] = None,
    code: Annotated[
        str | None,
        typer.Option(help="The code, type or reason that the body of the error has.", show_default=False),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """
    Say what an exception of a component amounts to, and which row decides. Nothing is imported.

    Exit codes: 0 said; 2 that is no name of a class.
    """
    from aiguard.cli import explain  # noqa: PLC0415 - as in `check`

    try:
        data = explain.explained(name, status, code)
    except ValueError as error:
        _stop(str(error))
    typer.echo(json.dumps(data, indent=2) if as_json else explain.text_of(data))


State = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="DIRECTORY",
        help="Where the processes are; by default what AIGUARD_STATE names, else the user's own.",
        show_default=False,
    ),
]


@app.command("status")
def status_command(
    state: State = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every two seconds.")] = False,
) -> None:
    """
    Show the boundaries of every running process that lets itself be looked into.

    Exit codes: 0 shown; 1 no process answers; 2 the directory cannot be used.
    """
    from aiguard.cli import status  # noqa: PLC0415 - as in `check`

    if watch and as_json:
        _stop("--watch and --json contradict each other")
    with _directory(state) as directory:
        raise typer.Exit(status.watch(directory) if watch else status.show(directory, as_json=as_json))


@app.command("trace")
def trace_command(
    state: State = None,
    boundary: Annotated[
        str | None, typer.Option("--boundary", metavar="NAME", help="Calls of this one alone.", show_default=False)
    ] = None,
    last: Annotated[int, typer.Option("--last", min=1, max=1000, help="How many calls.")] = 10,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="Only calls that the component did not answer.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """
    Show the last calls of every running process: attempts, waits, rungs. Nothing of what was asked or answered.

    Exit codes: 0 shown; 1 no process answers; 2 the directory cannot be used.
    """
    from aiguard.cli import trace  # noqa: PLC0415 - as in `check`

    with _directory(state) as directory:
        raise typer.Exit(trace.show(directory, boundary=boundary, last=last, failed=failed, as_json=as_json))


@app.command("top")
def top_command(state: State = None) -> None:
    """
    Watch the boundaries of every running process, live.

    Keys: s sorts by the next column, r reverses, / filters, Enter opens a boundary, q ends it.

    Exit codes: 0 ended; 2 the directory cannot be used.
    """
    try:
        from aiguard.cli import top  # noqa: PLC0415 - as in `check`
    except ModuleNotFoundError as missing:
        if missing.name != "textual":
            raise
        _stop("`aiguard top` needs textual: install `aiguard-boundary[cli]`")
    with _directory(state) as directory:
        raise typer.Exit(top.run(directory))


Reason = Annotated[
    str, typer.Option("--reason", help="Why, in one line: an incident's number, say.", show_default=False)
]
Key = Annotated[str | None, typer.Option("--key", metavar="KEY", help="Only calls with this key.", show_default=False)]
Every = Annotated[bool, typer.Option("--all", help="Every boundary, in the place of a name.")]
Name = Annotated[str | None, typer.Argument(metavar="NAME", help="The boundary.", show_default=False)]
Where = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="DIRECTORY",
        help="The state directory; by default what AIGUARD_STATE names, else the user's own.",
        show_default=False,
    ),
]


@app.command("halt")
def halt_command(
    name: Name = None,
    reason: Reason = "",
    lasting: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="TIME", help="When it ends by itself: 90m, 4h. Not at high risk.", show_default=False
        ),
    ] = None,
    key: Key = None,
    state: Where = None,
    *,
    every: Every = False,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Take a name that no file, no process and no record knows.")
    ] = False,
) -> None:
    """
    Halt a boundary in every process that shares the state directory, in calls that are running too.

    Exit codes: 0 it is halted; 1 refused, and nothing is halted; 2 the directory cannot be used.
    """
    from aiguard.cli import halt  # noqa: PLC0415 - as in `check`

    with _directory(state) as directory:
        code = halt.show(
            _one_or_all(name, every=every), reason=reason, key=key, lasting=lasting, unknown=unknown, state=directory
        )
        raise typer.Exit(code)


@app.command("resume")
def resume_command(
    name: Name = None, reason: Reason = "", key: Key = None, state: Where = None, *, every: Every = False
) -> None:
    """
    Let a boundary run again: lifts the halts of just this name and key.

    Exit codes: 0 it was lifted; 1 refused, and what was halted is halted; 2 the directory cannot be used.
    """
    from aiguard.cli import resume  # noqa: PLC0415 - as in `check`

    with _directory(state) as directory:
        raise typer.Exit(resume.show(_one_or_all(name, every=every), reason=reason, key=key, state=directory))


@app.command("drill")
def drill_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The boundary.", show_default=False)],
    apps: Apps = None,
    given: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="JSON",
            help="What its ladder is given: an array by position, an object by name, else the one argument.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            metavar="KEY",
            help="The key to be halted, drill-…; by default one that nobody has used.",
            show_default=False,
        ),
    ] = None,
    state: Where = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """
    Halt a boundary for a key that no call has, let its ladder answer one call, resume it, and say how long each took.

    The ladder runs in this process, and in no other: that of the code and the file that `aiguard check` would read. The
    component is never asked. Of running processes that can be looked into it says whether the halt reached them.

    Exit codes: 0 it passed; 1 it failed or was refused; 2 there is nothing to drill.
    """
    from aiguard.cli import drill  # noqa: PLC0415 - as in `check`

    with _directory(state) as directory:
        raise typer.Exit(drill.show(name, apps=apps or (), given=given, key=key, state=directory, as_json=as_json))


def _one_or_all(name: str | None, *, every: bool) -> str:
    if (name is None) is not every:
        _stop("name one boundary, or say --all")
    return "*" if name is None else name


audit_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="The record of who halted and resumed what, when and why."
)
app.add_typer(audit_app, name="audit")


@audit_app.command("show")
def audit_show_command(
    state: Where = None,
    boundary: Annotated[
        str | None,
        typer.Option("--boundary", metavar="NAME", help="What concerns this one alone.", show_default=False),
    ] = None,
    last: Annotated[int, typer.Option("--last", min=1, help="How many records.")] = 20,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """
    Show the last records, the latest at the end.

    Exit codes: 0 shown; 2 there is no record, or it cannot be read.
    """
    from aiguard.cli import audit  # noqa: PLC0415 - as in `check`

    with _directory(state) as directory:
        raise typer.Exit(audit.show(directory, boundary=boundary, last=last, as_json=as_json))


@audit_app.command("verify")
def audit_verify_command(
    state: Where = None,
    anchors: Annotated[
        Path | None,
        typer.Option(
            "--anchors",
            metavar="FILE",
            help="Anchors that were kept elsewhere; by default those beside the record.",
            show_default=False,
        ),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """
    Find out whether the record is the one that was written.

    Exit codes: 0 it is; 1 it was edited, moved, thinned out or cut; 2 there is no record, or it cannot be read.
    """
    from aiguard.cli import audit  # noqa: PLC0415 - as in `check`

    with _directory(state) as directory:
        raise typer.Exit(audit.verify(directory, anchors=anchors, as_json=as_json))


@audit_app.command("export")
def audit_export_command(state: Where = None) -> None:
    """
    Print every record with its hash, as JSON lines.

    Exit codes: 0 printed; 2 there is no record, or it cannot be read.
    """
    from aiguard.cli import audit  # noqa: PLC0415 - as in `check`

    with _directory(state) as directory:
        raise typer.Exit(audit.export(directory))


@contextlib.contextmanager
def _directory(state: Path | None) -> Iterator[Path]:
    from aiguard.state_directory import UnusableError, state_directory  # noqa: PLC0415 - as in `check`

    try:
        yield state_directory(state)
    except UnusableError as error:
        _stop(str(error))


def _stop(reason: str) -> NoReturn:
    typer.echo(f"aiguard: {reason}", err=True)
    raise typer.Exit(2)
