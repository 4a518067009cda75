"""The people, things and places of ember's stories, and the pools that plots draw words from.

All of it was written for this project.  Facts that questions ask about are in facts.py.
"""

GIRLS = """Anna Mia Lily Emma Sara Nora Ella Lucy Zoe Ruby Ivy Clara Rosa Maya Lena Tessa Hana Amy
Julia Olga Vera Iris Dora Greta Nina Paula Rita Wendy Alma Edith Marta Frida Ada Beth Carmen Daria
Eva Fiona Gloria Helen Ida Jana Katya Leila Mina Noor Petra Rosie Sofia Tara Una Yara""".split()
BOYS = """Tom Ben Max Leo Sam Jack Finn Noah Oscar Peter Paul Hugo Adam Felix Emil Omar Ivan Luis
Karl Otto Theo Victor Simon Ralph Bruno Milo Henry Erik Jonas Walter Arthur Boris Carl David Elias
Frank George Hassan Jakob Kofi Lukas Marco Nils Pedro Quentin Robin Stefan Tim Uwe Willy Yusuf
Daniel""".split()
ANIMAL_NAMES = """Pip Biscuit Rusty Daisy Coco Buttons Whiskers Patch Pepper Clover Hazel Mocha
Sunny Snowy Spot Bramble Nutmeg Waffle Pebble Ginger Acorn Bubbles Cookie Dusty Fluffy Maple Olive
Pumpkin Tumble Velvet""".split()

# What a hero who is an animal may be: kind to the place where it sleeps.
HEROES = {
    "dog": "kennel", "cat": "basket", "duck": "nest", "horse": "stable", "owl": "hollow tree",
    "frog": "pond", "mouse": "hole", "rabbit": "burrow", "bear": "cave", "fox": "den",
    "squirrel": "tree", "hedgehog": "pile of leaves", "turtle": "hollow log", "goat": "barn",
    "badger": "den", "mole": "tunnel", "sparrow": "nest", "otter": "den", "lamb": "fold",
    "kitten": "basket", "puppy": "basket", "donkey": "stable",
}

COLOURS = """red blue green yellow white brown orange purple pink black grey golden silver
turquoise""".split()
TRAITS = """kind brave clever curious quiet shy gentle patient cheerful careful stubborn funny
friendly honest lazy playful polite proud sleepy lively thoughtful bold merry calm dreamy""".split()

