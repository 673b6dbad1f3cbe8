"""Whether the text encoder sees the whole placeholder in every prompt: what it does not see learns nothing."""

from __future__ import annotations

from lib_ti.dataset.dataset import Dataset
from lib_ti.dataset.template import compose_prompt
from lib_ti.errors import Fault, InvalidDataset
from lib_ti.host import TrainingSession


def prove_prompts(session: TrainingSession, dataset: Dataset, name: str, rows: int) -> None:
    """Raises InvalidDataset, which names each picture whose caption pushes some of the `rows` vectors of `name` out."""
    faults = []
    for picture in dataset.pictures:
        for line in dataset.template.lines:
            prompt = compose_prompt(line, name, picture.caption)
            seen = session.placeholder_rows(prompt)
            if seen < rows:
                message = f"the model sees {seen} of the {rows} vectors of {name} in {prompt!r}"
                faults.append(Fault(str(picture.path), message, "shorten the caption, or move [name] to the front"))
                break
    if faults:
        raise InvalidDataset(faults)
