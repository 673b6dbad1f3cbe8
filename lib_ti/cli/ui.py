"""`ui`: the tab, in a browser, on a model of our own."""

import argparse
import os
import secrets
import socket
import time
import webbrowser
from pathlib import Path

from lib_ti.app import App
from lib_ti.cli.console import STOPPED, on_signals, say, tell
from lib_ti.cli.flags import add_flags, faults_by_flag, given_settings
from lib_ti.cli.model_flags import add_host_flags, open_app
from lib_ti.config.command import ServeConfig
from lib_ti.config.options import build_config, walk_options
from lib_ti.errors import Fault, InvalidConfig

AUTH_VARIABLE = "TI_LAB_AUTH"
PATIENCE = 300.0
"""Seconds for an update in progress to end and be saved, once the program is to end."""

FLAGS = {f"--{path.replace('_', '-')}": path for path, *_ in walk_options(ServeConfig)}


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "Open the tab in a browser."
    parser = commands.add_parser("ui", help=text, description=text, allow_abbrev=False)
    add_host_flags(parser, "Folder for embeddings")
    add_flags(parser, ServeConfig, FLAGS)
    parser.add_argument(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="Answer to this name too, such as that of a proxy in front; once for each. This machine's own are known.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from lib_ti.api.gate import Gate, Keys
    from lib_ti.api.routes import build_server
    from lib_ti.api.security import Access
    from lib_ti.demo.run import demo_concept
    from lib_ti.ui.serve import serving

    with faults_by_flag(FLAGS, ServeConfig):
        config = build_config(ServeConfig, given_settings(args, FLAGS))
        users = read_users(config)
    app = open_app(args, args.out)
    address = "0.0.0.0" if config.listen else "127.0.0.1"
    defaults = demo_concept(args.model)
    pictures = (Path(defaults["data.folder"]),) if defaults else ()
    server = build_server(app, Access(pictures=pictures))
    keys = Keys(users, secrets.token_urlsafe(24) if config.listen and not users else "")
    query = f"?token={keys.token}" if keys.token else ""
    own = f"http://127.0.0.1:{config.port}/{query}"
    with serving(app, server, lambda page: Gate(page, address, args.allow_host, keys), address, config.port, defaults):
        tell(f"TI Lab: {own}")
        if config.listen:
            tell(f"From other machines: http://{socket.gethostname()}:{config.port}/{query}")
        if not config.no_browser:
            webbrowser.open(own)
        return until_signalled(app)


def read_users(config: ServeConfig) -> dict[str, str]:
    """Password by user, of the flags or else of the variable TI_LAB_AUTH. Raises InvalidConfig."""
    given = [(config.auth, "auth")] if config.auth else []
    if config.auth_file:
        try:
            lines = Path(config.auth_file).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise InvalidConfig([Fault("auth_file", f"{config.auth_file} cannot be read: {error}")]) from None
        given += [(line, "auth_file") for line in lines if line.strip()]
        if not given:
            raise InvalidConfig([Fault("auth_file", f"{config.auth_file} is empty", "Write USER:PASSWORD into it.")])
    if not given and os.environ.get(AUTH_VARIABLE):
        given = [(os.environ[AUTH_VARIABLE], AUTH_VARIABLE)]
    users = {}
    for text, where in given:
        user, _, password = text.strip().partition(":")
        if not user or not password:
            raise InvalidConfig([Fault(where, "this is no USER:PASSWORD", "Both must be there, with a colon between.")])
        users[user] = password
    return users


def until_signalled(app: App) -> int:
    """Until Ctrl-C, or a signal to end. What runs is then stopped and saved; a second Ctrl-C or SIGTERM ends at once."""
    ended: list[bool] = []  # no Event: its lock may be held where the signal comes
    with on_signals(lambda: ended.append(True)):
        try:
            while not ended:
                time.sleep(0.2)
            return 0 if stop_jobs(app) else 1
        except KeyboardInterrupt:
            os._exit(STOPPED)  # past all threads, of which one may be in the midst of a long computation


def stop_jobs(app: App) -> bool:
    """Stop all that runs and wait for it to be saved; False where that takes too long."""
    found = [jobs.current for jobs in (app.jobs, app.pictures.jobs, app.library_job.jobs)]
    running = [job for job in found if job and job.active]
    for job in running:
        job.control.stop()
        say(f"Stopping {job.snapshot.name} and saving. Once more to end at once.")
    end = time.monotonic() + PATIENCE
    while any(job.active for job in running):
        if time.monotonic() > end:
            say("It does not end; its last copy is in its log folder.")
            return False
        time.sleep(0.1)
    return True
