"""Make ember or tinder, from nothing: corpus, tokenizer, training, model files.  Half an hour each
on 2 cores.

  train.py --work DIR --models models [--model tinder]

What it writes to --work: tokenizer.json, the weights, held_out_ids.npy, report.json with the
numbers that models/README.md quotes.  What it writes to --models: NAME-f16.gguf and NAME-q8_0.gguf.
The number of steps is fixed, so that the recipe does not depend on the clock.  A run that was cut
goes on from its last checkpoint in --work.
"""

import argparse
import dataclasses
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
from hybrid import Tinder  # noqa: E402
from model import Ember  # noqa: E402

THREADS = 2
TRAIN_SEED, HELD_OUT_SEED = 1, 2
TRAIN_DOCUMENTS, HELD_OUT_DOCUMENTS = 36000, 1000
TOKENIZER_DOCUMENTS = 8000
PEAK_RATE, WARMUP, FLOOR = 3e-3, 100, 0.02
CHECKPOINT_STEPS = 100


def cosine(done):
    return FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * done))


def late_descent(done):
    """Constant, then down to nothing: a run may end earlier than planned and lose little."""
    return min(1.0, 3 * (1 - done))


@dataclasses.dataclass(frozen=True)
class Recipe:
    network: type
    # (steps, sequences, tokens of each): long ones last, so that late positions are known.
    phases: tuple
    descent: callable  # of the share of steps that are done: the share of the peak rate

    @property
    def steps(self):
        return sum(steps for steps, _, _ in self.phases)


RECIPES = {
    "ember": Recipe(Ember, ((1350, 8, 256), (1134, 4, 512), (216, 1, 2048)), cosine),
    "tinder": Recipe(
        Tinder, ((200, 8, 256), (1500, 4, 256), (460, 2, 512), (40, 1, 2048)), late_descent),
}


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


def rate(step, recipe):
    """Linear warm-up, then the recipe's descent."""
    if step < WARMUP:
        return PEAK_RATE * (step + 1) / WARMUP
    return PEAK_RATE * recipe.descent((step - WARMUP) / max(1, recipe.steps - WARMUP))


def batches(ids, recipe, seed):
    """(inputs, targets) of every step: windows of the text, in an order of their own."""
    rng = np.random.default_rng(seed)
    for steps, count, length in recipe.phases:
        order = np.empty(0, np.int64)
        for _ in range(steps):
            if len(order) < count:
                offset = rng.integers(length)
                order = rng.permutation((len(ids) - 1 - offset) // length) * length + offset
            begins, order = order[:count], order[count:]
            window = np.stack([ids[b : b + length + 1] for b in begins])
            yield torch.from_numpy(window[:, :-1]), torch.from_numpy(window[:, 1:])


def train(model, ids, recipe, seed, checkpoint):
    """Train in place, from where the checkpoint was made if the file is there; the last losses and
    the seconds it took."""
    decay = [p for p in model.parameters() if p.dim() == 2]
    others = [p for p in model.parameters() if p.dim() != 2]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
        lr=PEAK_RATE, betas=(0.9, 0.95), fused=True)
    begin, losses = time.time(), []
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        losses, begin = saved["losses"], begin - saved["seconds"]
        print(f"goes on after step {len(losses)}", flush=True)
    done = len(losses)
    for step, (inputs, targets) in enumerate(batches(ids, recipe, seed)):
        if step < done:
            continue
        for group in optimizer.param_groups:
            group["lr"] = rate(step, recipe)
        loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        seconds = time.time() - begin
        if step % 25 == 0:
            print(f"step {step} of {recipe.steps}: loss {np.mean(losses[-25:]):.4f}, "
                  f"{seconds:.0f} s", flush=True)
        if len(losses) % CHECKPOINT_STEPS == 0 or len(losses) == recipe.steps:
            fresh = checkpoint.with_suffix(".new")
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(),
                        "losses": losses, "seconds": seconds}, fresh)
            fresh.replace(checkpoint)
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
    parser.add_argument("--model", choices=RECIPES, default="ember")
    options = parser.parse_args()
    recipe = RECIPES[options.model]
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

    model = recipe.network()
    last, seconds = train(model, train_text.ids, recipe, TRAIN_SEED,
                          options.work / f"{options.model}.checkpoint")
    torch.save(model.state_dict(), options.work / f"{options.model}.pt")
    export.write(options.model, model, options.work / "tokenizer.json", options.models)
    made = time.time() - begin

    report = {
        "parameters": sum(p.numel() for p in model.parameters()), "steps": recipe.steps,
        "train_tokens": len(train_text.ids), "tokens_seen": sum(
            steps * count * length for steps, count, length in recipe.phases),
        "train_loss": float(np.mean(last)), "train_seconds": seconds, "seconds": made,
    } | evaluate(model, train_text, held_out)
    (options.work / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
