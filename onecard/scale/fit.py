"""What `fit` says beforehand of a context length on this very box."""

from __future__ import annotations

import json
from dataclasses import dataclass

from onecard.errors import OnecardError
from onecard.facts import Facts
from onecard.fit import cpu_node, engine_for, parse_config, plan, reported_gpu
from onecard.host import Host
from onecard.session import Session
from roles import model


@dataclass(frozen=True)
class Verdict:
    """fits: None where it can't be told. reason: why not, or why it can't be told."""

    fits: bool | None
    reason: str


def verdict(host: Host, facts: Facts, config: str, ctx: int, vllm: str) -> Verdict:
    """Plan one context length. config: the text of the model's config.json, empty without one."""
    serve = host.settings.serve
    if facts.gpus:
        card = facts.gpus[0]
        gpu = reported_gpu(card.name, card.memory_total_mib or 0, card.capability)
    else:
        gpu = cpu_node(facts.memory.total_gib)
    try:
        shape = json.loads(config)
        if not isinstance(shape, dict):
            raise ValueError
        planned = plan(
            parse_config(shape),
            gpu,
            ctx,
            util=serve.gpu_memory_utilization,
            tp=serve.tensor_parallel,
            kv_gib=serve.kv_cache_gib,
            max_num_seqs=serve.max_num_seqs,
            max_num_batched_tokens=serve.max_num_batched_tokens,
            engine=engine_for(vllm),
            graphs=not serve.enforce_eager,
        )
    except ValueError:
        return Verdict(None, "the model's config.json can't be read")
    except OnecardError as error:
        return Verdict(None, error.message)
    if planned.fits:
        return Verdict(True, "")
    why = planned.reasons[0] if planned.reasons else "it does not fit"
    return Verdict(False, f"{why}; the largest that starts is {planned.max_ctx:,}")


def model_config(host: Host, session: Session) -> str:
    """Return the model's config.json as it lies on the box; empty where it does not."""
    return session.run(f"cat '{model.folder(host)}/config.json' 2>/dev/null").output
