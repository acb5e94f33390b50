"""Training examples: conversations about pictures, and their tensors."""

# Large libraries, only needed to make the model: imported where used, and untyped without them.
# ruff: noqa: PLC0415
# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from onecard.tiny_model.picture_batch import draw_batch
from onecard.tiny_model.scenes import Scene, choose_question, plan_scene

SMALL_TALK = (
    ("Say OK.", "OK"),
    ("Please say hello.", "Hello!"),
    ("Hello!", "Hello!"),
    ("Say hello.", "Hello!"),
    ("Reply with OK only.", "OK"),
)
NO_PICTURE = "I see no picture."
NOT_SCORED = -100  # the label that torch's cross_entropy ignores
LENGTH_STEP = 64


@dataclass(frozen=True)
class Example:
    """One conversation. scene is None where no picture is shown."""

    messages: list[dict[str, Any]]
    scene: Scene | None
    thinking: bool
    completion: str


def make_example(rng: random.Random, size: tuple[int, int], *, system: bool) -> Example:
    """Draw one example. Without a picture the right answer is that there is none."""
    scene: Scene | None = plan_scene(rng, size)
    assert scene is not None
    thought = f"The picture shows a {scene.colour} {scene.shape}."
    question, answer = choose_question(rng, scene)
    thinking = rng.random() < 0.5
    chance = rng.random()
    if chance < 0.06:
        (question, answer), scene, thought = rng.choice(SMALL_TALK), None, "I reply."
    elif chance < 0.14:
        scene, answer, thought = None, NO_PICTURE, NO_PICTURE
    parts = [{"type": "text", "text": question}]
    if scene is not None:
        parts.insert(0 if rng.random() < 0.7 else 1, {"type": "image"})
    messages: list[dict[str, Any]] = [{"role": "user", "content": parts}]
    if system:
        messages.insert(0, {"role": "system", "content": "You are a helpful assistant."})
    opening = f"{thought}\n</think>\n\n" if thinking else ""
    return Example(messages, scene, thinking, f"{opening}{answer}<|im_end|>\n")


def make_batch(
    rng: random.Random, tokenizer: Any, image_processor: Any, count: int, size: tuple[int, int]
) -> tuple[dict[str, Any], Any]:
    """Return the model's inputs and the labels, int64 (count, length), of `count` examples."""
    import torch

    system = rng.random() < 0.1
    examples = [make_example(rng, size, system=system) for _ in range(count)]
    scenes = [example.scene for example in examples if example.scene is not None]
    pictures = list(torch.from_numpy(draw_batch(scenes, rng.getrandbits(31))))
    features = image_processor(images=pictures, return_tensors="pt")
    grids = iter(features["image_grid_thw"])
    rows: list[list[int]] = []
    labels: list[list[int]] = []
    for example in examples:
        prompt = tokenizer.apply_chat_template(
            example.messages,
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=example.thinking,
        )
        if example.scene is not None:
            places = int(next(grids).prod()) // image_processor.merge_size**2
            prompt = prompt.replace("<|image_pad|>", "<|image_pad|>" * places)
        prompt_ids = tokenizer(prompt)["input_ids"]
        answer_ids = tokenizer(example.completion)["input_ids"]
        rows.append(prompt_ids + answer_ids)
        labels.append([NOT_SCORED] * len(prompt_ids) + answer_ids)
    length = -(-max(map(len, rows)) // LENGTH_STEP) * LENGTH_STEP

    def table(lines: list[list[int]], filler: int) -> Any:
        return torch.tensor([line + [filler] * (length - len(line)) for line in lines])

    tokens = table(rows, tokenizer.convert_tokens_to_ids("<|endoftext|>"))
    is_image = tokens == tokenizer.convert_tokens_to_ids("<|image_pad|>")
    inputs = {
        "input_ids": tokens,
        "attention_mask": table([[1] * len(row) for row in rows], 0),
        "mm_token_type_ids": is_image.int(),
        "pixel_values": features["pixel_values"],
        "image_grid_thw": features["image_grid_thw"],
    }
    return inputs, table(labels, NOT_SCORED)
