"""Fits: no picture is distorted, padded or made larger than the memory that its user planned for."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_ti.dataset.bucket import (
    Fit,
    Size,
    bucket_shapes,
    bucket_step,
    cover,
    fit_picture,
    keep_shape,
    nearest_bucket,
    squash,
)
from lib_ti.host import PictureSize

sides = st.integers(1, 9000)
sizes = st.tuples(sides, sides)
steps = st.sampled_from([8, 16, 64])
targets = st.tuples(st.integers(8, 256), st.integers(8, 256)).map(lambda size: (size[0] * 8, size[1] * 8))


@pytest.mark.parametrize(
    ("native", "multiple", "step"),
    [(512, 8, 64), (768, 8, 64), (1024, 8, 64), (32, 8, 8), (32, 4, 8), (96, 16, 16), (16, 8, 8)],
)
def test_the_grid_follows_the_model(native: int, multiple: int, step: int) -> None:
    assert bucket_step(native, multiple) == step


def test_shapes_of_a_512_model() -> None:
    shapes = bucket_shapes(512, 512, 64)
    assert {(512, 512), (448, 576), (384, 640), (320, 768), (256, 1024), (1024, 256)} <= set(shapes)
    assert len(shapes) == len(set(shapes))


def test_sdxl_has_the_shapes_it_was_trained_on() -> None:
    assert {(1024, 1024), (832, 1216), (1216, 832), (896, 1152), (768, 1344), (640, 1536)} <= set(
        bucket_shapes(1024, 1024, 64)
    )


@given(targets, steps)
def test_shapes_keep_area_grid_and_aspect_and_come_in_both_directions(target: Size, step: int) -> None:
    shapes = bucket_shapes(*target, step)
    assert target in shapes
    for width, height in set(shapes) - {target}:
        assert width % step == height % step == 0
        assert 0 < width * height <= math.prod(target)
        assert max(width, height) <= 4 * min(width, height)
        assert (height, width) in shapes


@given(sizes, targets, steps)
def test_no_shape_is_nearer_than_the_nearest(size: Size, target: Size, step: int) -> None:
    shapes = bucket_shapes(*target, step)
    chosen = nearest_bucket(size, shapes)

    distances = [abs(math.log(shape[0] / shape[1] * size[1] / size[0])) for shape in shapes]
    assert abs(math.log(chosen[0] / chosen[1] * size[1] / size[0])) <= min(distances) + 1e-8


def test_a_square_takes_the_largest_of_square_shapes() -> None:
    assert nearest_bucket((300, 300), [(448, 448), (512, 512), (256, 256)]) == (512, 512)


def inside(fit: Fit) -> bool:
    left, top, right, bottom = fit.crop_box
    return 0 <= left < right <= fit.resize_to[0] and 0 <= top < bottom <= fit.resize_to[1]


@given(sizes, targets)
def test_cover_keeps_the_aspect_touches_the_target_and_crops_the_middle(size: Size, target: Size) -> None:
    fit = cover(size, target)
    assert inside(fit)
    assert fit.target == target
    assert fit.resize_to[0] == target[0] or fit.resize_to[1] == target[1]
    scale = max(target[0] / size[0], target[1] / size[1])
    assert abs(fit.resize_to[0] - size[0] * scale) <= 0.51
    assert abs(fit.resize_to[1] - size[1] * scale) <= 0.51
    left, top, right, bottom = fit.crop_box
    assert 0 <= (fit.resize_to[0] - right) - left <= 1
    assert 0 <= (fit.resize_to[1] - bottom) - top <= 1


@given(sizes, targets)
def test_squash_uses_all_of_the_picture(size: Size, target: Size) -> None:
    fit = squash(size, target)
    assert fit.resize_to == fit.target == target
    assert fit.share_kept == 1


@given(st.tuples(st.integers(1, 10**6), sides), targets, steps)
def test_variable_never_exceeds_the_area_nor_leaves_the_grid(size: Size, target: Size, step: int) -> None:
    step = min(step, *target)
    for fit in (keep_shape(size, math.prod(target), step), keep_shape(size[::-1], math.prod(target), step)):
        assert inside(fit)
        assert fit.target[0] % step == fit.target[1] % step == 0
        assert math.prod(fit.target) <= math.prod(target)


@given(sizes, targets, steps)
def test_variable_enlarges_nothing_but_a_side_below_one_step(size: Size, target: Size, step: int) -> None:
    if min(size) >= step and max(size) <= 4 * min(size):
        assert keep_shape(size, math.prod(target), min(step, *target)).enlargement <= 1 or step > min(target)


@pytest.mark.parametrize(
    ("size", "resize_to", "target"),
    [
        ((512, 512), (512, 512), (512, 512)),
        ((500, 300), (500, 300), (448, 256)),  # small: only cropped
        ((1024, 1024), (512, 512), (512, 512)),
        ((3000, 2000), (576, 384), (576, 384)),
        ((40, 500), (64, 800), (64, 448)),
    ],
)
def test_variable_by_example(size: Size, resize_to: Size, target: Size) -> None:
    fit = keep_shape(size, 512 * 512, 64)
    assert (fit.resize_to, fit.target) == (resize_to, target)


@given(sizes, st.sampled_from(["buckets", "crop", "squash", "variable"]), targets, st.sampled_from([8, 64]))
def test_every_fit_gives_sides_the_model_can_use(size: Size, how: str, target: Size, step: int) -> None:
    fit = fit_picture(size, how, *target, step)
    assert inside(fit)
    assert fit.original == size
    assert fit.target[0] % 8 == fit.target[1] % 8 == 0
    assert math.prod(fit.target) <= math.prod(target)
    if how in ("crop", "squash"):
        assert fit.target == target


def test_buckets_crop_a_photo_less_than_a_square_does() -> None:
    photo = (3000, 2000)
    assert fit_picture(photo, "crop", 512, 512, 64).share_kept == pytest.approx(2 / 3, abs=0.01)
    assert fit_picture(photo, "buckets", 512, 512, 64).target == (640, 384)
    assert fit_picture(photo, "buckets", 512, 512, 64).share_kept > 0.89


def test_sdxl_is_told_the_original_size_the_crop_and_the_target() -> None:
    fit = fit_picture((3000, 2000), "crop", 1024, 1024, 64)
    assert fit.picture_size == PictureSize(2000, 3000, 0, 256, 1024, 1024)


@given(sizes, st.sampled_from(["buckets", "crop", "squash", "variable"]), targets, st.integers(2, 9))
def test_crops_show_all_that_the_middle_cuts_off_and_nothing_else(
    size: Size, how: str, target: Size, count: int
) -> None:
    fit = fit_picture(size, how, *target, 64)
    crops = fit.crops(count)
    assert fit.crops(1) == (fit,)
    assert all(inside(crop) and crop.target == fit.target and crop.resize_to == fit.resize_to for crop in crops)
    assert 1 <= len(set(crops)) == len(crops) <= count
    assert crops[0].crop_box[:2] == (0, 0)
    assert crops[-1].crop_box[2:] == fit.resize_to


def test_crops_by_example() -> None:
    fit = cover((200, 100), (100, 100))
    assert [crop.crop_box for crop in fit.crops(3)] == [(0, 0, 100, 100), (50, 0, 150, 100), (100, 0, 200, 100)]
    assert cover((200, 100), (64, 32)).crops(5) == (cover((200, 100), (64, 32)),)


def test_a_mirrored_fit_shows_the_same_piece_of_the_mirrored_picture() -> None:
    fit = cover((200, 100), (100, 100)).crops(2)[0]
    assert fit.mirrored.crop_box == (100, 0, 200, 100)
    assert fit.mirrored.mirrored == fit
