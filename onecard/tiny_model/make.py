"""Make the tiny Qwen3.5 vision-language checkpoint with random weights; nothing is downloaded.

    python -m onecard.tiny_model.make OUT [--seed 0]

Everything is local and deterministic: a byte-level BPE tokenizer trained on the lines below, a chat
template with images and <think>, the processors' settings, and bf16 weights in the Hugging Face
layout, which transformers and `vllm serve OUT` load as Qwen3_5ForConditionalGeneration. Needs torch
and transformers 5.19 or newer.
"""

# Large libraries, only needed to make the model: imported where used, and untyped without them.
# ruff: noqa: PLC0415
# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from onecard.tiny_model.tokenizer import LONGEST_CONTEXT, build_tokenizer

VOCABULARY_SIZE = 640
PROCESSOR: dict[str, Any] = {
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
IMAGE_SIZE = {"shortest_edge": 128 * 128, "longest_edge": 512 * 512}
VIDEO_SIZE = {"shortest_edge": 4 * 64 * 64, "longest_edge": 16 * 256 * 256}


def build_config(tokenizer: Any) -> Any:
    """Return the Qwen3_5Config: 4 text layers (3 linear attention, 1 full), 2 vision layers."""
    from transformers import Qwen3_5Config

    number = tokenizer.convert_tokens_to_ids
    text = {
        "vocab_size": VOCABULARY_SIZE,
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 4,
        "layer_types": ["linear_attention"] * 3 + ["full_attention"],
        "full_attention_interval": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 64,
        # vLLM's chunk_gated_delta_rule for the CPU takes linear heads of 64 or 128 only.
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 2,
        "linear_key_head_dim": 64,
        "linear_value_head_dim": 64,
        "linear_conv_kernel_dim": 4,
        "initializer_range": 0.06,
        "max_position_embeddings": LONGEST_CONTEXT,
        "tie_word_embeddings": True,
        "dtype": "bfloat16",
        "eos_token_id": number("<|im_end|>"),
        "pad_token_id": number("<|endoftext|>"),
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10_000_000,
            "partial_rotary_factor": 0.25,
            "mrope_section": [4, 2, 2],
            "mrope_interleaved": True,
        },
    }
    vision = {
        "depth": 2,
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_heads": 4,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "out_hidden_size": 128,
        "num_position_embeddings": 256,
        "initializer_range": 0.06,
        "deepstack_visual_indexes": [],
        "dtype": "bfloat16",
    }
    return Qwen3_5Config(
        architectures=["Qwen3_5ForConditionalGeneration"],
        tie_word_embeddings=True,
        dtype="bfloat16",
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
        text_config=text,
        vision_config=vision,
    )


def build_model(tokenizer: Any, seed: int = 0) -> Any:
    """Return the model in float32 with the random weights of `seed`."""
    import torch
    from transformers import AutoModelForImageTextToText

    torch.manual_seed(seed)
    config = build_config(tokenizer)
    return AutoModelForImageTextToText.from_config(config, dtype=torch.float32)


def save(model: Any, tokenizer: Any, out: Path) -> None:
    """Write weights (bf16), configuration, tokenizer and processors into the folder `out`."""
    import torch

    out.mkdir(parents=True, exist_ok=True)
    model = model.to(torch.bfloat16)
    for config in (model.config, model.config.text_config, model.config.vision_config):
        config.dtype = torch.bfloat16
    model.save_pretrained(out)
    (out / "model.safetensors").chmod(0o644)
    tokenizer.save_pretrained(out)
    number = tokenizer.convert_tokens_to_ids
    end, pad = number("<|im_end|>"), number("<|endoftext|>")
    processors = {
        "preprocessor_config.json": {
            "size": IMAGE_SIZE,
            "image_processor_type": "Qwen2VLImageProcessorFast",
            **PROCESSOR,
            "processor_class": "Qwen3VLProcessor",
        },
        "video_preprocessor_config.json": {
            "size": VIDEO_SIZE,
            "video_processor_type": "Qwen3VLVideoProcessor",
            **PROCESSOR,
            "processor_class": "Qwen3VLProcessor",
        },
        "generation_config.json": {
            "bos_token_id": pad,
            "pad_token_id": pad,
            "eos_token_id": [end, pad],
            "do_sample": True,
            "temperature": 0.6,
            "top_p": 0.95,
            "top_k": 20,
        },
    }
    for name, settings in processors.items():
        (out / name).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Parse the command line and write the random model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    tokenizer = build_tokenizer()
    model = build_model(tokenizer, arguments.seed)
    save(model, tokenizer, arguments.out)
    millions = sum(weights.numel() for weights in model.parameters()) / 1e6
    print(f"{arguments.out}: {millions:.2f} million random weights, {len(tokenizer)} tokens")


if __name__ == "__main__":
    main()
