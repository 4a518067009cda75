"""Everyday stories: an opening, a plot, an ending, told about one scene."""

import scenes
import words as w
from adventures import PLOTS
from grammar import expand

MACROS = {
    "aside": [
        "A bird sang in a tree.", "A butterfly flew past.", "Far away a bell rang.",
        "Somewhere a dog barked.", "The clouds moved slowly over the sky.",
        "The air smelled of [flowers|rain|fresh bread|grass|wood smoke|the sea].",
        "It was so quiet that one could hear the [leaves|wind|bees|water].",
        "The sun was [high|low|warm] by now.",
        "A [snail|beetle|ladybird] crossed the path and took its time.",
        "The {helper} passed by and [waved|said hello|lifted a hat].",
        "{Name} sang {song} to {himself}.",
    ],
    "sad": [
        "{Name} was very sad.", "{Name} began to cry.", "{Name} sat down and sighed.",
        "{Name} did not know what to do.", "A tear ran down {name}'s face.",
        "{Name} felt [small|cold|lonely] and sad.", "{Name} wanted to go home.",
    ],
    "glad": [
        "{Name} was very happy.", "{Name} smiled from ear to ear.", "{Name} jumped for joy.",
        "{Name} laughed out loud.", "{Name} felt warm inside.", "{Friend} danced with {name}.",
        "It was a wonderful feeling.",
    ],
    "offer": [
        "\"[Do not worry|Do not be sad|Do not cry], I will help you,\" said {friend}.",
        "\"[Let us look for it together|We will find it|Four eyes see more than two],\" said "
        "{friend}.",
        "\"[I know what to do|I am good at finding things|It cannot be far],\" said {friend}. "
        "\"[Let us look|Come with me].\"",
    ],
    "thanks": [
        "\"Thank you, {friend}[! You are a true friend|! What would I do without you|]!\" said "
        "{name}.", "\"Thank you so much!\" said {name}[ and hugged {friend}|].",
        "{Name} thanked {friend}[ again and again|]. \"[That is what friends are for|You are "
        "welcome|It was nothing],\" said {friend}.",
    ],
    "praise": [
        "\"[Well done|You did it|I am proud of you|I knew you could do it]!\" said {his} {elder}.",
        "{Friend} [clapped|cheered|was amazed|danced for joy]. \"[Well done|You did it|Bravo]!\" "
        "said {friend}.", "{@glad} \"[I can do it|I really did it|Look at me]!\" {he} called.",
    ],
}

OPENINGS = [
    "Once upon a time, there was {a trait} {kind} named {name}.",
    "Once upon a time, there was {a trait} {kind} [called|named] {name} who lived in {house} "
    "near the {place}.",
    "Once upon a time, {a trait} {kind} named {name} lived [near the {place}|not far from the "
    "{place}|in {house}].",
    "Once upon a time there was {a kind} named {name} who [lived in {house} near the {place}|"
    "had {a item}|wanted to {dream}|was always {trait}].",
    "[Once|Long ago], there was {a trait} {kind} named {name}.",
    "[One day|Once], {a trait} {kind} named {name} was [on the way to the {place}|at home with "
    "{his} {elder}].",
    "{Name} was {a trait} {kind} who lived [near the {place}|in {house} near the {place}|not far "
    "from the {place}].",
    "There was once {a trait} {kind} [whose name was|called] {name}.",
    "This is the story of {name}, {a trait} {kind}.",
    "{Name}, {a trait} {kind}, and {friend}, {a trait2} {friend_kind}, were [good|best|old] "
    "friends.",
]
DETAILS = [
    "{Name} [loved|liked] to [play|walk|sit|sing|run|dream] {at_place}.",
    "[Every day|Each morning|Every {day}|In the afternoon], {name} went to the {place}.",
    "{He} [loved|liked] {his} {item} [more than anything|very much|best of all].",
    "{Name} had {a quality} {item}[ that was a present from {his} {elder}|, and {he} took it "
    "everywhere|].",
    "{His} {elder} was {trait2} and {trait3}[, and {name} loved {ehim} very much|].",
    "{Name} lived with {his} {elder}.",
    "{His} best friend was {friend}, {a trait2} {friend_kind}.",
    "[Everyone in the village knew|All the neighbours knew|Even the {helper} knew] {name}.",
    "{Name} wanted to {dream} one day.",
    "{Name} was small, but {he} was [brave|clever|strong|quick].",
]
ARRIVALS = [
    "One {weather} [morning|day|afternoon], {name} [went|walked|ran] to the {place}.",
    "On {day}, {weather_clause}, and {name} went to the {place}[ with {friend}|].",
    "One [morning|day|afternoon], {name} was {at_place}. {View}",
    "It was a {weather} day, and {weather_clause}. {Name} went to the {place}.",
    "One morning {he} took {his} {item} and [went|walked] to the {place}, because {he} wanted to "
    "{want}.",
    "\"[Shall we go to the {place}|Will you come to the {place} with me|Who wants to go to the "
    "{place}]?\" asked {his} {elder} one [morning|day]. So they went. {View}",
    "One day in {season}, {name} and {friend} went to the {place}. {View}",
]
ENDINGS = [
    "{Name} was [happy|glad|proud] that [day|evening].",
    "[They both|Everyone] [smiled|laughed].",
    "That [night|evening], {name} [slept well|told {his} {elder} everything|was tired but happy|"
    "fell asleep with a smile|dreamed of the {place}].",
    "{Name} and {friend} [were|stayed] [good friends|best friends][ for a long time| for ever|].",
    "And {name} never forgot that [day|{day}].",
    "[From that day on|After that|Since then|And so], {moral}.",
    "{Name} went home with a [big|warm|happy] smile.",
]
LESSONS = ["The end.", "The end.", "And that is the end of the story.",
           "And if you go to the {place}, you may meet them there."]


