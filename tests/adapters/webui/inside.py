"""Pytest inside a real WebUI's process. Run by the WebUI's own Python: inside.py ROOT DATA PACKAGES CHECKPOINT PYTEST_ARGUMENT…

ROOT is the WebUI's folder, DATA an empty one for what it writes, PACKAGES the folder that has pytest (searched last), CHECKPOINT
a file name or "". COMMANDLINE_ARGS adds arguments of the WebUI.
"""

import os
import shlex
import sys
from pathlib import Path

SIDE = 64
"""Pixels: a WebUI's models are large, and a CPU is slow."""


QUIETLY = (
    "--nowebui --skip-load-model-at-start --no-download-sd-model --do-not-download-clip --disable-extra-extensions "
    "--disable-console-progressbars"
)
ON_THE_CPU = "--use-cpu all --no-half --no-half-vae --precision full"


def boot(root: Path, data: Path, checkpoint: str) -> None:
    for folder in ("embeddings", "extensions", "models/VAE", "tmp"):
        (data / folder).mkdir(parents=True, exist_ok=True)
    models = root / "models" / "Stable-diffusion"
    forge = (root / "modules_forge").is_dir()
    readers = [path for path in map(root.joinpath, ("modules/cmd_args.py", "backend/args.py")) if path.is_file()]
    understood = "".join(path.read_text(encoding="utf-8") for path in readers)
    neo = '"--ckpt-dirs"' in understood
    words = [word for word in QUIETLY.split() if f'"{word}"' in understood]
    words += ["--cpu" if neo else "--always-cpu"] if forge else ON_THE_CPU.split()
    sys.argv = ["webui.py", *words, "--data-dir", str(data), "--ckpt-dirs" if neo else "--ckpt-dir", str(models)]
    sys.argv += ["--ckpt", str(models / checkpoint)] if checkpoint and not neo else []
    sys.argv += shlex.split(os.environ.get("COMMANDLINE_ARGS", ""))
    os.chdir(root)
    sys.path.insert(0, str(root))
    if forge:
        from modules_forge.initialization import initialize_forge

        initialize_forge()
    from modules import initialize

    initialize.imports()
    initialize.initialize()
    from modules import script_callbacks, shared

    script_callbacks.before_ui_callback()  # the LoRA extension signs in there
    shared.opts.data["live_previews_enable"] = False  # they would fetch a decoder from the net
    if neo and checkpoint:
        shared.opts.data["sd_model_checkpoint"] = checkpoint
    if (root / "backend").is_dir():
        from modules_forge import main_entry

        main_entry.refresh_model_loading_parameters()  # as its page does


if __name__ == "__main__":
    root, data, packages, checkpoint, *arguments = sys.argv[1:]
    boot(Path(root), Path(data), checkpoint)
    sys.path.append(packages)

    import pytest

    from lib_ti.adapters.webui import model

    model.NATIVE_SIDES.update(dict.fromkeys(model.NATIVE_SIDES, SIDE))
    sys.exit(pytest.main(arguments))
