"""`python -m lib_ti …`"""

import sys

from lib_ti.cli.main import main

sys.exit(main())
