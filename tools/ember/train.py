"""Make ember, from nothing: corpus, tokenizer, training, model files.  Under 30 minutes on 2 cores.

  train.py --work DIR --models models

What it writes to --work: tokenizer.json, the weights, held_out_ids.npy, report.json with the numbers
that models/README.md quotes.  What it writes to --models: ember-f16.gguf and ember-q8_0.gguf.  The
number of steps is fixed, so that the recipe does not depend on the clock.
"""

import argparse
import json
import math
import os
import pathlib
import re
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # two threads, which others may have to share

import numpy as np  # noqa: E402 (the policy is read when the first library starts its threads)
import torch  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import baselines  # noqa: E402
import corpus  # noqa: E402
import export  # noqa: E402
import tokenizer as bpe  # noqa: E402
from model import Ember  # noqa: E402

THREADS = 2
TRAIN_SEED, HELD_OUT_SEED = 1, 2
TRAIN_DOCUMENTS, HELD_OUT_DOCUMENTS = 36000, 1000
TOKENIZER_DOCUMENTS = 8000
STEPS = 2700
PEAK_RATE, WARMUP, FLOOR = 3e-3, 100, 0.02
# (share of the steps, sequences, tokens of each): long ones last, so that late positions are known.
PHASES = [(0.5, 8, 256), (0.42, 4, 512), (0.08, 1, 2048)]


class Text:
    """Documents as token ids in a row, each after the token that begins a text."""

    def __init__(self, tokenizer, documents):
        self.nats = sum(nats for _, _, nats in documents)
        ids, kinds = [], []
        for (kind, _, _), encoding in zip(
                documents, tokenizer.encode_batch([text for _, text, _ in documents])):
            ids += [bpe.END_OF_TEXT] + encoding.ids
            kinds += [corpus.KIND_NAMES.index(kind)] * (len(encoding.ids) + 1)
        self.ids = np.array(ids + [bpe.END_OF_TEXT], np.int64)
        self.kinds = np.array(kinds + kinds[-1:])
        names = re.compile("|".join(re.escape(name) for name in bpe.SPECIAL))
        self.bytes = sum(len(names.sub("", text).encode()) for _, text, _ in documents)


def rate(step, steps):
    """Linear warm-up, then a cosine down to a floor."""
    if step < WARMUP:
        return PEAK_RATE * (step + 1) / WARMUP
    done = (step - WARMUP) / max(1, steps - WARMUP)
    return PEAK_RATE * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * done)))


def batches(ids, steps, seed):
    """(inputs, targets) of every step: windows of the text, in an order of their own."""
    rng = np.random.default_rng(seed)
    for share, count, length in PHASES:
        order = np.empty(0, np.int64)
        for _ in range(round(share * steps)):
            if len(order) < count:
                offset = rng.integers(length)
                order = rng.permutation((len(ids) - 1 - offset) // length) * length + offset
            begins, order = order[:count], order[count:]
            window = np.stack([ids[b : b + length + 1] for b in begins])
            yield torch.from_numpy(window[:, :-1]), torch.from_numpy(window[:, 1:])


def train(model, ids, steps, seed):
    """Train in place; the last losses and the seconds it took."""
    decay = [p for p in model.parameters() if p.dim() == 2]
    others = [p for p in model.parameters() if p.dim() != 2]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
        lr=PEAK_RATE, betas=(0.9, 0.95), fused=True)
    begin, losses = time.time(), []
    for step, (inputs, targets) in enumerate(batches(ids, steps, seed)):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps)
        loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if step % 25 == 0:
            print(f"step {step} of {steps}: loss {np.mean(losses[-25:]):.4f}, "
                  f"{time.time() - begin:.0f} s", flush=True)
    return losses[-50:], time.time() - begin


def token_losses(model, ids, length):
    """The loss of every token but the first, nats; each sees at most length tokens before it."""
    losses = []
    with torch.no_grad():
        for begin in range(0, len(ids) - 1, length):
            window = torch.from_numpy(ids[begin : begin + length + 1])[None]
            losses.append(F.cross_entropy(model(window[:, :-1])[0], window[0, 1:],
                                          reduction="none").numpy())
    return np.concatenate(losses)


def late_positions(model, ids, length=2048):
    """Mean loss by position in long windows: the first 512, and each 512 after."""
    whole = len(ids) // length * length
    losses = token_losses(model, ids[: whole + 1], length).reshape(-1, length)
    return [float(part.mean()) for part in np.split(losses, 4, axis=1)]


def evaluate(model, train_text, text):
    """Everything that is said of held-out text."""
    losses = token_losses(model, text.ids, 512)
    kinds = text.kinds[1:]
    counted = baselines.losses(train_text.ids.tolist(), text.ids.tolist(), bpe.VOCABULARY)
    return {
        "held_out_tokens": len(losses), "held_out_bytes": text.bytes,
        "held_out_loss": float(losses.mean()),
        "held_out_bits_per_byte": float(losses.sum()) / math.log(2) / text.bytes,
        "held_out_loss_by_kind": {name: float(losses[kinds == i].mean())
                                  for i, name in enumerate(corpus.KIND_NAMES)},
        "held_out_loss_by_position": late_positions(model, text.ids),
        "ngram_losses": counted,
        "grammar_nats_per_token_at_most": text.nats / len(losses),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    options.models.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(TRAIN_SEED)
    torch.set_num_threads(THREADS)

    begin = time.time()
    documents = list(corpus.documents(TRAIN_SEED, TRAIN_DOCUMENTS))
    tokenizer = bpe.train(text for _, text, _ in documents[:TOKENIZER_DOCUMENTS])
    tokenizer.save(str(options.work / "tokenizer.json"))
    train_text = Text(tokenizer, documents)
    held_out = Text(tokenizer, list(
        corpus.documents(HELD_OUT_SEED, HELD_OUT_DOCUMENTS, held_out=True)))
    np.save(options.work / "held_out_ids.npy", held_out.ids)
    print(f"{len(train_text.ids)} tokens to train on, {len(held_out.ids)} held out, "
          f"{time.time() - begin:.0f} s", flush=True)

    model = Ember()
    last, seconds = train(model, train_text.ids, options.steps, TRAIN_SEED)
    torch.save(model.state_dict(), options.work / "ember.pt")
    export.write(model, options.work / "tokenizer.json", options.models)
    made = time.time() - begin

    report = {
        "parameters": sum(p.numel() for p in model.parameters()), "steps": options.steps,
        "train_tokens": len(train_text.ids), "tokens_seen": sum(
            round(share * options.steps) * count * length for share, count, length in PHASES),
        "train_loss": float(np.mean(last)), "train_seconds": seconds, "seconds": made,
    } | evaluate(model, train_text, held_out)
    (options.work / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
