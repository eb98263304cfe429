"""``mlcnc glove``: downloads GloVe vectors from their authors."""

from __future__ import annotations

import argparse
from typing import Any

from mlcnc import stopping
from mlcnc.glove import ADDRESS, DIMS
from mlcnc.named_paths import path_argument
from mlcnc.written_numbers import whole


def add_glove(commands: Any) -> None:
    """Add ``mlcnc glove``."""
    parser = commands.add_parser(
        "glove",
        help="download GloVe vectors for runs with --label_embedding glove or --method ml_gcn",
        description="Download glove.6B.zip from its authors (862 MB), check it and unpack one file of it. "
        "Stopped or broken off, the same command goes on. Without a network: put glove.6B.zip into the folder.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--out", type=path_argument, required=True, metavar="FOLDER", help="where the vectors go"
    )
    parser.add_argument(
        "--dim", type=whole, default=300, metavar="|".join(map(str, DIMS)), help="numbers a word [300]"
    )
    parser.add_argument("--address", default=ADDRESS, metavar="URL", help=f"of the archive [{ADDRESS}]")
    parser.set_defaults(command=_glove, stopped="stopped; what came is kept, the same command goes on")


def _glove(options: argparse.Namespace) -> int:
    stopping.listen()
    from mlcnc.glove_download import download_glove

    download_glove(options.out, options.dim, address=options.address, say=_say)
    return 0


def _say(text: str) -> None:
    print(text, flush=True)
