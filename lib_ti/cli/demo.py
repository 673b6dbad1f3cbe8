"""`demo`: a whole training in a minute or two, to see that everything works and what it looks like."""

import argparse
from pathlib import Path

from lib_ti.cli.console import Console, stopping_gently, tell
from lib_ti.cli.flags import faults_by_flag
from lib_ti.cli.model_flags import add_host_flags, open_app
from lib_ti.config.options import build_config
from lib_ti.config.train import TrainConfig
from lib_ti.control import Control
from lib_ti.demo.run import MODELS, Summary, demo_settings, run_demo
from lib_ti.errors import TIError


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "Train an embedding on a demo model and its pictures."
    parser = commands.add_parser("demo", help=text, description=text, allow_abbrev=False)
    add_host_flags(parser, "Folder for everything that is made", "outputs/demo")
    parser.add_argument("--steps", metavar="N", type=int, default=200, help="Updates [200]")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.model not in MODELS:
        raise TIError(
            f"There is no demo for the model {args.model!r}.",
            f"Choose {' or '.join(MODELS)}, or use the train command for models of your own.",
        )
    with faults_by_flag({"--steps": "optim.steps"}, TrainConfig):
        config = build_config(TrainConfig, demo_settings(args.model, args.steps) | {"embedding.overwrite": True})
    out = Path(args.out)
    console, control = Console(), Control()
    try:
        app = open_app(args, args.out)
        with stopping_gently(control):
            summary = run_demo(app, out, config, console, control)
    finally:
        console.close()
    if summary is None:
        return 130
    tell("\n".join(_report(summary, out)))
    return 0


def _report(summary: Summary, out: Path) -> list[str]:
    return [
        "",
        f"{summary.steps} steps at {summary.images_per_second:.1f} pictures a second.",
        "Loss on pictures that were not trained on:",
        f"  {summary.loss_init:.4f} before, {summary.loss_final:.4f} now, {summary.loss_oracle:.4f} with the true words;",
        f"  {summary.gap_closed:.0%} of the gap is closed.",
        "Look at:",
        f"  embedding  {out / summary.embedding}",
        f"  previews   {(out / summary.previews[-1]).parent}",
        f"  loss       {out / summary.loss_plot}",
        f"  figures    {out / 'summary.json'}",
    ]