def cast(dice, held_out, plot=None):
    """(plot, scene) of a new story."""
    plot = plot or PLOTS[dice.pick(list(PLOTS))]
    scene = scenes.draw(dice, MACROS, held_out, plot.things, plot.places, plot.children_only)
    scene.update(plot.fixed)
    return plot, scene


def _allowed(templates, plot):
    """The templates that speak of nothing the plot has yet to tell."""
    return [t for t in templates if not any(word in t.lower() for word in plot.avoid)]


def _paragraphs(sentences, dice):
    """Sentences in a row; some stories have an empty line between their parts."""
    blank = dice.chance(0.2)
    parts = [" ".join(s for s in group if s) for group in sentences]
    return ("\n\n" if blank else " ").join(part for part in parts if part)


def tell(plot, scene, dice):
    """A whole story."""
    def say(template):
        return expand(template, scene, dice)

    opening = dice.pick(_allowed(OPENINGS, plot))
    start = [say(opening)]
    if opening != OPENINGS[-1]:  # two heroes: "he" would not be clear
        start += [say(t) for t in dice.some(_allowed(DETAILS, plot), dice.pick([0, 1, 1, 2]))]
    middle = [say(dice.pick(_allowed(ARRIVALS, plot)))] + [say(part) for part in plot.text]
    scene["moral"] = say(plot.moral)
    end = [say(t) for t in dice.some(ENDINGS, dice.pick([1, 1, 2]))]
    if dice.chance(0.4):
        end.append(say(dice.pick(LESSONS)))
    return _paragraphs([start, middle, end], dice)


def tell_briefly(plot, scene, dice):
    """A story of three to five sentences: opening, what happened, ending."""
    parts = [dice.pick(OPENINGS[:6])]
    if dice.chance(0.5):
        parts.append(dice.pick(ARRIVALS[:4]))
    parts += [dice.pick(["One day, {summary}", "{summary}"]), dice.pick(ENDINGS)]
    scene["summary"] = expand(plot.summary, scene, dice)
    scene["moral"] = expand(plot.moral, scene, dice)
    return " ".join(expand(part, scene, dice) for part in parts)


GENERAL_QUESTIONS = (
    ("What [was the name of the {kind}|was the {kind} called]?", "The name of the {kind} was {name}."),
    ("[Who was|What do we know about] {name}?", "{Name} was {a trait} {kind}."),
    ("[What happened in the story|What is the story about]?", "{summary}"),
)


def questions(plot, scene, dice, told):
    """(question, answer) pairs that a told story answers."""
    scene["summary"] = expand(plot.summary, scene, dice)
    pairs = list(plot.questions) + [GENERAL_QUESTIONS[0], GENERAL_QUESTIONS[2]]
    if "trait" in told:
        pairs.append(GENERAL_QUESTIONS[1])
    return [(expand(q, scene, dice), expand(a, scene, dice)) for q, a in pairs]


def about(plot, scene, dice):
    """What a story may be asked for: "a dog and a red ball", "a girl who learns to swim"."""
    kind = scene["kind"]
    short = scene["species"] or kind.split()[-1]
    options = ["{a short} and {a item}", "{a short} named {name}", "{name} and {friend}",
               "{a kind} named {name}", "{name} the {short}", "{a short} who {goal}",
               "{a short} who {goal}", "{a kind} called {name} who {goal}", "{a item}",
               "{name}, {friend} and {a thing}", "the {place}"]
    scene["short"] = short
    scene["goal"] = expand(plot.goal, scene, dice)
    return expand(dice.pick(options), scene, dice)
