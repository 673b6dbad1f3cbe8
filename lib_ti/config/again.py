"""Where embeddings go that are made again for another model."""

from dataclasses import dataclass

from lib_ti.config.option import option


@dataclass(frozen=True)
class AgainConfig:
    name: str = option(
        "[name]", "Name", "[name] is the file's own name, [model] the loaded model's: [name]-[model].", required=True
    )
    overwrite: bool = option(
        False, "Overwrite Old Embedding", "Replace existing files of that name, such as the old ones themselves."
    )
    folder: str = option("", "Embeddings directory", "Where the files go; empty is where each one lies.")
