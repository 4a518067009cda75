"""Instructions and what they ask for: stories, lists, letters, poems, advice, small talk."""

import answers
import facts as f
import stories
import words as w
from grammar import article, capital, expand, join


def _write_story(dice, held_out):
    plot, scene = stories.cast(dice, held_out)
    what = stories.about(plot, scene, dice)
    brief = dice.chance(0.4)
    told = stories.tell_briefly(plot, scene, dice) if brief else stories.tell(plot, scene, dice)
    ask = dice.pick(["Write {}.", "Tell me {}.", "Please write {}.", "Can you tell me {}?",
                     "I would like to hear {}.", "Tell {} for children."])
    sort = "a short story" if brief else dice.pick(["a story", "a story", "a long story"])
    return ask.format(f"{sort} about {what}"), told


def _any_story(dice, held_out):
    plot, scene = stories.cast(dice, held_out)
    ask = dice.pick(["Tell me a story.", "Write a story.", "Please tell me a story.",
                     "Do you know a story?", "Tell me a story before I go to sleep."])
    return ask, stories.tell(plot, scene, dice)


def _story_with_moral(dice, held_out):
    plot, scene = stories.cast(dice, held_out)
    told = stories.tell_briefly(plot, scene, dice)
    return f"Here is a story: {told} What happened?", scene["summary"]


def _list_room(dice, _held_out):
    room = dice.pick(list(f.ROOMS))
    count = dice.pick([2, 3, 3, 4])
    a_room = article(room)
    where = "on" if room in ("farm", "beach") else "at" if room == "market" else "in"
    ask = dice.pick(["List", "Name", "Tell me", "Write down"])
    found = join(dice.some(f.ROOMS[room], count))
    return (f"{ask} {f.NUMBERS[count]} things you find {where} {a_room}.",
            f"{capital(where)} {a_room} you find {found}.")


def _list_kind(dice, _held_out):
    count, plural, listed = answers.enumerate_kind(dice)
    return f"{dice.pick(['List', 'Name', 'Tell me'])} {count} {plural}.", f"{listed}."


def _count(dice, _held_out):
    last = dice.number(3, 12)
    if dice.chance(0.3):
        down = f.NUMBERS[last:0:-1]
        return f"Count down from {f.NUMBERS[last]}.", capital(", ".join(down)) + "."
    ask = dice.pick(["Count to {}.", "Please count to {}.", "Count from one to {}."])
    return ask.format(f.NUMBERS[last]), capital(", ".join(f.NUMBERS[1:last + 1])) + "."


GREETINGS = ["Hello, {}! It is good to see you.", "Good morning, {}. How are you today?",
             "Hi {}! I hope you have a lovely day.", "Welcome, {}. Please come in.",
             "Hello, {}! How nice that you are here."]
FAREWELLS = ["Goodbye, {}! See you soon.", "Sleep well, {}.", "Take care, {}. Until tomorrow!",
             "Goodbye, {}. It was nice to see you."]


def _greet(dice, _held_out):
    name = dice.pick(w.GIRLS + w.BOYS + w.ANIMAL_NAMES)
    if dice.chance(0.3):
        ask = dice.pick(["Say goodbye to {}.", "Say good night to {}."])
        farewells = FAREWELLS[1:2] if "night" in ask else FAREWELLS[:1] + FAREWELLS[2:]
        return ask.format(name), dice.pick(farewells).format(name)
    ask = dice.pick(["Say hello to {}.", "Greet {}.", "Please say hello to {}."])
    return ask.format(name), dice.pick(GREETINGS).format(name)


def _repeat(dice, _held_out):
    words = dice.some(list(w.THINGS) + w.COLOURS + f.FRUITS + w.GIRLS + w.BOYS,
                      dice.pick([1, 2, 3, 4]))
    ask = dice.pick(["Repeat these words: {}.", "Say: {}.", "Repeat after me: {}."])
    return ask.format(", ".join(words)), capital(", ".join(words)) + "."


def _describe(dice, held_out):
    scene = stories.cast(dice, held_out, stories.PLOTS["learn"])[1]
    return (expand("Describe [the {place}|the {place} on a {weather} day].", scene, dice),
            expand("It was a {weather} day, and {weather_clause}. {View} {@aside}", scene, dice))


def _describe_animal(dice, _held_out):
    animal = dice.pick(list(f.ANIMALS))
    sound, food, home, young, _ = f.ANIMALS[animal]
    an = article(animal)
    return (dice.pick([f"Describe {an}.", f"Tell me about {an}.", f"What do you know about {an}?"]),
            f"{capital(an)} lives in {home} and eats {food}. {capital(an)} {sound}. A young {animal} "
            f"is called {article(young)}.")


