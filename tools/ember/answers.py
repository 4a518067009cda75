"""Questions and their answers: facts of facts.py, sums, and what a story before them tells."""

import facts as f
import stories
import words as w
from grammar import article, capital, expand, join


def _colour(dice):
    what = dice.pick(list(f.COLOUR_OF))
    colour = f.COLOUR_OF[what]
    return dice.pick([
        (f"What colour is {what}?", f"{capital(what)} is {colour}."),
        (f"What colour is {what}?", f"{capital(what)} is {colour}."),
        (f"What is the colour of {what}?", f"The colour of {what} is {colour}."),
        (f"Which colour does {what} have?", f"{capital(what)} is {colour}."),
    ])


def _opposite(dice):
    a, b = dice.pick(list(f.OPPOSITES.items()))
    if a not in f.ONE_WAY and b not in f.OPPOSITES and dice.chance(0.5):
        a, b = b, a
    ask = dice.pick(["What is the opposite of {}?", "What is the opposite of the word {}?",
                     "Tell me the opposite of {}.", "What is the opposite of \"{}\"?"])
    return ask.format(a), f"The opposite of {a} is {b}."


def _sum(dice):
    a, b = dice.number(0, 10), dice.number(0, 10)
    n = f.NUMBERS
    if dice.chance(0.6):
        ask = dice.pick([f"What is {n[a]} plus {n[b]}?", f"How much is {n[a]} and {n[b]}?",
                         f"What is {a} + {b}?"])
        if "+" in ask:
            return ask, f"{a} + {b} is {a + b}."
        return ask, capital(f"{n[a]} plus {n[b]} is {n[a + b]}.")
    a, b = max(a, b), min(a, b)
    ask = dice.pick([f"What is {n[a]} minus {n[b]}?", f"What is {a} - {b}?"])
    if " - " in ask:
        return ask, f"{a} - {b} is {a - b}."
    return ask, capital(f"{n[a]} minus {n[b]} is {n[a - b]}.")


def _word_sum(dice):
    name, things = dice.pick(w.GIRLS + w.BOYS), dice.pick(w.POOLS["fruit"])
    a, b = dice.number(3, 10), dice.number(1, 9)
    n = f.NUMBERS
    if dice.chance(0.5):
        more = dice.pick(["gets", "finds", "buys"])
        return (f"{name} has {n[a]} {things} and {more} {n[b]} more. How many {things} does "
                f"{name} have?", f"{name} has {n[a + b]} {things}.")
    a, b = max(a, b) + 2, min(a, b)
    less = dice.pick(["eats", "gives away", "loses"])
    return (f"{name} has {n[a]} {things} and {less} {n[b]}. How many {things} are left?",
            f"{capital(n[a - b])} {things} are left.")


def _next_number(dice):
    a = dice.number(0, 18)
    return dice.pick([
        (f"Which number comes after {f.NUMBERS[a]}?",
         f"{capital(f.NUMBERS[a + 1])} comes after {f.NUMBERS[a]}."),
        (f"Which number comes before {f.NUMBERS[a + 1]}?",
         f"{capital(f.NUMBERS[a])} comes before {f.NUMBERS[a + 1]}."),
    ])


def _animal(dice):
    animal = dice.pick(list(f.ANIMALS))
    sound, food, home, young, legs = f.ANIMALS[animal]
    an = article(animal)
    return dice.pick([
        (f"What sound does {an} make?", f"{capital(an)} {sound}."),
        (f"What does {an} say?", f"{capital(an)} {sound}."),
        (f"What does {an} eat?", f"{capital(an)} eats {food}."),
        (f"Where does {an} live?", f"{capital(an)} lives in {home}."),
        (f"What is a young {animal} called?", f"A young {animal} is called {article(young)}."),
        (f"How many legs does {an} have?",
         f"{capital(an)} has {['no', '', 'two', '', 'four', '', 'six'][legs]} legs."),
    ])


def _who_says(dice):
    sounds = [sound for sound, *_ in f.ANIMALS.values()]
    known = {a: facts[0] for a, facts in f.ANIMALS.items() if sounds.count(facts[0]) == 1}
    animal = dice.pick(list(known))
    return f"Which animal {known[animal]}?", f"{capital(article(animal))} {known[animal]}."


def _more_animals(dice):
    if dice.chance(0.3):
        animal = dice.pick(list(f.LEGS_MORE))
        an = article(animal)
        return f"How many legs does {an} have?", f"{capital(an)} has {f.LEGS_MORE[animal]} legs."
    if dice.chance(0.5):
        (animal, can), instead = dice.pick(list(f.CAN.items()))
        an = article(animal)
        if instead:
            return f"Can {an} {can}?", f"No, {an} cannot {can}. It {instead}."
        return f"Can {an} {can}?", f"Yes, {an} can {can}."
    small, big = sorted(dice.some(range(len(f.SIZES)), 2))
    one, two = dice.some([article(f.SIZES[small]), article(f.SIZES[big])], 2)
    word, answer = dice.pick([("bigger", big), ("smaller", small)])
    return (f"Which is {word}, {one} or {two}?",
            f"{capital(article(f.SIZES[answer]))} is {word}.")


