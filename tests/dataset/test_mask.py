"""Users of OneTrainer and kohya's scripts would lose their masks, or find them trained on as pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib_ti.config.train import DataPart
from lib_ti.dataset.bucket import cover
from lib_ti.dataset.dataset import Dataset
from lib_ti.dataset.folder import list_pictures
from lib_ti.dataset.picture import load_picture
from lib_ti.dataset.scan import scan_dataset
from lib_ti.errors import InvalidDataset


def save(path: Path, size: tuple[int, int] = (64, 64), white: tuple[int, int, int, int] = (0, 0, 0, 0)) -> None:
    """Black, with a white box (left, top, right, bottom)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size)
    image.paste("white", white)
    image.save(path)


@pytest.fixture
def data(tmp_path: Path) -> DataPart:
    """Two pictures, the first with a mask whose left half counts."""
    save(tmp_path / "in" / "a.jpg")
    save(tmp_path / "in" / "b.png")
    save(tmp_path / "in" / "a-masklabel.png", white=(0, 0, 32, 64))
    return DataPart(folder=str(tmp_path / "in"), template="none")


def scan(data: DataPart) -> Dataset:
    return scan_dataset(data, "foo", 64, 8)


def masks(data: DataPart) -> dict[str, str]:
    return {one.name: one.mask.name if one.mask else "" for one in scan(data).pictures}


def fault(data: DataPart) -> tuple[str, str]:
    with pytest.raises(InvalidDataset) as caught:
        scan(data)
    (found,) = caught.value.faults
    assert found.hint
    return found.where, found.message


def test_a_mask_is_never_a_picture_and_belongs_to_the_one_of_its_name(data: DataPart) -> None:
    save(Path(data.folder) / "b-condlabel.png")
    assert [file.name for file in list_pictures(Path(data.folder))] == ["a.jpg", "b.png"]
    assert masks(data) == {"a.jpg": "a-masklabel.png", "b.png": ""}
    assert scan(data).warnings == ("b.png is without a mask, and will count as a whole.",)
    assert set(masks(replace(data, masks=False)).values()) == {""}
    assert scan(replace(data, masks=False)).warnings == ()


def test_a_mask_lies_on_its_picture_whatever_is_cut_off_and_however_large_it_is(tmp_path: Path) -> None:
    """The right half of a wide picture, of which the middle is used, by masks of three sizes."""
    save(tmp_path / "a.png", (80, 40))
    fit = cover((80, 40), (40, 40))
    for scale in (1, 2, 0.5):
        width, height = int(80 * scale), int(40 * scale)
        save(tmp_path / "m.png", (width, height), (width // 2, 0, width, height))
        found = load_picture(tmp_path / "a.png", fit, mask=tmp_path / "m.png").weights
        assert found is not None
        assert found.shape == (40, 40)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found[:, :15], 0, atol=0.02)
        np.testing.assert_allclose(found[:, 25:], 1, atol=0.02)


def test_a_mask_is_read_as_grey_and_its_clear_parts_as_black(tmp_path: Path) -> None:
    save(tmp_path / "a.png", (2, 1))
    mask = Image.new("RGBA", (2, 1), (255, 255, 255, 0))
    mask.putpixel((1, 0), (0, 255, 0, 255))
    mask.save(tmp_path / "m.png")
    found = load_picture(tmp_path / "a.png", cover((2, 1), (2, 1)), mask=tmp_path / "m.png").weights
    assert found is not None
    np.testing.assert_allclose(found, [[0, 0.587]], atol=0.01)  # of green light


def test_mask_and_alpha_channel_count_both(tmp_path: Path) -> None:
    image = Image.new("RGBA", (4, 4), (9, 9, 9, 255))
    image.paste((9, 9, 9, 0), (0, 0, 4, 2))
    image.save(tmp_path / "a.png")
    save(tmp_path / "m.png", (4, 4), (0, 0, 2, 4))
    fit = cover((4, 4), (4, 4))
    both = load_picture(tmp_path / "a.png", fit, mask=tmp_path / "m.png").weights
    mask_alone = load_picture(tmp_path / "a.png", fit, use_alpha=False, mask=tmp_path / "m.png").weights
    assert both is not None
    assert mask_alone is not None
    assert (both.sum(), mask_alone.sum()) == (4, 8)


def test_kohyas_folder_of_masks_goes_by_name_in_its_subfolders_or_side_by_side(data: DataPart, tmp_path: Path) -> None:
    save(Path(data.folder) / "3_x" / "c.png")
    save(tmp_path / "masks" / "3_x" / "c.webp", white=(0, 0, 9, 9))
    save(tmp_path / "masks" / "b.jpg", white=(0, 0, 9, 9))
    data = replace(data, mask_folder=str(tmp_path / "masks"))
    assert masks(data) == {"3_x/c.png": "c.webp", "a.jpg": "a-masklabel.png", "b.png": "b.jpg"}
    (tmp_path / "masks" / "3_x" / "c.webp").rename(tmp_path / "masks" / "c.webp")
    assert masks(data)["3_x/c.png"] == "c.webp"
    assert scan(data).warnings == ()


def test_masks_of_no_picture_are_told(data: DataPart, tmp_path: Path) -> None:
    save(Path(data.folder) / "gone-masklabel.png")
    save(tmp_path / "masks" / "old.png")
    save(tmp_path / "masks" / "b.png", white=(0, 0, 9, 9))
    told = scan(replace(data, mask_folder=str(tmp_path / "masks"))).warnings
    assert told == ("gone-masklabel.png, old.png are no picture and no picture's mask, and will not be used.",)


def test_a_mask_that_cannot_be_used_is_a_fault_by_its_name(data: DataPart) -> None:
    mask = Path(data.folder) / "a-masklabel.png"
    save(mask, (64, 32), (0, 0, 9, 9))
    assert fault(data) == ("a-masklabel.png", "is 64x32 pixels, and its picture 64x64: another shape")
    mask.write_bytes(b"no picture")
    where, message = fault(data)
    assert (where, "not a picture" in message) == ("a-masklabel.png", True)
    save(mask)
    where, message = fault(data)
    assert (where, "counts nowhere where it is used, by a-masklabel.png" in message) == ("a.jpg", True)
    assert fault(replace(data, masks=True, mask_folder="gone"))[0] == "data.mask_folder"
    assert len(scan(replace(data, masks=False)).pictures) == 2


def test_the_fingerprint_tells_of_a_change_of_masks(data: DataPart) -> None:
    seen = [scan(data).fingerprint, scan(replace(data, masks=False)).fingerprint]
    save(Path(data.folder) / "a-masklabel.png", (128, 128), (0, 0, 32, 64))
    seen.append(scan(data).fingerprint)
    assert len(set(seen)) == 3
