"""PyTorch's twin of step.rs: `python step.py BASE`. Two threads, scaled-dot-product attention, f32."""

import resource
import sys
import time

import torch
import torch.nn.functional as F
from transformers import AutoModel

ROWS, WIDTH, STEPS = 16, 128, 8


def tokens(seed):
    at = torch.arange(ROWS * WIDTH, dtype=torch.long)
    return (1000 + (at * 7919 + seed * 104_729) % 2**32 % 28_000).reshape(ROWS, WIDTH)


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main():
    torch.set_num_threads(2)
    model = AutoModel.from_pretrained(sys.argv[1], add_pooling_layer=False)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model.train(False)
    weights, vectors = ([p for p in model.parameters() if (p.ndim > 1) == many] for many in (True, False))
    groups = [{"params": weights, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=2e-5)
    mask = torch.ones(ROWS, WIDTH, dtype=torch.long)
    least = [1e9, 1e9]
    for step in range(STEPS):
        start, spent = time.time(), cpu()
        encode = lambda seed: F.normalize(model(tokens(seed), attention_mask=mask).last_hidden_state.mean(1), dim=1)
        scores = encode(2 * (step % 4)) @ encode(2 * (step % 4) + 1).T / 0.05
        loss = F.cross_entropy(scores, torch.arange(ROWS))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        wall, spent = time.time() - start, cpu() - spent
        least = [min(least[0], spent), min(least[1], wall)]
        print(f"step {step}: loss {loss.item():.5f}, {spent:.2f} CPU-s, {wall:.2f} s")
    print(f"least: {least[0]:.2f} CPU-s, {least[1]:.2f} s a step")


main()
