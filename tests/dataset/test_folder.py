"""Which files count: all of a user's pictures, none of what merely lies beside them, kohya's folders by their names."""

from pathlib import Path

import pytest

from lib_ti.dataset.folder import list_pictures, typed_path
from lib_ti.errors import InvalidDataset


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found(folder: Path) -> list[tuple[str, int, str]]:
    return [(file.name, file.repeats, file.class_words) for file in list_pictures(folder)]


def refusal(folder: Path) -> tuple[str, str]:
    with pytest.raises(InvalidDataset) as caught:
        list_pictures(folder)
    (fault,) = caught.value.faults
    assert fault.hint
    return fault.where, fault.message


def test_pictures_are_listed_by_name_and_nothing_else_is(tmp_path: Path) -> None:
    put(
        tmp_path,
        "b.PNG",
        "a.jpeg",
        "c.webp",
        "a.txt",
        "log.csv",
        ".hidden.png",
        "._b.PNG",
        "Thumbs.db",
        "folder.png/x.txt",
    )
    assert found(tmp_path) == [("a.jpeg", 1, ""), ("b.PNG", 1, ""), ("c.webp", 1, "")]


def test_kohya_folders_give_repeats_and_class_words_beside_plain_files(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "100_sks woman/b.png", "2_a_b/c.png", "samples/preview.png", "0_off/d.png", "img/5_x/e.png")
    assert found(tmp_path) == [("100_sks woman/b.png", 100, "sks woman"), ("2_a_b/c.png", 2, "a_b"), ("a.png", 1, "")]


def test_the_folder_itself_may_be_kohyas(tmp_path: Path) -> None:
    put(tmp_path / "100_sks woman", "a.png")
    assert found(tmp_path / "100_sks woman") == [("a.png", 100, "sks woman")]


def test_a_folder_named_by_a_date_is_just_a_folder(tmp_path: Path) -> None:
    put(tmp_path / "20240131_holiday", "a.png")
    assert found(tmp_path / "20240131_holiday") == [("a.png", 1, "")]


def test_endless_repeats_are_refused_not_dropped(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "1001_x/b.png", "1001_x/c.png")
    assert refusal(tmp_path) == ("1001_x", "more than 1000 repeats")


def test_a_missing_folder_a_file_and_an_empty_folder_are_told_apart(tmp_path: Path) -> None:
    put(tmp_path, "sub/a.txt")
    assert "there is no folder" in refusal(tmp_path / "gone")[1]
    assert "is a file" in refusal(tmp_path / "sub" / "a.txt")[1]
    where, message = refusal(tmp_path / "sub")
    assert where == "data.folder"
    assert "holds no pictures" in message


def test_what_can_be_no_folder_is_told_and_not_a_crash(tmp_path: Path) -> None:
    where, message = refusal(typed_path("x" * 300))
    assert where == "data.folder"
    assert "cannot be read: " in message
    assert "there is no folder '~nobody-of-this-name" in refusal(typed_path('"~nobody-of-this-name/x" '))[1]
    assert typed_path(' "~/x" ') == Path.home() / "x"