def _sentence(dice, held_out):
    scene = stories.cast(dice, held_out, stories.PLOTS["learn"])[1]
    ask = dice.pick(["Make a sentence with the word {thing}.", "Use the word {thing} in a sentence.",
                     "Write a sentence about {a thing}."])
    answer = dice.pick(["{Name} took {his} {item} to the {place}.", "The {item} lay {spot}.",
                        "{Friend} found {a item} {at_place}.", "On {day}, {name} {did}.",
                        "My {elder} gave me {a quality} {thing}."])
    return expand(ask, scene, dice), expand(answer, scene, dice)


LETTERS = [
    "Dear {elder}, thank you for the {item}. I {did}. It was great fun. I hope to see you soon. "
    "Love, {name}",
    "Dear {friend}, yesterday I was {at_place}. {View} I wish you had been there. Please write soon. "
    "Your friend {name}",
    "Dear {friend}, [would you like|do you want] to come to the {place} on {day}? We could play {game}. "
    "I will bring {snack}. Your friend {name}",
    "Dear {friend}, I am sorry that I {mishap}. I will [make it good again|be more careful]. Can we "
    "still be friends? Your {name}",
]
LETTER_TASKS = [
    "Write a letter from {name} to thank [{his}|the] {elder} for {a item}.",
    "Write a letter from {name} to {friend} about the {place}.",
    "Write a letter from {name} to invite {friend} to the {place}.",
    "Write a letter from {name} to {friend} to say sorry.",
]


def _letter(dice, held_out):
    scene = stories.cast(dice, held_out, stories.PLOTS["learn"])[1]
    number = dice.number(0, len(LETTERS) - 1)
    return expand(LETTER_TASKS[number], scene, dice), expand(LETTERS[number], scene, dice)


POEMS = {
    "spring": ["The snow is gone, the grass is green,", "the brightest flowers I have seen,",
               "the birds are singing in the tree,", "and spring has come for you and me."],
    "summer": ["The sun is high, the days are long,", "the bees are humming their own song,",
               "we swim and play till it is late,", "and climb upon the garden gate."],
    "autumn": ["The leaves are brown, the wind is cold,", "the fields are red, the fields are gold,",
               "we gather apples, nuts and more,", "and put them all behind the door."],
    "winter": ["The snow is falling, soft and white,", "the stars are very clear tonight,",
               "we sit together, warm and near,", "for winter time is story time here."],
    "the moon": ["The moon looks down on house and hill,", "the streets are dark, the night is still,",
                 "it shines on you, it shines on me,", "it shines upon the silver sea."],
    "the sea": ["The sea is wide, the sea is deep,", "it sings the fishermen to sleep,",
                "the waves come in, the waves go out,", "and all the gulls fly round about."],
    "the rain": ["The rain is tapping on the pane,", "and here it comes, and there again,",
                 "it fills the stream, it wets the tree,", "it makes a puddle just for me."],
    "a cat": ["The cat is sleeping on the chair,", "she does not know that we are there,",
              "she dreams of fish, she dreams of cream,", "and smiles a little in her dream."],
    "a friend": ["A friend is there when skies are grey,", "a friend will help you on your way,",
                 "a friend will share, a friend will stay,", "and make a feast of every day."],
    "bread": ["The baker works when all is night,", "his oven is the only light,",
              "and when the village leaves its bed,", "the air is sweet with warm new bread."],
}


def _poem(dice, _held_out):
    about = dice.pick(list(POEMS))
    ask = dice.pick(["Write a poem about {}.", "Write a short poem about {}.", "Do you know a poem "
                     "about {}?"])
    return ask.format(about), "\n".join(POEMS[about])


STEPS = {
    "make tea": ["boil some water", "put the tea into a cup", "pour the water over it",
                 "wait for three minutes"],
    "wash your hands": ["open the tap", "rub your hands with soap", "rinse them with water",
                        "dry them with a towel"],
    "plant a seed": ["dig a small hole", "put the seed into it", "cover it with earth",
                     "give it some water"],
    "brush your teeth": ["put toothpaste on the brush", "brush for two minutes",
                         "rinse your mouth", "wash the brush"],
    "write a letter": ["take a pencil and paper", "write what you want to say",
                       "put the paper into an envelope", "put a stamp on it"],
    "make a sandwich": ["cut two slices of bread", "put butter on them",
                        "lay some cheese between them", "cut it in two"],
    "build a snowman": ["roll a big ball of snow", "put a smaller ball on top of it",
                        "give it a carrot for a nose", "put a hat on its head"],
    "cross the street": ["stop at the edge", "look to the left", "look to the right",
                         "walk when no car is coming"],
    "make a paper boat": ["take a sheet of paper", "fold it in half", "fold down the corners",
                          "pull the sides apart"],
    "feed a dog": ["take a clean bowl", "put the food into it", "put it on the floor",
                   "fill a second bowl with water"],
    "clean a room": ["open the window", "put everything in its place", "sweep the floor",
                     "water the plants"],
    "make a salad": ["wash the lettuce", "cut the tomatoes", "mix everything in a bowl",
                     "add a little oil"],
}


