"""What ember can be asked: simple facts, all of them here, so that every answer is right."""

# what: colour
COLOUR_OF = {
    "the sky": "blue", "the sky on a clear day": "blue", "grass": "green", "snow": "white",
    "a ripe banana": "yellow", "a banana": "yellow", "a carrot": "orange", "coal": "black",
    "milk": "white", "a ripe tomato": "red", "a tomato": "red", "the sun": "yellow",
    "a frog": "green", "a lemon": "yellow", "chocolate": "brown", "a plum": "purple",
    "an elephant": "grey", "blood": "red", "a strawberry": "red", "the sea": "blue",
    "a leaf in summer": "green", "a leaf in autumn": "brown", "an orange": "orange",
    "a flamingo": "pink", "a polar bear": "white", "the night sky": "black", "a crow": "black",
    "salt": "white", "sugar": "white", "a cucumber": "green", "a fire engine": "red",
    "a pumpkin": "orange", "a pig": "pink", "a mouse": "grey", "honey": "golden", "a swan": "white",
    "lettuce": "green", "a cherry": "red", "wood": "brown", "a cloud before rain": "grey",
    "an egg yolk": "yellow", "a pea": "green", "a rain cloud": "grey", "a canary": "yellow",
    "butter": "yellow", "earth": "brown", "a fox": "red", "lavender": "purple",
}
OPPOSITES = {
    "big": "small", "hot": "cold", "up": "down", "day": "night", "happy": "sad", "fast": "slow",
    "light": "dark", "wet": "dry", "high": "low", "hard": "soft", "full": "empty",
    "open": "closed", "early": "late", "loud": "quiet", "strong": "weak", "long": "short",
    "thick": "thin", "clean": "dirty", "rich": "poor", "left": "right", "near": "far",
    "young": "old", "good": "bad", "right": "left", "first": "last", "inside": "outside",
    "over": "under", "brave": "afraid", "sweet": "sour", "deep": "shallow", "wide": "narrow",
    "yes": "no", "always": "never", "summer": "winter", "morning": "evening", "north": "south",
    "east": "west", "heavy": "light", "begin": "end", "push": "pull", "give": "take",
    "love": "hate", "friend": "enemy", "question": "answer", "true": "false", "win": "lose",
    "black": "white", "before": "after", "asleep": "awake", "easy": "difficult",
    "smooth": "rough", "kind": "unkind", "lost": "found", "front": "back", "top": "bottom",
}
# Pairs that hold in one direction only.
ONE_WAY = {"right", "light"}

# animal: (sound, food, home, young, legs)
ANIMALS = {
    "dog": ("barks", "meat and bones", "a kennel", "puppy", 4),
    "cat": ("meows", "fish and mice", "a house", "kitten", 4),
    "cow": ("moos", "grass", "a barn", "calf", 4),
    "duck": ("quacks", "plants and bread", "a pond", "duckling", 2),
    "horse": ("neighs", "hay", "a stable", "foal", 4),
    "sheep": ("bleats", "grass", "a field", "lamb", 4),
    "pig": ("grunts", "corn", "a sty", "piglet", 4),
    "hen": ("clucks", "seeds", "a coop", "chick", 2),
    "owl": ("hoots", "mice", "a hollow tree", "owlet", 2),
    "frog": ("croaks", "flies", "a pond", "tadpole", 4),
    "lion": ("roars", "meat", "a den", "cub", 4),
    "mouse": ("squeaks", "cheese and seeds", "a hole", "pup", 4),
    "wolf": ("howls", "meat", "a den", "cub", 4),
    "bear": ("growls", "honey and fish", "a cave", "cub", 4),
    "goose": ("honks", "grass", "a farm", "gosling", 2),
    "goat": ("bleats", "leaves", "a barn", "kid", 4),
    "donkey": ("brays", "hay", "a stable", "foal", 4),
    "bird": ("sings", "worms and seeds", "a nest", "chick", 2),
    "bee": ("buzzes", "nectar", "a hive", "larva", 6),
    "snake": ("hisses", "mice", "a hole", "snakelet", 0),
    "crow": ("caws", "almost everything", "a nest", "chick", 2),
    "rabbit": ("thumps with its feet", "carrots and grass", "a burrow", "kit", 4),
    "fox": ("yelps", "mice and berries", "a den", "cub", 4),
    "turkey": ("gobbles", "corn", "a farm", "poult", 2),
}
LEGS_MORE = {"spider": "eight", "ant": "six", "butterfly": "six", "fish": "no", "elephant": "four",
             "beetle": "six", "worm": "no", "cricket": "six", "squirrel": "four", "snail": "no"}