# thing: (what one wants to do with it, what one did with it)
THINGS = {
    "ball": ("play catch", "threw the ball high and caught it again"),
    "kite": ("fly it in the wind", "let the kite dance in the wind"),
    "book": ("read in the shade", "read the book from the first page to the last"),
    "basket": ("gather berries", "filled the basket with berries"),
    "lamp": ("see in the dark", "lit the lamp and looked around"),
    "drum": ("make music", "beat the drum until everyone danced"),
    "hat": ("keep the sun away", "put on the hat and felt like a king"),
    "boat": ("sail it on the water", "pushed the boat onto the water"),
    "shovel": ("dig a deep hole", "dug a hole with the shovel"),
    "whistle": ("call the birds", "blew the whistle three times"),
    "scarf": ("keep warm", "tied the scarf around a snowman"),
    "blanket": ("rest on the grass", "lay down on the blanket"),
    "bucket": ("carry water to the flowers", "filled the bucket with water"),
    "umbrella": ("stay dry", "opened the umbrella and stayed dry"),
    "map": ("find the way to the sea", "looked at the map for a long time"),
    "bell": ("hear it ring", "rang the bell as loudly as possible"),
    "doll": ("have a tea party", "gave the doll a cup of tea"),
    "lantern": ("light the path", "hung the lantern on a branch"),
    "ribbon": ("tie up a gift", "tied the ribbon in a bow"),
    "coat": ("keep warm", "put on the coat and felt warm"),
    "puzzle": ("put the last piece in", "put every piece of the puzzle in its place"),
    "wagon": ("carry heavy stones", "pulled the wagon up the path"),
    "flute": ("play a song", "played a soft song on the flute"),
    "box": ("keep secrets in it", "looked into the box again and again"),
    "ring": ("wear it like a queen", "held the ring up to the light"),
    "mirror": ("catch the sunlight", "caught the sunlight with the mirror"),
    "paintbrush": ("paint the sky", "painted a rainbow with the paintbrush"),
    "marble": ("roll it down the path", "rolled the marble down the path"),
    "train": ("play station master", "pushed the train along the path"),
    "feather": ("write with it", "tickled everyone with the feather"),
    "rope": ("make a swing", "made a swing with the rope"),
    "pillow": ("sleep in the sun", "slept on the pillow for an hour"),
    "clock": ("know the time", "listened to the clock"),
    "notebook": ("draw all the birds", "drew a bird in the notebook"),
    "bicycle": ("ride very fast", "rode the bicycle round and round"),
    "cup": ("drink cold water", "drank cold water from the cup"),
    "bag": ("collect shells and stones", "put shells and stones into the bag"),
    "telescope": ("look at the moon", "looked through the telescope"),
    "balloon": ("watch it float", "let the balloon float on its string"),
    "teddy bear": ("have a picnic", "sat the teddy bear on a chair"),
    "pencil": ("draw a map", "drew a map with the pencil"),
    "button": ("sew it on a coat", "turned the button over and over"),
    "top": ("make it spin", "made the top spin for a whole minute"),
    "sled": ("slide down the slope", "sat on the sled and held on"),
}
SMALL_THINGS = """ball book whistle scarf map bell doll ribbon flute ring mirror paintbrush marble
feather notebook cup pencil button top hat puzzle train""".split()
FLYING_THINGS = "kite ball balloon hat scarf feather ribbon".split()
QUALITIES = """old new little big shiny pretty wooden beautiful simple round lovely special favourite
tiny bright""".split()

# place: (in or at it, what was to be seen there)
PLACES = {
    "park": ("in", ["There were tall trees and old benches.", "Children played on the grass."]),
    "forest": ("in", ["The trees were tall and the moss was soft.", "It smelled of leaves."]),
    "beach": ("on", ["There were shells in the sand.", "The waves came and went."]),
    "farm": ("on", ["There were cows, hens and a big barn.", "The hay smelled sweet."]),
    "garden": ("in", ["There were flowers of every colour.", "Bees flew from flower to flower."]),
    "market": ("at", ["People sold fruit, bread and cheese.", "It was full of voices."]),
    "school": ("at", ["There were desks, books and a long blackboard.", "A bell rang."]),
    "library": ("in", ["There were books up to the ceiling.", "Everybody spoke softly."]),
    "river": ("at", ["The water was cold and the stones were smooth.", "Fish swam by."]),
    "hill": ("on", ["From there one could see the whole village.", "The grass was long."]),
    "lake": ("at", ["Ducks swam between the reeds.", "The water was like a mirror."]),
    "village": ("in", ["There were small houses and an old well.", "Smoke rose from a chimney."]),
    "meadow": ("in", ["There were daisies and butterflies.", "The grass was wet with dew."]),
    "harbour": ("at", ["Boats went in and out.", "Gulls cried above the masts."]),
    "old bridge": ("at", ["The stones of the bridge were green.", "Water ran under it."]),
    "mill": ("at", ["The big wheel turned and turned.", "There was flour on everything."]),
    "orchard": ("in", ["The trees were full of apples.", "A ladder stood by a tree."]),
    "playground": ("on", ["There was a swing and a slide.", "There was a big sandpit."]),
    "station": ("at", ["A train was just leaving.", "People waited with their bags."]),
    "old castle": ("at", ["The walls were thick and grey.", "Ivy grew on the tower."]),
    "bakery": ("at", ["It smelled of warm bread.", "There were cakes in the window."]),
    "barn": ("in", ["Hay lay up to the roof.", "A horse looked over its door."]),
    "museum": ("in", ["There were stones and bones behind glass.", "The rooms were very high."]),
    "mountain": ("on", ["Snow lay at the top.", "The air was cold and clear."]),
    "pond": ("at", ["Frogs sat on green leaves.", "A dragonfly flew over the water."]),
    "field": ("in", ["The corn was high and yellow.", "Poppies grew at the edge."]),
    "lighthouse": ("at", ["The stairs went round and round.", "The light turned slowly."]),
    "workshop": ("in", ["There was wood everywhere.", "Tools hung on the wall."]),
    "town": ("in", ["There were many shops.", "Bells rang from a tower."]),
    "island": ("on", ["Nobody lived there but the birds.", "The sand was white."]),
    "well": ("at", ["The water was deep and cold.", "A bucket hung on a rope."]),
    "valley": ("in", ["A stream ran through it.", "Sheep stood on the slopes."]),
}
WATER_PLACES = "river lake harbour pond beach".split()
OPEN_PLACES = ["park", "forest", "beach", "farm", "garden", "river", "hill", "lake", "meadow",
               "old bridge", "orchard", "mountain", "pond", "field", "valley", "island"]

