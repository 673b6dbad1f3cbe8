"""`ui`: the tab, in a browser, on a model of our own."""

import argparse
from pathlib import Path

from lib_ti.cli.flags import add_flags, faults_by_flag, given_settings
from lib_ti.cli.model_flags import add_host_flags, open_app
from lib_ti.config.command import ServeConfig
from lib_ti.config.options import build_config, walk_options

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
    from lib_ti.api.routes import build_router
    from lib_ti.api.security import Access, host_guard
    from lib_ti.demo.run import demo_settings
    from lib_ti.ui.serve import serve

    with faults_by_flag(FLAGS, ServeConfig):
        config = build_config(ServeConfig, given_settings(args, FLAGS))
    app = open_app(args, args.out)
    address = "0.0.0.0" if config.listen else "127.0.0.1"
    defaults = demo_settings(args.model)
    pictures = (Path(defaults["data.folder"]),) if defaults else ()
    routes = build_router(app, Access(pictures=pictures)).routes
    guard = host_guard(address, args.allow_host)
    serve(app, address, config.port, not config.no_browser, defaults, routes, [guard])
    return 0
