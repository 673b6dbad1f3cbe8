"""The flags that say which model to open, where and how; shared by all commands that need one."""

import argparse
import os
from pathlib import Path

from lib_ti.app import App
from lib_ti.demo.run import MODELS


def add_host_flags(parser: argparse.ArgumentParser, out_help: str, out: str = "outputs") -> None:
    group = parser.add_argument_group("model and folders")
    add_model_flags(group)
    group.add_argument("--out", metavar="DIR", default=out, help=f"{out_help} [{out}]")
    group.add_argument("--logs", metavar="DIR", help="Folder for copies, previews and logs [OUT/logs]")


def add_model_flags(group: argparse._ActionsContainer, default: str | None = "demo") -> None:
    shown = f" [{default}]" if default else ""
    group.add_argument(
        "--model",
        metavar="MODEL",
        default=default,
        help=f"demo, demo-xl, a checkpoint (.safetensors, .ckpt) or a diffusers folder{shown}",
    )
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps [auto]")
    group.add_argument("--dtype", default="auto", help="auto, fp32, bf16, fp16 [auto]")


def open_app(args: argparse.Namespace, embeddings: str) -> App:
    """Read the model and stand behind it; raises UnsupportedModel."""
    from lib_ti.adapters.detect import open_standalone

    if args.model in MODELS:
        # Models this small gain nothing from threads, and on a busy machine they wait for each other twenty times longer.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    folder = Path(embeddings)
    logs = Path(args.logs) if getattr(args, "logs", None) else folder / "logs"
    return App(open_standalone(args.model, args.device, args.dtype, folder, logs))
