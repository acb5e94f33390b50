"""The content of the pictures and the questions about them. Pure Python: both renderers use it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

Pixel = tuple[int, int, int]
Kind = Literal["colour", "shape", "both"]

COLOURS = ("red", "green", "blue", "yellow")
SHAPES = ("circle", "square", "triangle")
RGB: dict[str, Pixel] = {
    "red": (220, 30, 30),
    "green": (30, 160, 50),
    "blue": (40, 60, 220),
    "yellow": (240, 215, 30),
}
GREYS = (255, 255, 255, 245, 225, 200, 120, 60, 20, 0)
WHITE = 255

# The model is trained on these wordings only.
COLOUR_QUESTIONS = (
    "What colour is the shape?",
    "What color is the shape?",
    "What colour is the shape in the picture?",
    "What color is the shape in the image?",
    "Which colour is it? Reply with one word only.",
    "What color is it?",
    "What colour is the {shape}?",
    "What color is the {shape}? Answer in one word.",
)
SHAPE_QUESTIONS = (
    "What shape is it?",
    "Which shape is it?",
    "What shape is in the image?",
    "What shape is in the picture?",
    "Which shape is in the picture? Reply with one word only.",
    "Is it a circle, a square or a triangle?",
    "What is the {colour} shape?",
    "Which shape is {colour}?",
)
BOTH_QUESTIONS = (
    "Describe the image.",
    "Describe this picture.",
    "What do you see?",
    "What is in the picture?",
    "Describe the image briefly.",
)


@dataclass(frozen=True)
class Scene:
    """One shape on a plain background.

    size: width and height in pixels. centre, radius: pixels; the radius reaches from the centre to
    the middle of a side (square), to the rim (circle), to the tip and the base (triangle).
    noise: standard deviation, in levels of 0 to 255, that the training renderer adds.
    """

    size: tuple[int, int]
    colour: str
    shape: str
    background: Pixel
    fill: Pixel
    centre: tuple[float, float]
    radius: float
    noise: int


def plan_scene(rng: random.Random, size: tuple[int, int]) -> Scene:
    """Choose what to draw. The order of the calls on `rng` is part of the recipe."""
    colour, shape = rng.choice(COLOURS), rng.choice(SHAPES)
    grey = rng.choice(GREYS)
    background = (WHITE, WHITE, WHITE) if grey == WHITE else _near(rng, (grey, grey, grey), 6)
    fill = _near(rng, RGB[colour], 30)
    if rng.random() < 0.3:
        green = rng.choice([(0, 128, 0), (0, 255, 0)])
        css = {"red": (255, 0, 0), "green": green, "blue": (0, 0, 255), "yellow": (255, 255, 0)}
        fill = css[colour]
    width, height = size
    radius = rng.uniform(0.24, 0.44) * min(width, height)
    centre = rng.uniform(radius, width - radius), rng.uniform(radius, height - radius)
    return Scene(size, colour, shape, background, fill, centre, radius, noise=rng.choice([0, 0, 6]))


def _near(rng: random.Random, pixel: Pixel, spread: int) -> Pixel:
    red, green, blue = (max(0, min(255, level + rng.randint(-spread, spread))) for level in pixel)
    return red, green, blue


def choose_question(rng: random.Random, scene: Scene, kind: Kind | None = None) -> tuple[str, str]:
    """Return a question about `scene` and the right answer to it."""
    kind = kind or rng.choices(("colour", "shape", "both"), (4, 4, 2))[0]
    if kind == "both":
        return rng.choice(BOTH_QUESTIONS), f"A {scene.colour} {scene.shape}."
    questions = COLOUR_QUESTIONS if kind == "colour" else SHAPE_QUESTIONS
    answer = scene.colour if kind == "colour" else scene.shape
    question = rng.choice(questions).format(shape=scene.shape, colour=scene.colour)
    return question, answer.capitalize()