def _thing(dice):
    thing = dice.pick(list(f.USES))
    use, where = f.USES[thing]
    plural = thing in f.PLURAL_THINGS
    one = thing if plural or thing in f.UNCOUNTED else article(thing)
    be = "are" if plural else "is"
    return dice.pick([
        (f"What {be} {one} for?", f"{capital(one)} {be} for {use}."),
        (f"What {be} {one} for?", f"{capital(one)} {be} for {use}."),
        (f"What do you use {one} for?", f"You use {one} for {use}."),
        (f"What do you need for {use}?", f"For {use} you need {one}."),
        (f"Where do you keep {one}?", f"You keep {one} in {where}."),
    ])


def _job(dice):
    job = dice.pick(list(f.JOBS))
    a_job = article(job)
    return dice.pick([(f"What does {a_job} do?", f"{capital(a_job)} {f.JOBS[job]}."),
                      (f"Who {f.JOBS[job]}?", f"{capital(a_job)} {f.JOBS[job]}.")])


def _calendar(dice):
    names, what = dice.pick([(f.DAYS, "day"), (f.MONTHS, "month")])
    i = dice.number(0, len(names) - 1)
    after = names[(i + 1) % len(names)]
    return dice.pick([
        (f"Which {what} comes after {names[i]}?", f"{after} comes after {names[i]}."),
        (f"What {what} is after {names[i]}?", f"{after} is after {names[i]}."),
        (f"Which {what} comes before {after}?", f"{names[i]} comes before {after}."),
    ])


def _season(dice):
    season = dice.pick(list(f.SEASONS))
    return dice.pick([
        (f"What happens in {season}?", f"In {season}, {f.SEASONS[season]}."),
        (f"What is {season} like?", f"In {season}, {f.SEASONS[season]}."),
        (f"Which months are in {season}?", f"The months of {season} are "
         f"{f.SEASON_MONTHS[season]}."),
    ])


def _food(dice):
    meal = dice.pick(list(w.MEALS))
    return (dice.pick([f"How do you make {meal}?", f"What do you need to make {meal}?"]),
            f"To make {meal} you need {w.MEALS[meal]}.")


def _kind(dice):
    kind = dice.pick(["fruit", "vegetable", "tool", "animal"])
    thing = dice.pick(f.KINDS[kind])
    other = dice.pick([k for k in ["fruit", "vegetable", "tool", "animal"] if k != kind])
    one, two = dice.some([article(kind), article(other)], 2)
    a_thing = article(thing)
    return dice.pick([
        (f"Is {a_thing} {one} or {two}?", f"{capital(a_thing)} is {article(kind)}."),
        (f"What is {a_thing}?", f"{capital(a_thing)} is {article(kind)}."),
        (f"Is {a_thing} {article(kind)}?", f"Yes, {a_thing} is {article(kind)}."),
        (f"Is {a_thing} {article(other)}?",
         f"No, {a_thing} is not {article(other)}. It is {article(kind)}."),
    ])


def _table(dice):
    """Facts whose question and answer are one form each."""
    pick = {
        "many": lambda k, v: (f"How many {k}?", v),
        "made": lambda k, v: (f"What is {article(k)} made of?",
                              f"{capital(article(k))} is made of {v}."),
        "body": lambda k, v: (f"What do you do with your {k}?", f"You {v} with your {k}."),
        "when": lambda k, v: (f"When do you {k}?", f"You {k} {v}."),
        "manners": lambda k, v: (f"What do you say when {k}?", f"You say \"{v}\"."),
        "why": lambda k, v: (f"Why {k}?", v),
        "where": lambda k, v: (f"Where {k}?", v),
        "plural": lambda k, v: (f"What is the plural of {k}?", f"The plural of {k} is {v}."),
        "past": lambda k, v: (f"What is the past of {k}?", f"The past of {k} is {v}."),
    }
    tables = {"many": f.HOW_MANY, "made": f.MADE_OF, "body": f.BODY, "when": f.WHEN,
              "manners": f.MANNERS, "why": f.WHY, "where": f.WHERE, "plural": f.PLURALS,
              "past": f.PAST}
    kind = dice.pick(list(tables))
    return pick[kind](*dice.pick(list(tables[kind].items())))