CAN = {  # (animal, can): what it does instead where it cannot
    ("bird", "fly"): "", ("fish", "swim"): "", ("fish", "fly"): "swims",
    ("horse", "run"): "", ("cow", "fly"): "walks", ("frog", "jump"): "", ("bee", "fly"): "",
    ("snail", "run"): "crawls", ("duck", "swim"): "", ("cat", "climb"): "",
    ("elephant", "fly"): "walks", ("dog", "bark"): "", ("cat", "bark"): "meows",
    ("monkey", "climb"): "", ("snake", "walk"): "crawls", ("owl", "see at night"): "",
    ("stone", "swim"): "sinks", ("boat", "float"): "", ("whale", "swim"): "",
    ("penguin", "fly"): "swims", ("butterfly", "fly"): "", ("cow", "talk"): "moos",
}
# From small to big.
SIZES = ["ant", "bee", "mouse", "frog", "rabbit", "cat", "sheep", "horse", "elephant", "whale"]

# thing: (what it is for, where it is kept)
USES = {
    "ball": ("playing", "the garden"), "book": ("reading", "the library"),
    "basket": ("carrying apples", "the kitchen"), "lamp": ("giving light", "the bedroom"),
    "drum": ("making music", "the music room"), "key": ("opening doors", "the drawer"),
    "hat": ("keeping the sun away", "the hall"), "boat": ("sailing on water", "the harbour"),
    "shovel": ("digging", "the shed"), "hammer": ("driving nails", "the workshop"),
    "spoon": ("eating soup", "the kitchen"), "knife": ("cutting bread", "the kitchen"),
    "umbrella": ("keeping the rain away", "the hall"), "saw": ("cutting wood", "the workshop"),
    "blanket": ("keeping warm", "the bedroom"), "bucket": ("carrying water", "the barn"),
    "pencil": ("writing and drawing", "the school bag"), "fork": ("eating", "the kitchen"),
    "broom": ("sweeping the floor", "the cupboard"), "cup": ("drinking", "the kitchen"),
    "clock": ("telling the time", "the living room"), "soap": ("washing", "the bathroom"),
    "ladder": ("reaching high places", "the shed"), "bed": ("sleeping", "the bedroom"),
    "mirror": ("seeing yourself", "the bathroom"), "chair": ("sitting", "the living room"),
    "brush": ("painting", "the workshop"), "towel": ("drying yourself", "the bathroom"),
    "scarf": ("keeping your neck warm", "the hall"), "oven": ("baking", "the kitchen"),
    "wagon": ("pulling heavy things", "the barn"), "needle": ("sewing", "the sewing box"),
    "map": ("finding the way", "the library"), "scissors": ("cutting paper", "the drawer"),
    "rope": ("tying things", "the shed"), "pot": ("cooking", "the kitchen"),
    "kettle": ("boiling water", "the kitchen"), "comb": ("combing your hair", "the bathroom"),
    "candle": ("giving light", "the drawer"), "telephone": ("talking to people far away", "the hall"),
    "pillow": ("resting your head", "the bedroom"), "net": ("catching fish", "the harbour"),
    "watering can": ("watering flowers", "the garden"), "bag": ("carrying things", "the hall"),
    "toothbrush": ("brushing your teeth", "the bathroom"), "plate": ("holding food", "the kitchen"),
    "whistle": ("calling a dog", "the drawer"), "stamp": ("sending a letter", "the desk"),
    "glasses": ("seeing better", "the desk"), "thermometer": ("measuring heat", "the cupboard"),
}
PLURAL_THINGS = {"scissors", "glasses"}
UNCOUNTED = {"soap"}

