"""`train`: an embedding from a folder of pictures."""

import argparse
import contextlib
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence

from lib_ti.cli.console import STOPPED, Console, JsonLines, Outlasting, say, stopping_gently
from lib_ti.cli.flags import add_any_setting, add_flags, called_as, faults_by_flag, given_settings
from lib_ti.cli.model_flags import add_host_flags, open_app
from lib_ti.config.options import build_config
from lib_ti.config.train import TrainConfig
from lib_ti.control import Control
from lib_ti.errors import NothingLeft, TIError
from lib_ti.events import Failed, Warned

FLAGS = {
    "--preset": "run.preset",
    "--data": "data.folder",
    "--more": "data.more",
    "--name": "embedding.name",
    "--vectors": "embedding.vectors",
    "--init": "embedding.init",
    "--also": "embedding.more",
    "--lr": "optim.lr",
    "--steps": "optim.steps",
    "--epochs": "optim.epochs",
    "--batch-size": "optim.batch_size",
    "--accumulation": "optim.accumulation",
    "--template": "data.template",
    "--width": "data.width",
    "--height": "data.height",
    "--preview-every": "preview.every",
    "--preview-prompt": "preview.prompt",
    "--save-every": "save.every",
    "--seed": "run.seed",
    "--resume": "embedding.resume",
    "--overwrite": "embedding.overwrite",
}


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "Train an embedding on a folder of pictures."
    parser = commands.add_parser("train", help=text, description=text, allow_abbrev=False)
    add_flags(parser, TrainConfig, FLAGS)
    add_any_setting(parser)
    add_host_flags(parser, "Folder for the embedding, NAME.safetensors")
    parser.add_argument("--json", action="store_true", help="Print each event as one line of JSON, and nothing else.")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    values = given_settings(args, FLAGS)
    with contextlib.ExitStack() as stack:
        listener: Console | JsonLines = JsonLines() if args.json else Console()
        stack.callback(listener.close)
        if args.json:  # whatever a library prints, standard output holds events alone
            stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        try:
            with faults_by_flag(FLAGS, TrainConfig, any_setting=True):
                config = build_config(TrainConfig, values)  # before the model is read, which takes longer
                app = open_app(args, args.out)
                control = Control()
                with stopping_gently(control):
                    app.train(config, Outlasting(listener, control), control)
        except NothingLeft as error:  # what was wanted is there: a loop over many can be run again
            listener(Warned(str(error)))
            return 0
        except TIError as error:
            listener(Failed(error.message, error.hint))
            raise
    if listener.finished is None or not listener.finished.stopped:
        return 0
    say(f"To go on: {resume_command(args.argv)}")
    return STOPPED


def resume_command(argv: Sequence[str]) -> str:
    """The same command with --resume, as a shell wants it."""
    words = [*called_as(), *argv, *([] if "--resume" in argv else ["--resume"])]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
