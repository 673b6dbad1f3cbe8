import random

import numpy as np

from lib_ti.demo.concept import CONCEPT, PICTURE_COUNT, draw_other_pictures, draw_pictures
from lib_ti.demo.recipe.captions import (
    BOS,
    EOS,
    LENGTH,
    NAMED,
    PLACEHOLDER,
    draw_caption,
    draw_thing,
    prompt_ids,
    vocabulary,
    word_ids,
)
from lib_ti.demo.recipe.gates import UNCLEAR, read_picture
from lib_ti.demo.world import ALL, COLOURS, HELD_OUT, SEEN, SHAPES, SIZE, TEXTURES, draw


def test_the_world_has_192_combinations_six_of_them_held_out():
    assert len(set(ALL)) == len(SHAPES) * len(COLOURS) * len(TEXTURES) == 192
    assert len(HELD_OUT) == 6
    assert set(SEEN) == set(ALL) - set(HELD_OUT)


def test_every_part_of_a_held_out_combination_is_seen_elsewhere():
    for part in range(3):
        assert {thing[part] for thing in HELD_OUT} <= {thing[part] for thing in SEEN}


def test_held_out_combinations_are_never_drawn_nor_captioned():
    rng = random.Random(0)
    assert not set(NAMED) & set(HELD_OUT)
    for _ in range(20_000):
        thing = draw_thing(rng)
        assert thing not in HELD_OUT
        text, summed = draw_caption(thing, rng, summed_share=0.3)
        caption = [*text.split(), *(word for word, _ in summed)]
        for held in HELD_OUT:
            named_in_full = held.colour in caption and held.shape in caption
            textured = held.texture == "plain" or held.texture in caption
            other_texture = any(word in caption for word in ("striped", "dotted", "stripes", "dots"))
            assert not (named_in_full and textured and (held.texture != "plain" or not other_texture)), caption


def test_drawing_is_a_function_of_the_thing_and_the_seed():
    first, again = (draw(HELD_OUT[0], random.Random(5)) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, draw(HELD_OUT[0], random.Random(6)))
    assert first.shape == (SIZE, SIZE, 3)
    assert first.dtype == np.uint8


def test_the_scorer_reads_what_was_drawn():
    rng = random.Random(9)
    assert [thing for thing in ALL if not read_picture(draw(thing, rng)).shows(thing)] == []


def test_the_scorer_finds_no_shape_where_there_is_none():
    white = np.full((SIZE, SIZE, 3), 250, np.uint8)
    assert read_picture(white).shape == UNCLEAR
    bar = white.copy()
    bar[28:36] = (200, 30, 30)
    assert read_picture(bar).shape == UNCLEAR
    assert read_picture(bar).colour == "red"


def test_a_summed_name_leaves_its_placeholder_in_the_caption():
    rng = random.Random(1)
    captions = [draw_caption(draw_thing(rng), rng, summed_share=0.3) for _ in range(1000)]
    assert 200 < sum(bool(caption.summed) for caption in captions) < 340
    assert all((PLACEHOLDER in caption.text) == bool(caption.summed) for caption in captions)
    assert not any(draw_caption(draw_thing(rng), rng).summed for _ in range(1000))


def test_every_caption_word_is_one_token():
    ids = [word_ids(word) for word in sorted(vocabulary()) if "-" not in word]
    assert all(len(one) == 1 for one in ids)
    assert len({one[0] for one in ids}) == len(ids)


def test_prompts_are_77_ids_with_the_encoders_padding():
    ids = prompt_ids("a photo of a cat")
    assert ids[:7] == [BOS, 320, 1125, 539, 320, 2368, EOS]
    assert ids[7:] == [EOS] * (LENGTH - 7)
    assert prompt_ids("a cat", pad=0)[4:] == [0] * (LENGTH - 4)
    assert len(prompt_ids("star " * 100)) == LENGTH


def test_the_concept_is_held_out_and_its_measuring_pictures_are_not_its_training_pictures():
    assert CONCEPT.phrase in {thing.phrase for thing in HELD_OUT}
    assert CONCEPT.init_text in vocabulary()
    training, others = draw_pictures(), draw_other_pictures()
    assert len(training) == PICTURE_COUNT
    assert len({p.tobytes() for p in training + others}) == len(training) + len(others)
    assert all(" ".join(read_picture(p)[:3]) == CONCEPT.phrase for p in training + others)