JOBS = {
    "baker": "bakes bread", "farmer": "grows food", "doctor": "helps sick people",
    "teacher": "teaches children", "librarian": "lends books", "sailor": "sails a ship",
    "painter": "paints pictures", "gardener": "grows flowers", "cook": "cooks meals",
    "driver": "drives a bus", "nurse": "cares for sick people", "tailor": "sews clothes",
    "carpenter": "builds things of wood", "shepherd": "looks after sheep",
    "fisherman": "catches fish", "clockmaker": "mends clocks", "pilot": "flies a plane",
    "singer": "sings songs", "writer": "writes books", "miller": "grinds corn",
    "postman": "brings letters", "fireman": "puts out fires", "dentist": "looks after teeth",
    "shoemaker": "makes shoes", "beekeeper": "keeps bees", "judge": "decides what is right",
}
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = """January February March April May June July August September October November
December""".split()
SEASON_MONTHS = {"spring": "March, April and May", "summer": "June, July and August",
                 "autumn": "September, October and November",
                 "winter": "December, January and February"}
SEASONS = {
    "spring": "the flowers begin to grow and the birds build nests",
    "summer": "the days are long and warm", "autumn": "the leaves turn brown and fall",
    "winter": "it is cold and it may snow",
}
NUMBERS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
fifteen sixteen seventeen eighteen nineteen twenty""".split()
HOW_MANY = {
    "days are in a week": "There are seven days in a week.",
    "months are in a year": "There are twelve months in a year.",
    "seasons are in a year": "There are four seasons in a year.",
    "hours are in a day": "There are twenty-four hours in a day.",
    "minutes are in an hour": "There are sixty minutes in an hour.",
    "seconds are in a minute": "There are sixty seconds in a minute.",
    "fingers are on one hand": "There are five fingers on one hand.",
    "wheels does a bicycle have": "A bicycle has two wheels.",
    "wheels does a car have": "A car has four wheels.",
    "eyes do you have": "People have two eyes.",
    "sides does a triangle have": "A triangle has three sides.",
    "sides does a square have": "A square has four sides.",
    "ears does a rabbit have": "A rabbit has two ears.",
    "letters are in the alphabet": "There are twenty-six letters in the alphabet.",
    "wings does a bird have": "A bird has two wings.",
    "legs does a table have": "A table has four legs.",
    "colours does a rainbow have": "A rainbow has seven colours.",
    "moons does the earth have": "The earth has one moon.",
}
FRUITS = "apple pear plum cherry orange banana grape strawberry lemon peach".split()
VEGETABLES = "carrot potato onion cabbage pea bean leek radish turnip cauliflower".split()
TOOLS = "hammer saw shovel ladder broom needle knife brush".split()
KINDS = {"fruit": FRUITS, "vegetable": VEGETABLES, "tool": TOOLS,
         "animal": "dog cat cow horse sheep pig owl frog lion mouse wolf bear goat".split(),
         "colour": "red blue green yellow white brown orange purple pink black grey".split(),
         "day": DAYS, "month": MONTHS, "season": list(SEASONS)}
MADE_OF = {"table": "wood", "window": "glass", "bread": "flour and water", "butter": "milk",
           "cheese": "milk", "book": "paper", "coin": "metal", "sock": "wool", "shirt": "cotton",
           "wall": "stone", "snowman": "snow", "jam": "fruit and sugar", "shoe": "leather",
           "key": "metal", "bottle": "glass", "chair": "wood", "newspaper": "paper",
           "cup": "clay", "candle": "wax", "nest": "twigs and grass"}
BODY = {"eyes": "see", "ears": "hear", "nose": "smell", "tongue": "taste", "legs": "walk",
        "hands": "hold things", "teeth": "chew", "feet": "stand", "fingers": "touch"}
WHEN = {
    "eat breakfast": "in the morning", "go to bed": "in the evening", "see the stars": "at night",
    "see the sun": "by day", "build a snowman": "in winter", "pick apples": "in autumn",
    "swim in the lake": "in summer", "plant seeds": "in spring", "eat lunch": "at noon",
    "eat dinner": "in the evening", "wear a warm coat": "in winter", "use an umbrella":
    "when it rains", "see a rainbow": "when the sun shines through the rain",
    "drink water": "when you are thirsty", "light a lamp": "when it is dark",
}
MANNERS = {
    "somebody gives you a gift": "thank you", "you want something": "please",
    "you meet a friend": "hello", "you go home": "goodbye", "you hurt somebody": "I am sorry",
    "you go to bed": "good night", "you meet somebody in the morning": "good morning",
    "it is somebody's birthday": "happy birthday", "somebody thanks you": "you are welcome",
    "somebody sneezes": "bless you",
}
WHY = {
    "do we sleep": "We sleep because our bodies need rest.",
    "do we eat": "We eat because food gives us strength.",
    "does ice melt": "Ice melts because it gets warm.",
    "do birds have wings": "Birds have wings because they need them to fly.",
    "do plants need water": "Plants need water to live and grow.",
    "do we wear coats in winter": "We wear coats in winter because it is cold.",
    "do we wash our hands": "We wash our hands to keep them clean.",
    "do boats float": "Boats float because they are lighter than the water they push away.",
    "is it dark at night": "It is dark at night because the sun is on the other side of the earth.",
    "do bees visit flowers": "Bees visit flowers to drink nectar.",
    "do we read books": "We read books to learn and to enjoy stories.",
    "do cats purr": "Cats purr because they feel well.",
    "do leaves fall": "Leaves fall because trees rest in winter.",
    "should we share": "We should share because it makes everyone glad.",
    "should we tell the truth": "We should tell the truth so that others can trust us.",
}
WHERE = {
    "do fish live": "Fish live in water.", "do bees live": "Bees live in a hive.",
    "does milk come from": "Milk comes from cows.", "do eggs come from": "Eggs come from hens.",
    "does wool come from": "Wool comes from sheep.", "does honey come from": "Honey comes from bees.",
    "does the sun rise": "The sun rises in the east.", "does the sun set": "The sun sets in the west.",
    "do apples grow": "Apples grow on trees.", "do carrots grow": "Carrots grow in the earth.",
    "does rain come from": "Rain comes from clouds.", "does bread come from": "Bread comes from the "
    "bakery.", "can you borrow a book": "You can borrow a book in the library.",
    "can you buy fruit": "You can buy fruit at the market.",
    "do you go when you are ill": "When you are ill, you go to the doctor.",
    "do children learn to read": "Children learn to read at school.",
    "do ships go": "Ships go to the harbour.", "can you see a train": "You can see a train at the "
    "station.",
}
PLURALS = {"child": "children", "mouse": "mice", "foot": "feet", "tooth": "teeth", "man": "men",
           "woman": "women", "goose": "geese", "sheep": "sheep", "leaf": "leaves", "box": "boxes",
           "dog": "dogs", "cherry": "cherries", "house": "houses", "knife": "knives",
           "tree": "trees", "bus": "buses", "baby": "babies", "story": "stories",
           "apple": "apples", "fish": "fish"}
PAST = {"go": "went", "see": "saw", "eat": "ate", "run": "ran", "come": "came", "take": "took",
        "give": "gave", "find": "found", "sing": "sang", "write": "wrote", "play": "played",
        "walk": "walked", "swim": "swam", "bring": "brought", "think": "thought", "make": "made",
        "sleep": "slept", "say": "said", "fly": "flew", "drink": "drank"}
ROOMS = {
    "kitchen": ["a stove", "a table", "a spoon", "a pot", "a sink", "plates", "a kettle"],
    "bedroom": ["a bed", "a pillow", "a blanket", "a lamp", "a wardrobe", "a rug"],
    "garden": ["flowers", "a tree", "bees", "grass", "a bench", "a watering can"],
    "school": ["desks", "books", "pencils", "a blackboard", "a bell", "maps"],
    "barn": ["hay", "a bucket", "a cow", "a wagon", "a ladder", "a rope"],
    "workshop": ["a hammer", "nails", "a saw", "paint", "a brush", "wood"],
    "harbour": ["boats", "gulls", "ropes", "nets", "a lighthouse", "sailors"],
    "forest": ["trees", "moss", "mushrooms", "squirrels", "ferns", "a stream"],
    "bathroom": ["a mirror", "soap", "a towel", "a bathtub", "a comb", "a toothbrush"],
    "library": ["books", "shelves", "a desk", "a globe", "chairs", "maps"],
    "market": ["apples", "bread", "cheese", "flowers", "fish", "eggs"],
    "school bag": ["a book", "a pencil", "a notebook", "an apple", "a ruler"],
    "park": ["trees", "benches", "a pond", "a playground", "paths", "ducks"],
    "farm": ["cows", "hens", "a barn", "a tractor", "a field", "pigs"],
    "beach": ["sand", "shells", "waves", "gulls", "stones", "crabs"],
    "toy box": ["a ball", "a doll", "a train", "a puzzle", "a top", "marbles"],
}
