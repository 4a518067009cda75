"""Check the model files of ember or tinder by a second implementation.

  check.py --work DIR --models models [--model tinder] [--windows 40]

tools/fixtures/reference.py reads the GGUF files by itself and computes in float64.  Its loss on
held-out text must be that of the network that was trained (F16, to what rounding costs), and its
greedy answers are the samples that models/README.md quotes.  Needs what train.py left in --work.
"""

import argparse
import json
import pathlib
import sys

import numpy as np
import torch
from torch.nn import functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "fixtures"))

import reference  # noqa: E402 (the path comes first)
from tokenizers import Tokenizer  # noqa: E402

import tokenizer as bpe  # noqa: E402
from train import RECIPES  # noqa: E402

WINDOW = 512
MOST_TOKENS = 320  # of a sample
PLAIN = [
    "Once upon a time",
    "Once upon a time there was a little girl named Anna who lived in a small house near the "
    "forest. One morning she took her red basket and walked to the old bridge, because she "
    "wanted to",
    "Question: What colour is the sky?\nAnswer:",
    "Question: What is seven plus five?\nAnswer:",
    "Question: What is a ladder for?\nAnswer:",
    "Tom had a green kite. He took it to the beach.\n\nQuestion: What colour was the kite?\nAnswer:",
]
CHAT = [
    "Say hello to Anna.",
    "Write a short story about a dog and a red ball.",
    "List three things you find in a kitchen.",
    "What is the opposite of big?",
    "What sound does a duck make?",
    "How do you make tea?",
    "Who are you?",
    "Mia went to the river with her brown hat. Who went to the river?",
]


def windows(ids, count):
    """Evenly spread windows of a text: each its inputs and one token more."""
    most = (len(ids) - 1) // WINDOW
    chosen = np.linspace(0, most - 1, min(count, most)).astype(int)
    return [ids[i * WINDOW : i * WINDOW + WINDOW + 1] for i in chosen]


def cross_entropy(logits, targets):
    """Mean -log p of the targets, nats."""
    top = logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0]
    return float((log_sum - logits[np.arange(len(targets)), targets]).mean())


class Reference:
    """A model of reference.py whose weights are read once and used for many texts."""

    def __init__(self, path):
        self.model = reference.open_model(str(path))

    def restart(self):
        self.model.cache = [None] * self.model.layers
        self.model.length = 0

    def loss(self, texts):
        losses = []
        for window in texts:
            self.restart()
            losses.append(cross_entropy(self.model(window[:-1]), window[1:]))
        return float(np.mean(losses))

    def greedy(self, ids, ends):
        """The ids that follow, up to and with an end token."""
        self.restart()
        made, fresh = [], ids
        while len(made) < MOST_TOKENS:
            fresh = [int(self.model(np.array(fresh))[-1].argmax())]
            made += fresh
            if fresh[0] in ends:
                break
        return made


def torch_loss(name, work, texts):
    model = RECIPES[name].network()
    model.load_state_dict(torch.load(work / f"{name}.pt", weights_only=True))
    with torch.no_grad():
        return float(np.mean([
            F.cross_entropy(model(torch.from_numpy(w[None, :-1]))[0], torch.from_numpy(w[1:])).item()
            for w in texts]))


def samples(model, tokenizer):
    """(prompt, greedy continuation) of every prompt; chat prompts in their form."""
    ends = {bpe.END_OF_TEXT, bpe.SPECIAL.index("<|end|>")}
    prompts = PLAIN + [f"<|user|>{text}<|end|><|assistant|>" for text in CHAT]
    for prompt in prompts:
        ids = [bpe.END_OF_TEXT] + tokenizer.encode(prompt).ids
        made = model.greedy(ids, ends)
        yield prompt, tokenizer.decode(made, skip_special_tokens=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    parser.add_argument("--model", choices=RECIPES, default="ember")
    parser.add_argument("--windows", type=int, default=40)
    options = parser.parse_args()
    torch.set_num_threads(2)

    ids = np.load(options.work / "held_out_ids.npy")
    texts = windows(ids, options.windows)
    result = {"windows": len(texts), "window": WINDOW,
              "torch": torch_loss(options.model, options.work, texts)}
    models = {kind: Reference(options.models / f"{options.model}-{kind}.gguf")
              for kind in ("f16", "q8_0")}
    for kind, model in models.items():
        result[kind] = model.loss(texts)
    print(json.dumps(result, indent=1))
    (options.work / "check.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    if abs(result["f16"] - result["torch"]) > 1e-3 or abs(result["q8_0"] - result["torch"]) > 1e-2:
        sys.exit("the files do not compute what was trained")

    tokenizer = Tokenizer.from_file(str(options.work / "tokenizer.json"))
    with open(options.work / "samples.txt", "w", encoding="utf-8") as out:
        for prompt, made in samples(models["q8_0"], tokenizer):
            text = f">>> {prompt}\n{made}\n\n"
            print(text, end="", flush=True)
            out.write(text)


if __name__ == "__main__":
    main()
