"""The second half of the plots of ember's stories: finding, travelling, working, wondering."""

import words as w
from plots import FIRST_PLOTS, Plot

BRIDGE = Plot(
    goal="mends an old bridge",
    summary="The bridge was broken, and {name} and {friend} mended it with {tool}.",
    text=(
        "{Name} wanted to cross the stream, but the little bridge was broken. [A board was "
        "missing.|"
        "The storm had taken two boards.|The rail hung in the water.]",
        "On the other side stood {friend}. \"[I cannot come over|I cannot get home|The water is "
        "too deep]!\" called {friend}. \"[Wait there|Do not jump|I have an idea],\" called {name}.",
        "{He} ran to the {helper} and asked for {tool}. \"[Take it|Of course|I will come with "
        "you],\" "
        "said the {helper}, \"[but be careful|and bring it back tomorrow|many hands make light "
        "work].\"",
        "They worked [until the sun was low|for {number} hours|side by side]. [{@aside}||] At last "
        "the bridge was [strong|whole|safe] again, and {friend} came over. {@thanks}",
        "[An old man crossed the bridge and lifted his hat.|The first to cross it was {a animal}.|"
        "Everyone in the village used the bridge again.]",
    ),
    moral="{name} mended what was broken",
    questions=(("What was broken?", "The little bridge was broken."),
               ("Who was on the other side?", "{Friend} was on the other side."),
               ("What did {name} ask for?", "{Name} asked for {tool}.")),
    avoid=("{friend}",))

BOAT = Plot(
    goal="makes a little paper boat",
    summary="{Name}'s paper boat was carried off, and {a animal} brought it back.",
    text=(
        "{Name} folded a little boat of {colour} paper and put it on the water. The wind [took|"
        "carried] it [far away|to the other side]. \"Come back!\" called {name}.",
        "{A animal} saw the boat. \"[Do not cry|Wait|Stay there],\" said the {animal}. \"[I can "
        "help|"
        "I know what to do|I will get it for you].\" The {animal} [pushed|pulled] the boat "
        "[back|to "
        "the bank|to {name}].",
        "\"Thank you, {animal}! What can I do for you?\" asked {name}. \"I am hungry,\" said the "
        "{animal}. So {name} [gave it|ran home and brought it] some {food}.",
        "They [ate|sat] together by the water and [watched the clouds|talked until evening|threw "
        "stones into the water]. [{@aside}|]",
    ),
    moral="{name} and the {animal} met there every {day2}",
    questions=(("What colour was the boat?", "The boat was {colour}."),
               ("Who brought the boat back?", "The {animal} brought the boat back."),
               ("What did the {animal} get to eat?", "The {animal} got some {food}.")),
    places=w.WATER_PLACES + ["park", "meadow", "valley", "garden"])

RACE = Plot(
    goal="wins a race against {a animal}",
    summary="{Name} won a race against {a animal} because {he} did not stop.",
    text=(
        "{A animal} [sat there|came along] and said, \"[I am the fastest of all|Nobody is as fast "
        "as I am|You are so slow].\" \"[I do not think so|Let us see|We shall see],\" said {name}. "
        "\"Let us race to [the old tree|the well|the gate|the big stone]!\"",
        "{Friend} counted to three, and they ran. The {animal} was [fast|very fast|soon far ahead] "
        "but [stopped to eat {food}|fell asleep in the sun|looked at a butterfly|stopped to talk "
        "to a friend].",
        "{Name} was slower, but {he} did not stop. {He} ran [up a slope|past a cow|over a little "
        "bridge] and [through the mud|around a house|between two trees] and came first.",
        "\"[You won|How did you do that|I do not believe it]!\" said the {animal}. \"[I did not "
        "stop|Step by step|Slow and steady],\" said {name}. The {animal} [laughed|learned "
        "something that day|said, \"Well done\"].",
    ),
    moral="the {animal} did not boast any more",
    questions=(("Who won the race?", "{Name} won the race."),
               ("Who counted to three?", "{Friend} counted to three.")),
    places=w.OPEN_PLACES)

