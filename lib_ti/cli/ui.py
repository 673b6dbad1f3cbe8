"""`ui`: the tab, in a browser, on a model of our own."""

import argparse
from pathlib import Path

from lib_ti.cli.model_flags import add_host_flags, open_app


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "Open the tab in a browser."
    parser = commands.add_parser("ui", help=text, description=text, allow_abbrev=False)
    add_host_flags(parser, "Folder for embeddings")
    parser.add_argument("--port", metavar="N", type=int, default=7861, help="Port of the page [7861]")
    parser.add_argument(
        "--listen",
        action="store_true",
        help="Let other machines of your network in: they can read and write files as you can.",
    )
    parser.add_argument(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="Answer to this name too, such as that of a proxy in front; once for each. This machine's own are known.",
    )
    parser.add_argument("--no-browser", action="store_true", help="Do not open a browser.")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from lib_ti.api.routes import build_router
    from lib_ti.api.security import Access, host_guard
    from lib_ti.demo.run import demo_settings
    from lib_ti.ui.serve import serve

    app = open_app(args, args.out)
    address = "0.0.0.0" if args.listen else "127.0.0.1"
    defaults = demo_settings(args.model)
    pictures = (Path(defaults["data.folder"]),) if defaults else ()
    routes = build_router(app, Access(pictures=pictures)).routes
    guard = host_guard(address, args.allow_host)
    serve(app, address, args.port, not args.no_browser, defaults, routes, [guard])
    return 0
