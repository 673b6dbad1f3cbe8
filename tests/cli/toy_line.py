"""The command line over the toy host, in a process of its own that can be sent signals: `python tests/cli/toy_line.py train …`.

TOY_PACE is the seconds that each update takes at least, TOY_WAIT those that opening the model takes, of which it tells.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from lib_ti.adapters import detect  # noqa: E402
from lib_ti.cli.main import main  # noqa: E402
from tests.cli.conftest import Opened  # noqa: E402
from tests.toy_host import ToySession  # noqa: E402


def open_slowly(*args: Any) -> Opened:
    print("Opening", flush=True)
    time.sleep(float(os.environ["TOY_WAIT"]))
    return Opened(*args)


if __name__ == "__main__":
    detect.open_standalone = open_slowly if "TOY_WAIT" in os.environ else Opened
    ToySession.check = lambda self: time.sleep(float(os.environ.get("TOY_PACE", "0")))
    sys.exit(main())