TREASURE = Plot(
    goal="finds an old box",
    summary="{Name} and {friend} found an old box with {a item} in it.",
    text=(
        "{Name} and {friend} were playing {game} when {name} [fell over something hard|saw "
        "something shine|found a strange mark on a stone] {spot}. It was an old box!",
        "\"[It looks heavy|Maybe it is gold|Let us open it],\" [whispered|said] {friend}. But the "
        "box was [locked|shut tight]. They [shook it|pulled and pushed|tried {number} keys], and "
        "nothing happened.",
        "They brought the box to the {helper}. The {helper} [had a small key|knew a trick|took {a "
        "quality} knife] and opened it. In the box was {a item} and a letter.",
        "\"[Whoever finds this may keep it|This was mine when I was young|I leave this to a good "
        "child|Be kind to this {thing}],\" said the letter. [\"It is better than gold,\" said "
        "{friend}.|{Name} read it twice.|]",
        "They [agreed to share the {thing}|took the {thing} in turns, one week each|gave the "
        "{thing} "
        "a place of honour]. [{@glad}|]",
    ),
    moral="they looked for treasures every {day2}",
    questions=(("What was in the box?", "In the box was {a item} and a letter."),
               ("Where was the box?", "The box was {spot}."),
               ("Who opened the box?", "The {helper} opened it.")),
    things=w.SMALL_THINGS + ["lamp", "telescope", "lantern", "teddy bear"],
    avoid=("{item}", "{thing}"))

BORROW = Plot(
    goal="keeps a promise",
    summary="{Friend} lent {name} {a item}, and {name} brought it back as promised.",
    text=(
        "{Friend} had {a item}, and {name} wanted to {want}. \"May I borrow your {thing}?\" asked "
        "{name}. \"Yes, but bring it back [on {day2}|tomorrow|before dinner],\" said {friend}. \"I "
        "promise,\" said {name}.",
        "{Name} [was very careful|had a lovely time|played all day]. {He} {did}. [{@aside}|]",
        "[Then it was time.|When the day came, it rained.|Then {he} nearly forgot.] {Name} did not "
        "want to [go out|give it back], but {he} thought, \"A promise is a promise.\"",
        "{He} [cleaned the {thing}|wrapped the {thing} in paper|put on {his} boots] and [brought|"
        "carried] it to {friend}. \"[You kept your promise|I knew you would come|Thank you],\" "
        "said "
        "{friend}. \"You may borrow it again.\"",
    ),
    moral="everyone trusted {name}",
    questions=(("What did {name} borrow?", "{Name} borrowed {a item}."),
               ("Whose {thing} was it?", "It was {friend}'s {thing}."),
               ("Did {name} bring it back?", "Yes, {name} brought it back.")),
    avoid=("{item}", "{thing}"))

COIN = Plot(
    goal="gives away {his} last coin",
    summary="{Name} wanted to buy {a item} but bought food for {a animal}.",
    text=(
        "{Name} had saved {number} coins to buy {a item}. [\"Today is the day,\" {he} said.|{He} "
        "counted the coins again and again.|]",
        "On the way {he} saw {a size} {animal}. It was [all alone|cold|very hungry] and [looked "
        "at {him} "
        "with big eyes|made a small sound|could hardly walk].",
        "{Name} [stopped|thought for a long time|looked at the coins in {his} {hand}]. Then {he} "
        "bought some {food} for the {animal}. The {animal} ate it all.",
        "Now there was no money for the {thing}. But the {helper} had seen it all. \"[You have a "
        "good heart|I saw what you did|That was kind],\" said the {helper}. \"[Help me on {day2}, "
        "and you shall have the {thing}|I have an old {thing}. It is yours|Come and work for me, "
        "and "
        "soon you can buy it].\"",
        "[And so it was.|And that is how {name} got {a item} after all.|{@glad}]",
    ),
    moral="the {animal} walked beside {name}",
    questions=(("What did {name} want to buy?", "{Name} wanted to buy {a item}."),
               ("Who was hungry?", "The {animal} was hungry."),
               ("How many coins did {name} have?", "{Name} had {number} coins.")),
    places=["market", "town", "village", "station", "harbour", "bakery"],
    avoid=("{item}", "{thing}"))

