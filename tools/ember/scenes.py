"""A scene: who, where and what one story is about.

A value is drawn when a sentence first asks for it and holds for the rest of the story, so that
names, things and pronouns stay the same, and questions about the story have one answer.

Some pairs are never told in training text: a hero and a thing, a thing and a place, one in twelve
of each.  The scenes of held-out text are made of such pairs alone.
"""

import math
import zlib

import words as w

WITHHELD_SHARE = 12

PRONOUNS = {"she": ("her", "her", "herself"), "he": ("him", "his", "himself")}


def is_withheld(first, second):
    """Whether training text never has this pair in one scene."""
    return zlib.crc32(f"{first}/{second}".encode()) % WITHHELD_SHARE == 0


class Scene(dict):
    """Values by key; what is missing is drawn from the pool of that name."""

    def __init__(self, dice, macros, values):
        super().__init__(values)
        self.dice, self.macros = dice, macros

    def __missing__(self, key):
        if key in DERIVED:
            self[key] = DERIVED[key](self)
        else:
            pool = key.rstrip("0123456789")
            taken = {value for name, value in self.items() if name.rstrip("0123456789") == pool}
            value = self.dice.pick([x for x in w.POOLS[pool] if x not in taken])
            if "{" in value:
                value = value.format_map(self)
            self[key] = value
        return self[key]


def _pronoun(index, key):
    return lambda scene: PRONOUNS[scene[key]][index]


def _at(place):
    return f"{w.PLACES[place][0]} the {place}"


DERIVED = {
    "him": _pronoun(0, "he"), "his": _pronoun(1, "he"), "himself": _pronoun(2, "he"),
    "fhim": _pronoun(0, "fhe"), "fhis": _pronoun(1, "fhe"),
    "ehe": lambda s: w.ELDERS[s["elder"]],
    "ehim": _pronoun(0, "ehe"), "ehis": _pronoun(1, "ehe"),
    "hhe": lambda s: w.HELPERS[s["helper"]],
    "hhis": _pronoun(1, "hhe"),
    "at_place": lambda s: _at(s["place"]),
    "the_place": lambda s: f"the {s['place']}",
    "view": lambda s: s.dice.pick(w.PLACES[s["place"]][1]),
    "want": lambda s: w.THINGS[s["thing"]][0],
    "did": lambda s: w.THINGS[s["thing"]][1],
    "weather_clause": lambda s: s.dice.pick(w.WEATHER[s["weather"]]),
    "food": lambda s: w.ANIMALS[s["animal"]],
    "ingredients": lambda s: w.MEALS[s["meal"]],
    "hand": lambda s: "hand" if s["is_child"] else "paw",
    "fhand": lambda s: "hand" if s["friend_kind"].split()[-1] in ("girl", "boy") else "paw",
    "home": lambda s: "bed" if s["is_child"] else w.HEROES[s["species"]],
    "house": lambda s: s.dice.pick(["a small house", "a little cottage", "a white house",
                                    "an old house"]) if s["is_child"]
    else f"a {s.dice.pick(['cosy', 'small', 'warm'])} {w.HEROES[s['species']]}",
    "item": lambda s: f"{s['colour']} {s['thing']}",
}


def _person(dice, children_only=False):
    """(name, kind, species, pronoun, is a child)."""
    if children_only or dice.chance(0.75):
        she = dice.chance(0.5)
        kind = dice.pick(["girl", "girl", "little girl"] if she else ["boy", "boy", "little boy"])
        return dice.pick(w.GIRLS if she else w.BOYS), kind, "", "she" if she else "he", True
    species = dice.pick(list(w.HEROES))
    kind = dice.pick(["{}", "{}", "little {}", "young {}"]).format(species)
    return dice.pick(w.ANIMAL_NAMES), kind, species, dice.pick(["she", "he"]), False


def _draw(dice, things, places, children_only):
    name, kind, species, he, is_child = _person(dice, children_only)
    friend, friend_kind, _, fhe, _ = _person(dice)
    return {"name": name, "kind": kind, "species": species, "he": he, "is_child": is_child,
            "friend": friend, "friend_kind": friend_kind, "fhe": fhe,
            "thing": dice.pick(things), "place": dice.pick(places)}


def draw(dice, macros, held_out, things=None, places=None, children_only=False):
    """A scene with its heroes, its thing and its place."""
    things, places = things or list(w.THINGS), places or list(w.PLACES)
    before = dice.nats
    while True:
        dice.nats = before  # a scene that is thrown away tells nothing
        values = _draw(dice, things, places, children_only)
        withheld = [is_withheld(values["name"], values["thing"]),
                    is_withheld(values["thing"], values["place"])]
        if values["friend"] != values["name"] and set(withheld) == {held_out}:
            break
    kept = (1 / WITHHELD_SHARE if held_out else 1 - 1 / WITHHELD_SHARE) ** 2
    dice.nats += math.log(kept)
    return Scene(dice, macros, values)
