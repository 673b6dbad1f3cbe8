"""What a WebUI runs of us before it reads its command line: the flags that are ours."""

import argparse


def preload(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ti-lab-api-folder",
        metavar="DIR",
        action="append",
        default=[],
        help="TI Lab: requests may take training pictures from this folder, and keep logs of runs in it; once for each",
    )