QUARREL = Plot(
    goal="has a quarrel with a friend",
    summary="{Name} and {friend} quarrelled about {a thing} and made peace again.",
    text=(
        "{Name} and {friend} both wanted the {item}. \"[I had it first|Give it to me|It is my "
        "turn],\" "
        "said {name}. \"[No, I had it first|You always have it|That is not fair],\" said {friend}.",
        "They pulled, and [the {thing} fell into the mud|the {thing} broke|both of them fell "
        "down]. "
        "[{Friend} ran away.|{Name} went home without a word.|Nobody said anything.]",
        "That night {name} could not sleep. \"[What is the matter|Why are you so quiet]?\" asked "
        "{his} "
        "{elder}. {Name} told {ehim} everything. \"[Say that you are sorry|A friend is worth more "
        "than {a thing}|Someone must take the first step],\" said {his} {elder}.",
        "The next morning {name} went to {friend}'s house. {Friend} was [already at the door|on "
        "the "
        "way to {name}]. \"I am sorry,\" they said at the same time, and they laughed.",
        "They [mended|cleaned] the {thing} together and [played {game}|took turns|shared {snack}].",
    ),
    moral="{name} and {friend} never quarrelled about things",
    questions=(("What did they quarrel about?", "They quarrelled about {a item}."),
               ("Who could not sleep?", "{Name} could not sleep.")))

FAIR = Plot(
    goal="plays at {festival}",
    summary="{Name} and {friend} sang {song} at {festival}.",
    text=(
        "Soon it was time for {festival}, and {name} wanted to sing {song} there. {Friend} [could "
        "play the {instrument}|had a clear voice|knew all the words].",
        "They practised every {day2}. [Sometimes they were too fast, sometimes too slow.|The "
        "{animal} listened to them.|At first it sounded terrible.] \"[Listen to each other|Once "
        "more "
        "from the beginning|It is better already],\" said {name}'s {elder}.",
        "Then the day came. There were [so many people|lights in all the trees|long tables with "
        "food]"
        ". {Name}'s knees [shook|were weak]. \"[Look at me and sing|I am with you|We can do it],\" "
        "whispered {friend}.",
        "They began. [First it was quiet, then everybody sang with them.|The whole village "
        "listened.|Even the {helper} stopped talking.] When it was over, people [clapped and "
        "clapped|called for more|threw flowers]. [{@glad}|]",
    ),
    moral="{name} and {friend} made music every {day2}",
    questions=(("Where did they sing?", "They sang at {festival}."),
               ("What did they sing?", "They sang {song}.")))

NOISE = Plot(
    goal="hears a noise in the night",
    summary="{Name} heard {sound} at night; it was only {a size} {animal}.",
    text=(
        "That night {name} lay in {his} {home} and heard {sound}. {He} [sat up|pulled the blanket "
        "over {his} head|held {his} breath]. There it was again!",
        "\"[Who is there?|Is that the wind?|Go away!]\" said {name}. Nobody answered. {He} "
        "[called {his} "
        "{elder}|took {his} {item} and stood up|counted to {number} and stood up].",
        "[Slowly|Quietly|Step by step] {he} went [to the door|to the window|down the stairs] and "
        "opened it. There sat {a size} {animal}. It was [cold|hungry|wet] and [looked up at {him}|"
        "trembled].",
        "\"So it was you!\" {name} laughed. {He} gave it some {food} and a dry place to sleep. The "
        "{animal} [curled up|closed its eyes|sighed] and slept until morning.",
        "[\"Most things are small when you look at them,\" said {his} {elder}.|In the morning "
        "{friend} "
        "did not believe the story until {fhe} saw the {animal}.|]",
    ),
    moral="{name} looked before {he} was afraid",
    questions=(("What did {name} hear?", "{Name} heard {sound}."),
               ("What made the noise?", "{A size} {animal} made the noise.")))

LETTER = Plot(
    goal="writes a letter",
    summary="{Name} wrote a letter to {his} {elder}, and {ehe} came to visit.",
    text=(
        "{Name} missed {his} {elder}, who lived far away. \"I will write a letter,\" {he} said. "
        "{He} "
        "[took a pencil and paper|sat down at the table] and wrote about {the_place}, about "
        "{friend} "
        "and about {his} {item}.",
        "{He} put a pressed flower into the letter and brought it to the post. Then {he} waited. "
        "{Day2} "
        "came and went. {Day3} came and went. There was no answer.",
        "\"[Maybe the letter got lost|Maybe I wrote something wrong|It is such a long way],\" said "
        "{name}. \"[Wait a little|The post is slow in {season}|Good news takes time],\" said "
        "{friend}.",
        "Then there was a knock at the door. It was not the post. It was {his} {elder}! \"[Your "
        "letter "
        "was so beautiful that I had to come|I read your letter {number} times|I wanted to see "
        "your "
        "{thing}],\" {ehe} said. [{@glad}|]",
    ),
    moral="{name} wrote a letter every {day2}",
    questions=(("To whom did {name} write?", "{Name} wrote to {his} {elder}."),
               ("Who was at the door?", "{Name}'s {elder} was at the door.")),
    children_only=True, avoid=("{elder}",))

