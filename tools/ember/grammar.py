"""The little template language that the corpus is written in, and the dice that choose.

  [a|b|c]    one of the alternatives, which may be empty and may nest
  {key}      a value of the scene; {Key} the same with a capital letter
  {a key}    the value after "a" or "an"; {A key} with a capital letter
  {@macro}   a sentence from the scene's macros, expanded in its turn

Choices are made from the outside in, so that no choice is made that does not show.
"""

import functools
import math
import random
import re

_TOKEN = re.compile(r"[\[\]|]|\{[^{}]*\}|[^\[\]|{}]+")


class Dice:
    """Seeded choices, and how many nats of choice were made: the entropy of what they made is at
    most that."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.nats = 0.0

    def pick(self, options):
        self.nats += math.log(len(options))
        return self.random.choice(options)

    def weighted(self, options):
        """A key of a dict whose values are weights."""
        chosen = self.random.choices(list(options), list(options.values()))[0]
        self.nats += math.log(sum(options.values()) / options[chosen])
        return chosen

    def chance(self, share):
        yes = self.random.random() < share
        self.nats -= math.log(share if yes else 1 - share)
        return yes

    def some(self, options, count):
        """count different ones, in any order."""
        self.nats += sum(math.log(len(options) - i) for i in range(count))
        return self.random.sample(options, count)

    def number(self, low, high):
        return self.pick(range(low, high + 1))


@functools.lru_cache(maxsize=None)
def _parse(template):
    """A template as a tuple: strings, ("slot", article, key), ("macro", name) or ("choice", ...)."""
    stack = [[[]]]
    for token in _TOKEN.findall(template):
        if token == "[":
            stack.append([[]])
        elif token == "|" and len(stack) > 1:
            stack[-1].append([])
        elif token == "]":
            options = stack.pop()
            stack[-1][-1].append(("choice", tuple(tuple(option) for option in options)))
        elif token[0] == "{":
            body = token[1:-1]
            if body[0] == "@":
                stack[-1][-1].append(("macro", body[1:]))
            else:
                article_word, _, key = body.rpartition(" ")
                stack[-1][-1].append(("slot", article_word, key))
        else:
            stack[-1][-1].append(token)
    assert len(stack) == 1, f"unbalanced: {template}"
    return tuple(stack[0][0])


def _value(scene, article_word, key):
    capital = key[0].isupper() or article_word == "A"
    text = str(scene[key[0].lower() + key[1:]])
    if article_word:
        text = article(text)
    return text[:1].upper() + text[1:] if capital else text


def _expand(parts, scene, dice):
    out = []
    for part in parts:
        if isinstance(part, str):
            out.append(part)
        elif part[0] == "choice":
            out.append(_expand(dice.pick(part[1]), scene, dice))
        elif part[0] == "macro":
            out.append(_expand(_parse(dice.pick(scene.macros[part[1]])), scene, dice))
        else:
            out.append(_value(scene, part[1], part[2]))
    return "".join(out)


def expand(template, scene, dice):
    """One text of a template."""
    return re.sub(r"  +", " ", _expand(_parse(template), scene, dice)).strip()


def article(phrase):
    """The phrase with "a" or "an" before it."""
    word = phrase.lower()
    vowel = word[0] in "aeiou" or word.startswith("honest")
    return ("an " if vowel and not word.startswith("un") or word.startswith("umbrella")
            else "a ") + phrase


def join(things):
    """"a", "a and b", "a, b and c"."""
    return things[0] if len(things) == 1 else ", ".join(things[:-1]) + " and " + things[-1]


def capital(text):
    return text[:1].upper() + text[1:]
