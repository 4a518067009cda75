"""Make the text that ember learns: documents of stories, questions and instructions.

  corpus.py --seed 1 --documents 30000 --out train.txt
  corpus.py --seed 2 --documents 1000 --held-out --out held_out.txt

A line of a file is one document, as a JSON string.  The same seed gives the same text.  Documents
come in two forms: plain, as a book would have them, and as turns of a chat, whose borders are
special tokens.  Held-out text is made of scenes that training text never has (scenes.py) and of
another seed.
"""

import argparse
import json

import answers
import stories
from grammar import Dice
from instructions import instruction

SYSTEM = ["You are a helpful assistant.", "You answer in short sentences.",
          "You tell stories to children.", "Be kind and clear.", "You are ember, a small model.",
          "You are a friendly teacher.", "Answer in whole sentences."]

KINDS = {"story": 50, "plain questions": 14, "plain comprehension": 8, "plain instruction": 4,
         "chat": 34}
KIND_NAMES = list(KINDS)


def _story(dice, held_out):
    plot, scene = stories.cast(dice, held_out)
    if dice.chance(0.1):
        return stories.tell_briefly(plot, scene, dice)
    return stories.tell(plot, scene, dice)


def _stories(dice, held_out):
    """One story; now and then a book of several, so that late positions are used."""
    count = dice.weighted({1: 30, 2: 2, 5: 1})
    return "\n\n".join(_story(dice, held_out) for _ in range(count))


def _plain(pairs, dice):
    """Pairs as text: the answer after a line break or a space."""
    between = dice.pick(["\n", "\n", " "])
    return dice.pick(["\n\n", "\n"]).join(f"Question: {q}{between}Answer: {a}" for q, a in pairs)


def _plain_questions(dice, held_out):
    count = dice.weighted({1: 5, 2: 2, 4: 2, 8: 1})
    return _plain([answers.fact(dice, held_out) for _ in range(count)], dice)


def _comprehension(dice, held_out):
    if dice.chance(0.6):
        told, question, answer = answers.about_text(dice, held_out)
        pairs = [(question, answer)]
    else:
        told, pairs = answers.about_story(dice, held_out, dice.pick([1, 2, 3]))
    return told + "\n\n" + _plain(pairs, dice)


def _plain_instruction(dice, held_out):
    asked, given = instruction(dice, held_out)
    return f"Instruction: {asked}\nAnswer: {given}"


def _turn(question, answer):
    return f"<|user|>{question}<|end|><|assistant|>{answer}<|end|>"


def _about_turns(dice, held_out):
    """Turns about a text: the first asks and gives the text, others ask on."""
    if dice.chance(0.5):
        told, question, answer = answers.about_text(dice, held_out)
        return [_turn(f"{told} {question}", answer)]
    told, pairs = answers.about_story(dice, held_out, dice.pick([1, 2, 3]))
    if dice.chance(0.5):
        start = [_turn(dice.pick(["Tell me a story.", "Write a story."]), told)]
        return start + [_turn(q, a) for q, a in pairs]
    (question, answer), *others = pairs
    return [_turn(f"{told}\n\n{question}", answer)] + [_turn(q, a) for q, a in others]


def _chat(dice, held_out):
    turns = []
    if dice.chance(0.3):
        turns.append(f"<|system|>{dice.pick(SYSTEM)}<|end|>")
    for _ in range(dice.weighted({1: 5, 2: 3, 3: 2, 6: 1})):
        kind = dice.weighted({"fact": 5, "instruction": 6, "about": 2})
        if kind == "about":
            turns += _about_turns(dice, held_out)
        else:
            make = answers.fact if kind == "fact" else instruction
            turns.append(_turn(*make(dice, held_out)))
    return "".join(turns)


MAKERS = {"story": _stories, "plain questions": _plain_questions,
          "plain comprehension": _comprehension, "plain instruction": _plain_instruction,
          "chat": _chat}


def documents(seed, count, held_out=False):
    """(kind, text, nats of choice that went into it) of count documents."""
    dice = Dice(seed)
    for _ in range(count):
        dice.nats = 0.0
        kind = dice.weighted(KINDS)
        text = MAKERS[kind](dice, held_out)
        yield kind, text, dice.nats


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--documents", type=int, required=True)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    with open(options.out, "w", encoding="utf-8") as out:
        for _, text, _ in documents(options.seed, options.documents, options.held_out):
            out.write(json.dumps(text, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