# weather: how it was
WEATHER = {
    "sunny": ["the sun was warm", "the sky was blue", "the sun shone"],
    "rainy": ["the rain fell softly", "there were puddles everywhere", "it rained a little"],
    "windy": ["the wind shook the trees", "the leaves flew about", "the wind sang"],
    "snowy": ["the snow lay deep", "everything was white", "snow fell slowly"],
    "foggy": ["the fog was thick", "one could not see far", "the world was grey and quiet"],
    "cloudy": ["grey clouds hid the sun", "the clouds were low", "the sky was grey"],
    "cold": ["there was ice on the puddles", "the air was cold", "frost lay on the grass"],
    "warm": ["the air was soft", "a warm wind blew", "bees were about"],
}

ELDERS = {"mother": "she", "father": "he", "grandmother": "she", "grandfather": "he",
          "aunt": "she", "uncle": "he", "big sister": "she", "big brother": "he"}
# Grown-ups who help: job to pronouns' key.
HELPERS = {"baker": "he", "farmer": "he", "doctor": "she", "teacher": "she", "librarian": "she",
           "sailor": "he", "painter": "she", "gardener": "he", "cook": "he", "driver": "she",
           "nurse": "she", "tailor": "he", "carpenter": "he", "shepherd": "he",
           "fisherman": "he", "clockmaker": "he", "postwoman": "she", "miller": "he",
           "singer": "she", "captain": "she"}
# A small animal of a story: what it eats.
ANIMALS = {"bird": "seeds", "cat": "fish", "dog": "bones", "duck": "bread", "mouse": "cheese",
           "rabbit": "carrots", "fox": "berries", "hedgehog": "apples", "squirrel": "nuts",
           "lamb": "grass", "turtle": "lettuce", "frog": "flies", "goat": "hay", "owl": "mice",
           "pony": "oats", "hen": "corn"}

# meal: what it is made of
MEALS = {
    "soup": "water, carrots, onions and salt", "bread": "flour, water, yeast and salt",
    "an apple pie": "flour, butter, sugar and apples", "pancakes": "flour, milk and eggs",
    "a chocolate cake": "flour, eggs, sugar and chocolate",
    "a salad": "lettuce, tomatoes and a little oil", "porridge": "oats, milk and honey",
    "cookies": "flour, butter and sugar", "a vegetable stew": "potatoes, beans and carrots",
    "rice with beans": "rice, beans and an onion", "plum jam": "plums and sugar",
    "a fruit salad": "apples, pears and grapes", "dumplings": "flour, eggs and potatoes",
    "a cheese sandwich": "bread, butter and cheese", "lemonade": "water, lemons and sugar",
    "an omelette": "eggs, milk and salt",
}