CART = Plot(
    goal="helps to pull a cart",
    summary="Everyone pulled together and got the {helper}'s cart out of the mud.",
    text=(
        "There stood the {helper} with a cart full of {fruit}. The cart was stuck in the mud. \"[I "
        "cannot move it|It is too heavy for me|It will be dark soon],\" said the {helper}.",
        "{Name} pulled. The cart did not move. {Friend} came and pulled too. It did not move. "
        "[{A animal} came and pushed. It moved a little.|Then {name}'s {elder} came. It moved a "
        "little.]",
        "\"[All together|One, two, three|Once more]!\" called {name}. They pulled and pushed[, and "
        "their feet sank in the mud|, and they were red in the face|], and the cart came out!",
        "\"[Thank you, all of you|I was so worried],\" said the {helper} and gave them "
        "{number} {fruit} each. [They sat on a wall and ate them.|They were muddy and happy.|]",
    ),
    moral="everyone knew that together they were strong",
    questions=(("What was in the cart?", "The cart was full of {fruit}."),
               ("Where was the cart stuck?", "The cart was stuck in the mud."),
               ("Whose cart was it?", "It was the {helper}'s cart.")),
    places=["farm", "market", "village", "hill", "mill", "orchard", "field", "valley", "town"])

GREEDY = Plot(
    goal="eats too many {fruit}",
    summary="{Name} ate too many {fruit} and felt ill.",
    text=(
        "{Name} found a [tree|basket|bowl] full of {fruit}. [They were ripe and sweet.|They "
        "smelled "
        "so good.|Nobody was there.] \"[Just one|Only a few|They are all for me],\" said {name}.",
        "{He} ate {number}. Then {he} ate {number2} more. \"May I have some too?\" asked {friend}. "
        "\"[No, they are mine|There are not enough|Find your own],\" said {name}[ with a full "
        "mouth|].",
        "Soon {name} [held {his} belly|lay down in the grass|did not feel well]. \"[My belly "
        "hurts|I "
        "ate too many|I am so full],\" {he} said.",
        "{Friend} [brought {him} some water|sat down beside {him}|fetched {his} {elder}]. \"[It "
        "will "
        "be better soon|Next time we share, and nobody is ill|Two bellies are better than one],\" "
        "said {friend}.",
        "{Name} [was ashamed|smiled a little]. \"You are kind, and I was not. The rest of the "
        "{fruit} are for you,\" {he} said.",
    ),
    moral="{name} ate a little and shared the rest",
    questions=(("What did {name} eat?", "{Name} ate too many {fruit}."),
               ("How did {name} feel?", "{Name} felt ill."),
               ("Who was kind to {name}?", "{Friend} was kind to {name}.")))

SNOW = Plot(
    goal="has a day in the snow",
    summary="It had snowed, and {name} and {friend} fed a hungry bird.",
    text=(
        "In the night it had snowed. {Name} put on a warm coat and {a colour2} scarf and ran out. "
        "{Friend} [was already there|came with a sled|threw a snowball].",
        "They built a snowman and gave it [a carrot for a nose|two stones for eyes|an old hat]. "
        "They called it {snowman}.",
        "Then {name} saw a little bird {spot}. It was so cold that it could not fly. \"[It has "
        "nothing to eat|The snow is everywhere|Poor thing],\" said {friend}.",
        "They [brought seeds|brought bread] and [a bowl of warm water|a box with hay]. The bird "
        "ate "
        "and [sang a little|shook its feathers|looked at them]. [The next day it came back with "
        "{number} friends.|Then it flew up to {snowman} and sat on its head.]",
    ),
    moral="they fed the birds every winter",
    questions=(("What did they build?", "They built a snowman."),
               ("What was the snowman called?", "The snowman was called {snowman}."),
               ("Where was the bird?", "The bird was {spot}.")),
    places=["park", "garden", "hill", "village", "field", "meadow", "valley", "farm", "forest"],
    avoid=("{friend}",),
    fixed={"season": "winter", "weather": "snowy", "view": "Everything was white and quiet."})

