"""Check that PyTorch computes; with a card: on each card. argv: nvidia or cpu."""

import sys


def trouble():
    """Return what is wrong in one line, empty if nothing is."""
    try:
        import torch
    except Exception as error:
        return f"torch cannot be imported: {error}"
    print(f"torch={torch.__version__}")
    print(f"cuda={torch.version.cuda or 'none'}")
    if sys.argv[1] == "cpu":
        return computes(torch, "cpu")
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is a build without CUDA"
    try:
        torch.cuda.init()
    except Exception as error:
        return f"torch {torch.__version__} cannot use the driver: {error}"
    if not torch.cuda.is_available():
        return f"torch {torch.__version__} sees no GPU"
    for index in range(torch.cuda.device_count()):
        capability = ".".join(map(str, torch.cuda.get_device_capability(index)))
        print(f"gpu={torch.cuda.get_device_name(index)} ({capability})")
        message = computes(torch, f"cuda:{index}")
        if message:
            return message
    return ""


def computes(torch, device):
    """Return what is wrong with a matrix product on a device, empty if it is right."""
    try:
        ones = torch.ones(64, 64, device=device)
        total = (ones @ ones).sum().item()
    except Exception as error:
        return f"a product on {device} failed: {error}"
    return "" if total == 64**3 else f"a product on {device} is wrong: {total}, not {64**3}"


message = " ".join(trouble().split())
print(f"trouble={message}" if message else "passed=yes")
sys.exit(bool(message))