def _steps(dice, _held_out):
    what = dice.pick(list(STEPS))
    one, two, three, four = STEPS[what]
    ask = dice.pick(["How do you {}?", "Tell me how to {}.", "Explain how to {}.", "How do I {}?"])
    return ask.format(what), f"First, {one}. Then {two}. Next, {three}. Finally, {four}."


ADVICE = {
    "is afraid of the dark": "Leave a small light on, {}. The room is the same by night as by day.",
    "cannot sleep": "Drink some warm milk, {}, and think of something nice.",
    "has lost a toy": "Think of where you had it last, {}, and look there first.",
    "had a quarrel with a friend": "Go to your friend, {}, and say that you are sorry.",
    "is ill": "Stay in bed, {}, and drink a lot of tea. You will soon be well.",
    "is bored": "Read a book, {}, or go out and look for a new game.",
    "is sad": "Talk to somebody you trust, {}. Tomorrow will be better.",
    "is new at school": "Ask somebody to play with you, {}. Others are shy too.",
    "made a mistake": "Everybody makes mistakes, {}. Say it and mend it.",
    "is cold": "Put on a warm coat, {}, and drink something hot.",
    "is hungry": "Eat some bread or an apple, {}.",
    "wants to learn to swim": "Begin where the water is not deep, {}, and practise every day.",
    "is angry": "Breathe slowly and count to ten, {}. Then speak.",
    "wants a friend": "Be kind and share what you have, {}. Friends will come.",
}


def _advice(dice, _held_out):
    name = dice.pick(w.GIRLS + w.BOYS)
    trouble = dice.pick(list(ADVICE))
    return (dice.pick([f"{name} {trouble}. What should {name} do?",
                       f"{name} {trouble}. Give {name} some advice.",
                       f"{name} {trouble}. What would you say to {name}?"]),
            ADVICE[trouble].format(name))


SMALL_TALK = [
    ("Hello!", "Hello! How can I help you?"), ("Hi!", "Hi! What would you like to know?"),
    ("Hello", "Hello! How can I help you?"), ("Good morning!", "Good morning! I hope you slept "
                                              "well."),
    ("How are you?", "I am well, thank you. How are you?"),
    ("Thank you!", "You are welcome."), ("Thanks.", "You are welcome."),
    ("Good night.", "Good night. Sleep well!"), ("Goodbye.", "Goodbye! See you soon."),
    ("Who are you?", "I am ember, a very small language model. I tell stories and answer simple "
                     "questions."),
    ("What is your name?", "My name is ember."),
    ("What can you do?", "I can tell stories, make lists and answer simple questions."),
    ("Are you a person?", "No, I am not a person. I am a small language model."),
    ("Where do you live?", "I live in a small file on your computer."),
    ("How old are you?", "I am quite new."),
    ("Do you like stories?", "Yes, I like stories. Shall I tell you one?"),
    ("Can you help me?", "Yes, I will try. What do you need?"),
    ("I am sad.", "I am sorry to hear that. Would you like to hear a story?"),
    ("I am happy.", "That is good to hear!"), ("I am tired.", "Then you should rest a little."),
    ("I am hungry.", "Then eat some bread or an apple."),
]
UNKNOWN = [
    "Who wrote {}?", "What is the capital of {}?", "Who is the king of {}?",
    "How far is it to {}?", "What is the price of {}?", "When was {} built?",
    "Who won the war of {}?", "What does {} mean in Latin?", "How many people live in {}?",
]
UNKNOWN_NAMES = """Norland Paris Rome Berlin Tokyo Egypt Brazil China Mars Venus Africa India Hamlet
Faust gold copper Oxford Lisbon Athens Sparta Cairo Peru Chile Canada Jupiter Vienna""".split()
DO_NOT_KNOW = ["I do not know that. I am a very small model.",
               "I am sorry, I do not know the answer to that.",
               "That I do not know. I only know simple things and stories."]


def _small_talk(dice, _held_out):
    if dice.chance(0.75):
        return dice.pick(SMALL_TALK)
    return dice.pick(UNKNOWN).format(dice.pick(UNKNOWN_NAMES)), dice.pick(DO_NOT_KNOW)


def _finish(dice, held_out):
    """The beginning of a story, to go on with."""
    plot, scene = stories.cast(dice, held_out)
    told = stories.tell(plot, scene, dice).replace("\n\n", " ")
    cut = told.find(". ") + 1
    return f"{dice.pick(['Go on', 'Continue this story'])}: {told[:cut]}", told[cut + 1:]


INSTRUCTIONS = {
    _write_story: 9, _any_story: 2, _story_with_moral: 2, _list_room: 3, _list_kind: 3, _count: 2,
    _greet: 2, _repeat: 2, _describe: 2, _describe_animal: 2, _sentence: 2, _letter: 3, _poem: 2,
    _steps: 3, _advice: 3, _small_talk: 4, _finish: 2,
}


def instruction(dice, held_out):
    """An instruction and what it asks for."""
    return dice.weighted(INSTRUCTIONS)(dice, held_out)
