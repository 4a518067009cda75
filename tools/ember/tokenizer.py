"""The byte-level BPE of ember: 2048 tokens, eight of them special, trained on its own corpus."""

import json
import re

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIAL = ["<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>",
           "<|reserved_0|>", "<|reserved_1|>", "<|reserved_2|>"]
END_OF_TEXT = 0
VOCABULARY = 2048


def _byte_level(model):
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def train(texts):
    """A tokenizer trained on an iterable of texts.  Special tokens have the ids 0 to 7; every byte
    has a token, so that any text can be spelled."""
    tokenizer = _byte_level(models.BPE())
    names = re.compile("|".join(re.escape(name) for name in SPECIAL))  # not to be spelled
    tokenizer.train_from_iterator((names.sub("\n", text) for text in texts), trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIAL, show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    assert tokenizer.get_vocab_size() == VOCABULARY
    return tokenizer


def without_special(path):
    """The tokenizer of a saved file, for which the names of special tokens are ordinary text."""
    with open(path, encoding="utf-8") as file:
        saved = json.load(file)
    vocabulary = saved["model"]["vocab"]
    merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" "))
              for m in saved["model"]["merges"]]
    return _byte_level(models.BPE(vocab=vocabulary, merges=merges))
