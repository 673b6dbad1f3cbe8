"""The version, here and nowhere else: the package, the files that it writes and `--version` read it."""

VERSION = "0.1.0"