DREAM = Plot(
    goal="wants to {dream}",
    summary="{Name} wanted to {dream}, and the {helper} gave {him} a first chance.",
    text=(
        "More than anything, {name} wanted to {dream}. \"[You are too small|That is only a dream|"
        "Nobody from here ever did that],\" said some. [{Friend} did not laugh.|But {name} did not "
        "listen to them.]",
        "Every evening {he} [read about it in an old book|drew pictures of it in a notebook|told "
        "{friend} about it|thought about it in {his} {home}]. [{@aside}|]",
        "One day the {helper} heard of it. \"So you want to {dream}?\" asked the {helper}. \"[Then "
        "begin today|Come with me|Big things begin small]. [Carry this {thing} for me|Help me with "
        "this {thing}|Hold this {item}], and I will tell you how I began.\"",
        "{Name} [listened for hours|asked {number} questions|worked hard] and came again on "
        "{day2} and "
        "on {day3}. [\"You learn fast,\" said the {helper}.|It was hard, but {he} was glad.|]",
        "[Years later|Many years later|In the end], {name} did it. And who was there to see it? "
        "{Friend}, of course.",
    ),
    moral="{name} told every child to dream",
    questions=(("What did {name} want?", "{Name} wanted to {dream}."),
               ("Who helped {name}?", "The {helper} helped {name}.")))

STARS = Plot(
    goal="looks at the stars",
    summary="{Name} and {friend} looked at the stars and made a wish.",
    text=(
        "In the evening {name} and {friend} lay on {a colour} blanket and looked up. One star came "
        "out, then {number}, then too many to count. [{@aside}|]",
        "\"[Where does the sky end|What are stars made of|Who lights them]?\" asked {friend}. "
        "\"[I do "
        "not know|Nobody knows|Let us ask my {elder}],\" said {name}. \"[Maybe there is somebody "
        "up "
        "there who looks at us|But they are always there, even by day|My {elder} says they are "
        "very "
        "far away].\"",
        "Then a star fell. \"Quick, make a wish!\" said {name}. They closed their eyes. {Friend} "
        "wished for {a item}. {Name} wished that they would always be friends.",
        "\"What did you wish for?\" asked {friend}. \"[It is a secret|If I tell you, it will not "
        "come "
        "true],\" said {name}[ and smiled|]. They stayed until [the moon was high|it was "
        "cold|{name}'s "
        "{elder} called them].",
    ),
    moral="they looked for that star every night",
    questions=(("What did {friend} wish for?", "{Friend} wished for {a item}."),
               ("What did they lie on?", "They lay on {a colour} blanket.")),
    places=w.OPEN_PLACES, avoid=("{item}", "{thing}"))

PLAY = Plot(
    goal="has a happy day with {a item}",
    summary="{Name} and {friend} had a happy day with {a item}.",
    text=(
        "[{Name} had {his} {item} with {him}.|{He} took {his} {item}, because {he} wanted to "
        "{want}.]"
        " [{@aside}||]",
        "{He} {did}. [It was great fun.|{He} did it again and again.|\"Again!\" {he} called.]",
        "Then {friend} came. \"[What are you doing|That looks like fun|Can I join you]?\" asked "
        "{friend}. [\"Come here,\" said {name}.|\"Yes, come,\" said {name}.]",
        "Together they [had even more fun|thought of a new game|laughed so much that their bellies "
        "hurt]. [{A animal} came and watched them.|Then they played {game}.|They shared {snack}.|]",
        "When [the sun went down|the bell rang|it was time for dinner], they [went home arm in arm|"
        "were tired and happy|did not want to stop]. \"[Tomorrow again|This was the best day|See "
        "you "
        "tomorrow],\" said {friend}.",
    ),
    moral="{day2} was their day to play",
    questions=(("What did {name} have?", "{Name} had {a item}."),
               ("Who came to play?", "{Friend} came to play.")),
    avoid=("{friend}",))

PLOTS = FIRST_PLOTS | {
    "bridge": BRIDGE, "boat": BOAT, "race": RACE, "treasure": TREASURE, "borrow": BORROW,
    "coin": COIN, "quarrel": QUARREL, "fair": FAIR, "noise": NOISE, "letter": LETTER, "cart": CART,
    "greedy": GREEDY, "snow": SNOW, "dream": DREAM, "stars": STARS, "play": PLAY,
}
