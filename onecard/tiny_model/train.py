"""Train the tiny model on generated pictures of colours and shapes: CPU, PyTorch, minutes.

    python -m onecard.tiny_model.train OUT [--seed 0] [--see-minutes 3] [--answer-minutes 5]

First the vision tower is trained alone, then the whole model on answers. About 6.5 minutes on two
cores. A question without a picture is answered "I see no picture.", so that a server that drops the
picture is detected. Needs torch, torchvision, numpy and transformers 5.19 or newer.
"""

# Large libraries, only needed to make the model: imported where used, and untyped without them.
# ruff: noqa: PLC0415
# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onecard.tiny_model.batches import NOT_SCORED, make_batch
from onecard.tiny_model.make import IMAGE_SIZE, PROCESSOR, build_model, save
from onecard.tiny_model.picture_batch import draw_batch
from onecard.tiny_model.scenes import COLOURS, SHAPES, plan_scene
from onecard.tiny_model.tokenizer import build_tokenizer

SEE_STEPS, SEE_RATE, SEE_BATCH = 1500, 1.5e-3, 64
ANSWER_STEPS, ANSWER_RATE, ANSWER_BATCH = 2000, 2e-3, 32
BETAS = (0.9, 0.98)
WARM_UP_STEPS = 60
REPORT_EVERY = 50
LARGE = (224, 224)


def steps(optimizer: Any, most: int, minutes: float, rate: float, slope: float) -> Iterator[int]:
    """Yield step numbers until `most` or the time is used up, setting the learning rate.

    The rate climbs for WARM_UP_STEPS, then falls linearly to 1 % at the end of steps or of time.
    """
    started = time.monotonic()
    for step in range(most):
        spent = max(step / most, (time.monotonic() - started) / (minutes * 60))
        if spent >= 1:
            return
        for group in optimizer.param_groups:
            climb = min(1.0, (step + 1) / WARM_UP_STEPS)
            group["lr"] = rate * climb * min(1.0, slope * (1 - spent) + 0.01)
        yield step


def learn(optimizer: Any, loss: Any, weights: Any) -> None:
    """Take one optimizer step on `loss`, with the gradient's norm clipped to 1."""
    import torch

    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(weights, 1.0)
    optimizer.step()


def replace_slow_solve() -> None:
    """Make the gated delta rule fast on a CPU.

    transformers calls torch.linalg.solve_triangular, very slow on a CPU for batches of small
    systems. A strictly lower triangle N is nilpotent, so the inverse of I + N is the finite product
    (I + M)(I + M^2)(I + M^4)... with M = -N: a few matrix products.
    """
    import torch

    slow = torch.linalg.solve_triangular

    def solve(
        a: Any, b: Any, *, upper: bool, left: bool = True, unitriangular: bool = False
    ) -> Any:
        if upper or not left or not unitriangular:
            return slow(a, b, upper=upper, left=left, unitriangular=unitriangular)
        power, reach = -a.tril(-1), 2
        solution = b + power @ b
        while reach < a.shape[-1]:
            power = power @ power
            solution = solution + power @ solution
            reach *= 2
        return solution

    torch.linalg.solve_triangular = solve


def learn_to_see(model: Any, image_processor: Any, seed: int, minutes: float) -> None:
    """Train the vision tower, with a temporary linear head on the mean of its output tokens."""
    import torch

    tower = model.model.visual
    width = tower.config.out_hidden_size
    head = torch.nn.Linear(width, len(COLOURS) * len(SHAPES))
    weights = [*tower.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=SEE_RATE, weight_decay=0.05, betas=BETAS)
    for step in steps(optimizer, SEE_STEPS, minutes, SEE_RATE, slope=1.2):
        rng = random.Random(seed * 1_000_003 + 500_000 + step)  # noqa: S311
        sizes = ((128, 128), (160, 128), (128, 192), (64, 64))
        size = rng.choices(sizes, (70, 10, 10, 10))[0]
        scenes = [plan_scene(rng, size) for _ in range(SEE_BATCH)]
        pictures = list(torch.from_numpy(draw_batch(scenes, step)))
        features = image_processor(images=pictures, return_tensors="pt")
        truth = torch.tensor(
            [COLOURS.index(s.colour) * len(SHAPES) + SHAPES.index(s.shape) for s in scenes]
        )
        with torch.autocast("cpu", torch.bfloat16):
            outputs = tower(features["pixel_values"], grid_thw=features["image_grid_thw"])
        outputs = outputs.pooler_output
        outputs = torch.cat(list(outputs)) if isinstance(outputs, (tuple, list)) else outputs
        scores = head(outputs.float().view(SEE_BATCH, -1, width).mean(1))
        loss = torch.nn.functional.cross_entropy(scores, truth)
        learn(optimizer, loss, weights)
        if step % REPORT_EVERY == 0:
            right = (scores.argmax(1) == truth).float().mean().item()
            print(f"see {step}: loss {loss.item():.3f}, right {right:.0%}", flush=True)


def learn_to_answer(
    model: Any, tokenizer: Any, image_processor: Any, seed: int, minutes: float
) -> None:
    """Train the whole model on questions, with the loss of the answers' tokens only."""
    import torch

    named = list(model.named_parameters())
    decays = [name for name, weight in named if weight.ndim > 1 and "A_log" not in name]
    groups = [
        {"params": [weight for name, weight in named if name in decays], "weight_decay": 0.05},
        {"params": [weight for name, weight in named if name not in decays], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=ANSWER_RATE, betas=BETAS)
    for step in steps(optimizer, ANSWER_STEPS, minutes, ANSWER_RATE, slope=1.15):
        rng = random.Random(seed * 1_000_003 + step)  # noqa: S311
        sizes = ((128, 128), (160, 128), (128, 192), LARGE, (64, 64))
        size = rng.choices(sizes, (66, 10, 8, 8, 8))[0]
        count = ANSWER_BATCH // 2 if size == LARGE else ANSWER_BATCH
        inputs, labels = make_batch(rng, tokenizer, image_processor, count, size)
        with torch.autocast("cpu", torch.bfloat16):
            hidden = model.model(**inputs, use_cache=False).last_hidden_state[:, :-1].float()
        scored = labels[:, 1:] != NOT_SCORED
        logits = model.lm_head(hidden[scored]).float()
        loss = torch.nn.functional.cross_entropy(logits, labels[:, 1:][scored])
        learn(optimizer, loss, model.parameters())
        if step % REPORT_EVERY == 0:
            print(f"answer {step}: loss {loss.item():.4f}", flush=True)


def main() -> None:
    """Parse the command line, train, write the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--see-minutes", type=float, default=3)
    parser.add_argument("--answer-minutes", type=float, default=5)
    arguments = parser.parse_args()

    import torch
    from transformers import Qwen2VLImageProcessor

    torch.manual_seed(arguments.seed)
    replace_slow_solve()
    tokenizer = build_tokenizer()
    image_processor = Qwen2VLImageProcessor(size=IMAGE_SIZE, **PROCESSOR)
    model = build_model(tokenizer, arguments.seed)
    model.train()
    learn_to_see(model, image_processor, arguments.seed, arguments.see_minutes)
    learn_to_answer(model, tokenizer, image_processor, arguments.seed, arguments.answer_minutes)
    model.eval()
    save(model, tokenizer, arguments.out)


if __name__ == "__main__":
    main()