# Pools: a slot {spot} draws from "spot" once a story; {spot2} draws another.
POOLS = {
    "colour": COLOURS,
    "trait": TRAITS,
    "quality": QUALITIES,
    "elder": list(ELDERS),
    "helper": list(HELPERS),
    "animal": list(ANIMALS),
    "meal": list(MEALS),
    "weather": list(WEATHER),
    "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
    "season": "spring summer autumn winter".split(),
    "number": "two three four five six seven eight nine ten".split(),
    "spot": ["under a bench", "behind a tree", "in the long grass", "under a bush",
             "behind a wall", "near the gate", "between two stones", "in a puddle",
             "under a pile of leaves", "beside the path", "in a hollow tree", "behind a barrel",
             "under a cart", "next to the fence", "on top of a wall", "inside an old boot",
             "under a wooden step", "behind the door"],
    "skill": ["swim", "ride a bicycle", "whistle", "read", "draw a horse", "play the drum",
              "skate", "climb a tree", "bake bread", "fly a kite", "count to one hundred",
              "write a letter", "tie a knot", "dance", "sing a song", "row a boat", "knit a scarf",
              "play chess", "tell the time", "plant a tree", "catch a ball", "juggle",
              "jump over the stream", "play the flute", "mend a sock", "walk on a wall"],
    "project": ["a tree house", "a raft", "a bridge over the stream", "a little hut",
                "a bird house", "a stone tower", "a swing", "a windmill", "a bench", "a cart",
                "a scarecrow", "a rabbit house", "a fence"],
    "tool": ["a hammer", "some wood", "a shovel", "a long rope", "a saw", "a box of nails",
             "a bucket of paint", "a ladder", "a pair of gloves", "a measuring tape"],
    "plant": ["sunflower", "pumpkin", "bean", "tulip", "rose", "tomato", "carrot", "apple tree",
              "lemon tree", "strawberry", "lavender", "cherry tree"],
    "fruit": ["apples", "pears", "plums", "cherries", "grapes", "peaches", "strawberries",
              "blackberries", "oranges", "figs"],
    "sound": ["a strange noise", "a quiet scratching", "a soft knocking", "a low hum",
              "a little squeak", "a rustling", "a tapping"],
    "fear": ["the dark", "thunder", "deep water", "high places", "big dogs", "the wind at night",
             "the cellar", "speaking in front of people"],
    "song": ["an old song", "a song about the sea", "a song about the moon", "a funny song",
             "a song about spring", "a slow song", "a song about a brave mouse"],
    "game": ["hide and seek", "tag", "catch", "cards", "ninepins", "hopscotch", "marbles",
             "follow the leader"],
    "festival": ["the summer fair", "the harvest feast", "the spring dance", "the lantern walk",
                 "the village feast", "the winter market"],
    "gift": ["painted a picture of {the_place}", "made a card", "picked a bunch of flowers",
             "wrote a song", "carved a little bird", "baked {number} cookies", "folded a paper star",
             "made a necklace of shells", "knitted a small scarf"],
    "mishap": ["broke a cup", "broke the window", "spilled the milk", "tore the curtain",
               "knocked over the lamp", "dropped the eggs", "lost the key of the shed",
               "spilled ink on the table", "let the hens out"],
    "dream": ["be a sailor", "see the sea", "be a painter", "climb the highest mountain",
              "have a garden", "be a baker", "see the whole world", "be a doctor", "drive a train",
              "write a book", "keep bees", "build ships"],
    "snack": ["a piece of bread", "an apple", "a slice of cake", "some cheese", "a pear",
              "a warm bun", "a bowl of soup", "a cup of milk", "some nuts", "a honey cake"],
    "size": ["small", "little", "big", "tiny", "thin", "fat", "young", "old"],
    "trouble": ["hurt", "hungry", "lost", "cold", "all alone", "too weak to stand",
                "caught in a net", "stuck in a fence"],
    "hut": ["a little hut", "an old barn", "a hollow tree", "a cave", "an empty shed",
            "a fisherman's hut", "an old tower"],
    "instrument": ["flute", "drum", "violin", "guitar", "trumpet", "accordion"],
    "snowman": ["Mister Cold", "Uncle Frost", "Old Winter", "Captain Carrot", "King Snow",
                "Lady Flake", "Sir Icicle"],
}
