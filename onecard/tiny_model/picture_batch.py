"""The renderer that training uses: smooth edges and noise, a whole batch at once, by numpy."""

# Large libraries, only needed to make the model: imported where used, and untyped without them.
# ruff: noqa: PLC0415
# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onecard.tiny_model.scenes import Scene

SLANT = 5**0.5  # length of the normal (2, 1) of the triangle's slanting sides


def draw_batch(scenes: Sequence[Scene], seed: int) -> Any:
    """Return uint8 (n, 3, height, width) of `scenes`, which are all of one size.

    seed: of the noise, which the pictures of a batch share.
    """
    import numpy

    width, height = scenes[0].size

    def column(values: list[float]) -> Any:
        return numpy.array(values, numpy.float32).reshape(-1, 1, 1)

    def colours(values: list[tuple[int, int, int]]) -> Any:
        return numpy.array(values, numpy.float32).reshape(-1, 3, 1, 1)

    x = numpy.arange(width, dtype=numpy.float32).reshape(1, 1, -1) + 0.5
    x = x - column([scene.centre[0] for scene in scenes])
    y = numpy.arange(height, dtype=numpy.float32).reshape(1, -1, 1) + 0.5
    y = y - column([scene.centre[1] for scene in scenes])
    radius = column([scene.radius for scene in scenes])

    # Signed distance in pixels to each shape's edge, negative inside.
    def circle(x: Any, y: Any, r: Any) -> Any:
        return numpy.hypot(x, y) - r

    def square(x: Any, y: Any, r: Any) -> Any:
        return numpy.maximum(abs(x), abs(y)) - r

    def triangle(x: Any, y: Any, r: Any) -> Any:
        return numpy.maximum((2 * abs(x) - (y + r)) / SLANT, y - r)

    edges = {"circle": circle, "square": square, "triangle": triangle}
    distance = numpy.empty((len(scenes), height, width), numpy.float32)
    for shape, edge in edges.items():
        which = numpy.array([scene.shape == shape for scene in scenes])
        if which.any():
            distance[which] = edge(x[which], y[which], radius[which])
    cover = numpy.clip(0.5 - distance, 0, 1)[:, None]
    pictures = colours([scene.background for scene in scenes]) * (1 - cover)
    pictures += colours([scene.fill for scene in scenes]) * cover
    noise = numpy.array([scene.noise for scene in scenes], numpy.float32).reshape(-1, 1, 1, 1)
    if noise.any():
        shape_of_one = (1, *pictures.shape[1:])
        random = numpy.random.default_rng(seed)
        pictures += noise * random.standard_normal(shape_of_one, dtype=numpy.float32)
    return numpy.clip(pictures, 0, 255).astype(numpy.uint8)