FACTS = [_colour, _colour, _opposite, _opposite, _sum, _sum, _sum, _word_sum, _next_number,
         _animal, _animal, _who_says, _more_animals, _thing, _thing, _job, _calendar, _season,
         _food, _kind, _table, _table, _table, _table]


def fact(dice, _held_out):
    """A question that stands alone, and its answer."""
    return dice.pick(FACTS)(dice)


SHORT_TEXTS = [
    "{Name} was {a trait} {kind}. {He} took {his} {item} to the {place}.",
    "One {weather} day, {name} went to the {place} with {his} {item}.",
    "{A trait} {kind} named {name} had {a item}. On {day}, {name} went to the {place}.",
    "{Name} gave {his} {item} to {friend}. They met {at_place} on {day}.",
    "{Friend} and {name} were {at_place}. {Name} had {a item} and {friend} had {snack}.",
    "{Name} has {a item}. {Friend} has {a colour2} {thing2}.",
    "{Name} likes {fruit}. {Friend} likes {fruit2}.",
    "{Name} hid {his} {item} {spot}. {Friend} looked for it {spot2}.",
    "On {day} {name} played {game}. On {day2} {he} went to the {place}.",
    "{Name} wants to {dream}. {Friend} wants to {dream2}.",
]
SHORT_QUESTIONS = [
    [("What colour is the {thing}?", "The {thing} is {colour}."),
     ("What did {name} take to the {place}?", "{Name} took {his} {item} to the {place}."),
     ("Who was {name}?", "{Name} was {a trait} {kind}."),
     ("Where did {name} go?", "{Name} went to the {place}.")],
    [("What colour was the {thing}?", "The {thing} was {colour}."),
     ("Who went to the {place}?", "{Name} went to the {place}."),
     ("How was the weather?", "The weather was {weather}.")],
    [("When did {name} go to the {place}?", "{Name} went to the {place} on {day}."),
     ("What did {name} have?", "{Name} had {a item}."),
     ("What colour was the {thing}?", "The {thing} was {colour}.")],
    [("Who has the {thing} now?", "{Friend} has the {thing} now."),
     ("Where did they meet?", "They met {at_place}."),
     ("What did {name} give to {friend}?", "{Name} gave {friend} {his} {item}.")],
    [("What did {name} have?", "{Name} had {a item}."),
     ("What did {friend} have?", "{Friend} had {snack}."),
     ("Where were {friend} and {name}?", "They were {at_place}.")],
    [("What does {name} have?", "{Name} has {a item}."),
     ("What does {friend} have?", "{Friend} has {a colour2} {thing2}."),
     ("Who has the {thing}?", "{Name} has the {thing}."),
     ("Who has the {thing2}?", "{Friend} has the {thing2}.")],
    [("What does {name} like?", "{Name} likes {fruit}."),
     ("Who likes {fruit2}?", "{Friend} likes {fruit2}.")],
    [("Where is the {thing}?", "The {thing} is {spot}."),
     ("Where did {friend} look?", "{Friend} looked {spot2}."),
     ("Who hid the {thing}?", "{Name} hid the {thing}.")],
    [("What did {name} do on {day}?", "On {day} {name} played {game}."),
     ("Where did {name} go on {day2}?", "On {day2} {name} went to the {place}.")],
    [("What does {name} want?", "{Name} wants to {dream}."),
     ("Who wants to {dream2}?", "{Friend} wants to {dream2}.")],
]


def about_text(dice, held_out):
    """(a text of one to three sentences, a question about it, the answer)."""
    scene = stories.cast(dice, held_out, stories.PLOTS["learn"])[1]
    scene["thing2"] = dice.pick([t for t in w.THINGS if t != scene["thing"]])
    number = dice.number(0, len(SHORT_TEXTS) - 1)
    told = expand(SHORT_TEXTS[number], scene, dice)
    if dice.chance(0.3):
        told += " " + expand(dice.pick(["{@glad}", "{Friend} was {a trait3} {friend_kind}.",
                                        "The {helper} saw {name}.", "It was {season}."]),
                             scene, dice)
    question, answer = dice.pick(SHORT_QUESTIONS[number])
    return told, expand(question, scene, dice), expand(answer, scene, dice)


def about_story(dice, held_out, count):
    """(a whole story, count pairs of question and answer about it)."""
    plot, scene = stories.cast(dice, held_out)
    told = stories.tell(plot, scene, dice)
    pairs = stories.questions(plot, scene, dice, told)
    return told, dice.some(pairs, min(count, len(pairs)))


def enumerate_kind(dice):
    """(how many, the kind in the plural, a list of them)."""
    kind = dice.pick(list(f.KINDS))
    count = dice.pick([2, 3, 3, 4])
    plural = kind + "s"
    members = f.KINDS[kind]
    return f.NUMBERS[count], plural, capital(join(dice.some(members, count)))
