"""The command line over the toy host, in a process of its own that can be sent signals: `python tests/cli/toy_line.py train …`.

TOY_PACE is the seconds that each update takes at least.
"""

import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from lib_ti.adapters import detect  # noqa: E402
from lib_ti.cli.main import main  # noqa: E402
from tests.cli.conftest import Opened  # noqa: E402
from tests.toy_host import ToySession  # noqa: E402

if __name__ == "__main__":
    detect.open_standalone = Opened
    ToySession.check = lambda self: time.sleep(float(os.environ.get("TOY_PACE", "0")))
    sys.exit(main())
