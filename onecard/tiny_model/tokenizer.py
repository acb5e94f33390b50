"""The tiny model's tokenizer: byte-level BPE trained on a few lines, so nothing is downloaded."""

# Large libraries, only needed to make the model: imported where used, and untyped without them.
# ruff: noqa: PLC0415
# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SPECIAL_TOKENS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
    "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
PLAIN_TOKENS = (
    "<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>",
)  # fmt: skip
LONGEST_CONTEXT = 262144
CHAT_TEMPLATE_FILE = Path(__file__).parent / "tiny-vqa" / "chat_template.jinja"

CORPUS = (
    "system user assistant You are a helpful assistant. "
    "Answer the question about the image in one word.",
    "What colour is the shape? What color is the shape in the picture? Which shape is it? "
    "What shape is in the image?",
    "Is there a circle, a square or a triangle? Is it red, green, blue or yellow? Yes. No. OK.",
    "The picture shows a red circle. The picture shows a green square. "
    "The picture shows a blue triangle.",
    "The picture shows a yellow circle. I look at the picture and I see a shape. "
    "Reply with one word only.",
    "I see no picture. I reply. Reply with OK only. What do you see? What is in the picture?",
    "Red\nGreen\nBlue\nYellow\nCircle\nSquare\nTriangle\nA\nOK\nHello!\nI see no picture.\n"
    "The picture shows\nI reply.\nThink\nYes\nNo",
    "Describe the image. Describe this picture briefly. Please say hello. Hello! Say OK. "
    "What do you see here?",
    "The quick brown fox jumps over the lazy dog. One two three four five six seven eight nine "
    "ten.",
)


def build_tokenizer() -> Any:
    """Return a Qwen3_5Tokenizer with the chat template of the shipped model."""
    from tokenizers import (
        AddedToken,
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        trainers,
    )
    from transformers import Qwen3_5Tokenizer
    from transformers.models.qwen3_5.tokenization_qwen3_5 import PRETOKENIZE_REGEX

    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizers.NFC()
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    learner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        min_frequency=1,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    learner.train_from_iterator(CORPUS, trainer)
    learned = json.loads(learner.to_str())["model"]
    tokenizer = Qwen3_5Tokenizer(
        vocab=learned["vocab"],
        merges=[tuple(pair) for pair in learned["merges"]],
        unk_token=None,
        eos_token="<|im_end|>",  # noqa: S106
        pad_token="<|endoftext|>",  # noqa: S106
    )
    special = [AddedToken(token, special=True) for token in SPECIAL_TOKENS]
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    tokenizer.add_tokens(
        [AddedToken(token, special=False, normalized=False) for token in PLAIN_TOKENS]
    )
    tokenizer.chat_template = CHAT_TEMPLATE_FILE.read_text(encoding="utf-8")
    tokenizer.model_max_length = LONGEST_CONTEXT
    return tokenizer
