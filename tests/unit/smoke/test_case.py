"""Case files, the judge of answers, and the pictures that ship with the project."""

from __future__ import annotations

import filecmp
from pathlib import Path

import pytest
import yaml
from PIL import Image

from onecard.errors import UsageError
from onecard.smoke import questions
from onecard.smoke.case import load_cases
from onecard.smoke.judge import is_right
from onecard.smoke.smoke_run import most_guessable
from onecard.tiny_model import pictures
from onecard.tiny_model.png import two_colour_png

SHIPPED = questions.FOLDER


@pytest.mark.parametrize(
    ("text", "expect", "forbid", "right"),
    [
        ("Yellow", ["yellow"], [], True),
        ("**Yellow**, of course!", ["yellow"], [], True),
        ("A yellow circle.", ["circle yellow"], [], True),
        ("A yellow square.", ["yellow circle"], [], False),
        ("Yellowish", ["yellow"], [], False),
        ("Two eggs", ["egg"], [], False),
        ("Two eggs", ["egg", "eggs"], [], True),
        ("red or green", ["red"], ["green"], False),
        ("red, not bright green", ["red"], ["dark green"], True),
        ("\uff32\uff25\uff24", ["red"], [], True),
        ("", ["red"], [], False),
    ],
)
def test_judge(text: str, expect: list[str], forbid: list[str], right: bool) -> None:
    assert is_right(text, expect, forbid) is right


GOOD = {"name": "a", "question": "What is it?", "expect": ["pizza"]}


@pytest.mark.parametrize(
    ("cases", "message"),
    [
        ([{**GOOD, "expects": []}], "cases[0].expects: unknown key"),
        ([GOOD, {"name": "b", "question": "?"}], "cases[1].expect: is missing"),
        ([{**GOOD, "expect": []}], "cases[0].expect: "),
        ([{**GOOD, "expect": ["!?"]}], "cases[0].expect[0]: needs at least one letter"),
        ([{**GOOD, "expect": [True]}], "cases[0].expect[0]: "),
        ([{**GOOD, "max_tokens": "many"}], "cases[0].max_tokens: "),
        ([{**GOOD, "max_tokens": 0}], "cases[0].max_tokens: "),
        ([{**GOOD, "image": "gone.png"}], "cases[0].image: no such file"),
        ([{**GOOD, "image": "cases.yml"}], "cases[0].image: must end in one of .png"),
        ([GOOD, GOOD], "cases: the name 'a' is used twice"),
        ([], "cases: "),
    ],
)
def test_a_wrong_case_file_is_one_line_with_file_and_key(
    tmp_path: Path, cases: list[object], message: str
) -> None:
    path = tmp_path / "cases.yml"
    path.write_text(yaml.safe_dump({"cases": cases}))
    with pytest.raises(UsageError) as caught:
        load_cases(path)
    assert caught.value.message.startswith(f"{path}: {message}")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("content", "message"),
    [("cases: [", ":1: not valid YAML"), ("just words", ": the file: must be"), ("", ": the file")],
)
def test_a_file_that_holds_no_cases(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "cases.yml"
    path.write_text(content)
    with pytest.raises(UsageError) as caught:
        load_cases(path)
    assert caught.value.message.startswith(f"{path}{message}")
    assert "\n" not in caught.value.message


def test_a_missing_case_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such case file"):
        load_cases(tmp_path / "none.yml")


@pytest.mark.parametrize(("name", "least"), [("shapes.yml", 8), ("food.yml", 6)])
def test_shipped_cases_load_and_no_fixed_answer_passes_half(name: str, least: int) -> None:
    cases = load_cases(SHIPPED / name).cases
    assert len(cases) >= least
    assert most_guessable(cases) <= len(cases) / 2
    for case in cases:
        assert case.image is not None
        assert case.image.stat().st_size < 200_000
        with Image.open(case.image) as picture:
            picture.load()


def test_the_picture_is_sent_as_a_data_url_and_can_be_left_out() -> None:
    coffee = load_cases(SHIPPED / "food.yml").cases[-1]
    picture, text = coffee.messages()[0]["content"]
    assert picture["image_url"]["url"].startswith("data:image/jpeg;base64,/9j/")
    assert coffee.messages(picture=False)[0]["content"] == [text]


def test_generated_pictures_are_the_same_bytes_again(tmp_path: Path) -> None:
    pictures.write_cases(tmp_path)
    names = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()]
    assert len(names) == 13
    same, different, missing = filecmp.cmpfiles(tmp_path, SHIPPED, names, shallow=False)
    assert (sorted(same), different, missing) == (sorted(names), [], [])


def test_png_writer_retains_every_pixel(tmp_path: Path) -> None:
    _, scene = pictures.held_out_scene(6)
    drawn = pictures.draw(scene)
    (tmp_path / "a.png").write_bytes(two_colour_png(drawn))
    with Image.open(tmp_path / "a.png") as read:
        assert read.convert("RGB").tobytes() == drawn.tobytes()
