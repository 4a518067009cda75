"""The first half of the plots of ember's stories: losing, sharing, learning, helping.

A plot is what happens between a story's opening and its ending.  Its text is a row of templates
(grammar.py); an empty one falls away.  Questions of a plot have their answers in every story of it.
"""

import dataclasses

import words as w


@dataclasses.dataclass(frozen=True)
class Plot:
    goal: str  # "a story about a girl who ..."
    summary: str
    text: tuple
    moral: str
    questions: tuple = ()
    things: list = None  # which things and places suit; None: all
    places: list = None
    children_only: bool = False
    avoid: tuple = ()  # what a sentence before the plot must not speak of
    fixed: dict = dataclasses.field(default_factory=dict)  # values that are not drawn


LOST = Plot(
    goal="loses {a item}",
    summary="{Name} lost {his} {item} and {friend} found it {spot}.",
    text=(
        "{Name} [took|brought] {his} {item} with {him}. [{@aside}||]",
        "But [when it was time to go home|after a while|at noon], {he} could not find {his} "
        "{thing}. [\"Where is my {thing}?\" {he} [asked|cried].|\"Oh no! My {thing} is gone,\" "
        "said {name}.|] {@sad}",
        "{He} looked {spot2}[, {spot3}|] and {spot4}, but [it was not there|the {thing} was not "
        "there|{he} found nothing].",
        "[Then|Soon|After a while|Just then] {friend} came [by|along|down the path]. \"[Why are "
        "you sad|What is wrong|What are you looking for], {name}?\" asked {friend}. \"I lost my "
        "{item},\" said {name}. {@offer}",
        "[They looked and looked.|They looked everywhere.|{Friend} looked to the left and {name} "
        "looked to the right.|]",
        "[At last|Finally|Then] {friend} saw something {colour} {spot}. It was the {thing}! "
        "{@thanks}",
    ),
    moral="{name} took good care of the {thing}",
    questions=(("What did {name} lose?", "{Name} lost {his} {item}."),
               ("Who found the {thing}?", "{Friend} found the {thing}."),
               ("Where was the {thing}?", "The {thing} was {spot}.")),
    things=w.SMALL_THINGS + ["kite", "basket", "lantern", "cup", "blanket"], avoid=("{friend}",))

SHARE = Plot(
    goal="learns to share",
    summary="At first {name} did not want to share {his} {thing}, but then {he} did.",
    text=(
        "{Name} had {a item} with {him}. [{@aside}||]",
        "{Friend} saw it and [wanted to play too.|asked, \"May I try it?\"|said, \"What a nice "
        "{thing}! May I hold it?\"]",
        "[But {name} did not want to share|\"No, it is mine,\" said {name}|{Name} held it tight "
        "and shook {his} head].",
        "{Friend} was sad and [sat down alone|went away|looked at the ground|said nothing].",
        "{Name} [played alone, but it was not fun|felt bad|did not feel happy any more].",
        "[That evening|Later|Then] {his} {elder} said, \"[It is more fun to share|{A thing} is "
        "more fun with a friend|Friends share their things|A joy that is shared is twice as "
        "big].\" [{Name} thought about it.|]",
        "So {name} [ran to|called|went to|looked for] {friend} and said, \"[I am sorry. Let us "
        "play together|You can have it for a while|Come and try my {thing}].\"",
        "{Friend} smiled, and they [played together all day|took turns until the sun went down|"
        "played until it was dark].",
    ),
    moral="{name} always shared with {friend}",
    questions=(("Who did not want to share?", "{Name} did not want to share."),
               ("Who told {name} to share?", "{Name}'s {elder} told {him} to share."),
               ("What did {name} have?", "{Name} had {a item}.")))

LEARN = Plot(
    goal="learns to {skill}",
    summary="{Name} practised for a long time and learned to {skill}.",
    text=(
        "{Name} wanted to learn how to {skill}. {He} tried, but it was [hard|very hard|not easy|"
        "harder than it looked].",
        "[{He} made a mistake.|It went wrong.|It did not work at all.|Nothing went right.] \"I "
        "cannot do it,\" said {name}. [{@sad}||]",
        "\"[Try again|Do not give up|You must practise|Be patient],\" said {his} {elder}. "
        "\"[Nobody learns it in one day|Every day you will get better|I will show you how|I could "
        "not do it at first either].\"",
        "So {name} tried again on {day2} and again on {day3}. [Each time it was a little "
        "better.|It "
        "was still hard, but {he} did not stop.|{Friend} watched and cheered.|]",
        "[At last|One week later|Then one day|One fine morning], {name} could {skill}! {@praise}",
    ),
    moral="{name} was not afraid to try new things",
    questions=(("What did {name} want to learn?", "{Name} wanted to learn how to {skill}."),
               ("Who told {name} to try again?", "{Name}'s {elder} told {him} to try again.")))

STORM = Plot(
    goal="is caught in a storm",
    summary="{Name} and {friend} waited for the end of a storm in {hut}.",
    text=(
        "{Friend} was there too, and they played {game}. [{@aside}|]",
        "[Suddenly|All at once|Then] [the sky became dark and the rain began to fall|a strong wind "
        "began to blow|there was thunder over {the_place}].",
        "{Friend} was [scared|afraid|very frightened]. \"[Do not be afraid|Take my {fhand}|Come "
        "with "
        "me|Follow me],\" said {name}. They ran to {hut}.",
        "There they [sat close together|waited|sat down in a corner] and {name} [sang {song}|told "
        "a story about {a quality} {thing}|made a joke]. [Soon {friend} was not afraid any more.|"
        "The storm was loud, but they were dry and warm.|Little by little the storm moved away.]",
        "When [the rain stopped|it was over|the sky was clear again], they saw [a rainbow|the "
        "sun|a bright rainbow]. \"[How beautiful|Look at that|I am glad you were with me],\" said "
        "{friend}.",
    ),
    moral="{friend} was not afraid of storms",
    questions=(("Where did they wait for the end of the storm?", "They waited in {hut}."),
               ("Who was afraid of the storm?", "{Friend} was afraid of the storm."),
               ("What did they play?", "They played {game}.")),
    places=w.OPEN_PLACES, avoid=("{friend}",))

HURT_ANIMAL = Plot(
    goal="helps {a size} {animal}",
    summary="{Name} found {a size} {animal} that was {trouble} and took care of it.",
    text=(
        "There {he} heard {sound}. It came from [under a bush|behind a stone|a hole in the "
        "ground|the tall grass].",
        "{Name} [looked|went closer|bent down] and saw {a size} {animal}. The {animal} was "
        "{trouble}.",
        "\"[Poor little one|Do not be afraid|I will help you|You are safe now],\" said {name}. "
        "{He} gave the {animal} some {food} and [wrapped it in a blanket|sat with it until it "
        "slept|took it to the {helper}|carried it home].",
        "[\"Can I keep it?\" {he} asked.|] {His} {elder} said, \"[We can look after it "
        "together|You "
        "have a kind heart|It needs rest and quiet|It will soon be well].\"",
        "[Day after day|Every day|Every morning and every evening] {name} [fed it|came to see it|"
        "gave it {food} and water]. [{Friend} helped {him}.|]",
        "[Soon|After {number} days|In the end] the {animal} was [strong|well|happy] again. It "
        "[followed {name} everywhere|went back to its family|played with {name} and {friend}|"
        "came back to see {name} every {day2}].",
    ),
    moral="the {animal} was {name}'s friend",
    questions=(("What did {name} find?", "{Name} found {a size} {animal}."),
               ("What was wrong with the {animal}?", "The {animal} was {trouble}."),
               ("What did {name} give the {animal} to eat?", "{Name} gave it some {food}.")),
    places=w.OPEN_PLACES)

BAKE = Plot(
    goal="makes {meal} for a friend",
    summary="{Name} made {meal} for {friend}.",
    text=(
        "[It was {friend}'s birthday, and|{Friend} was sad, and|{Friend} had worked hard, and|]"
        " {name} wanted to make {meal} for {friend}.",
        "\"[What do we need|Can you help me|How do I make it]?\" {he} asked {his} {elder}. \"We "
        "need {ingredients},\" said {his} {elder}.",
        "They went to the market and bought [everything|all they needed]. [The {helper} gave them "
        "a good price.|{@aside}|]",
        "In the kitchen {name} [mixed|stirred|washed the bowls] and {his} {elder} [helped|"
        "watched|found a big spoon|counted the cups]. [Oh no! A spoon fell on the floor.|They "
        "waited and waited.|{Name} sang {song}.|]",
        "When everything was ready, {name} brought {friend} {meal}. \"[This is the best I ever "
        "had|How delicious|How kind of you|For me]!\" said {friend}.",
        "They [sat down together|shared everything and sat] [at the table|in the garden|in the "
        "sun].",
    ),
    moral="they cooked together every {day2}",
    questions=(("What did {name} make?", "{Name} made {meal}."),
               ("What did they need to make {meal}?", "They needed {ingredients}."),
               ("Who helped {name} in the kitchen?", "{Name}'s {elder} helped {him}.")))

FEAR = Plot(
    goal="is afraid of {fear}",
    summary="{Name} was afraid of {fear}, but {friend} helped {him} to be brave.",
    text=(
        "{Name} [had a secret|never told anybody, but it was true|did not like to say it]: {he} "
        "was afraid of {fear}.",
        "One day {friend} [asked|said], \"[Why do you never come with us|What is the matter|Why "
        "do you look so pale]?\" {Name} [looked at the ground|took a deep breath|was quiet for a "
        "while]. \"I am afraid of {fear},\" {he} said.",
        "{Friend} did not laugh. \"I was afraid of {fear2},\" said {friend}. \"[I took one small "
        "step every day|My {elder} held my hand|I sang {song}, and it helped|I counted to {number} "
        "and breathed slowly]. [You can do that too|Let us try it together|I will stay with "
        "you].\"",
        "So they [tried it|tried it together] on {day2}. [It was not easy.|At first {name} "
        "trembled.|{Name} closed {his} eyes.] But {friend} [stood beside {him}|held {his} {hand}|"
        "stayed with {him}], and [nothing bad happened|it was not so bad|soon {he} could smile].",
        "\"[I did it|I am not afraid any more|It was not so bad]!\" said {name}. {@praise}",
    ),
    moral="{name} was not afraid of {fear}",
    questions=(("What was {name} afraid of?", "{Name} was afraid of {fear}."),
               ("What had {friend} been afraid of?", "{Friend} had been afraid of {fear2}."),
               ("Who helped {name}?", "{Friend} helped {name}.")))

BUILD = Plot(
    goal="builds {project}",
    summary="{Name} and {friend} built {project} with the help of the {helper}.",
    text=(
        "{Name} and {friend} wanted to build {project}. {Name} brought {tool} and {friend} brought "
        "{tool2}.",
        "They worked [all morning|for hours|very hard|until noon]. [{@aside}||]",
        "[Then it fell down.|Then a strong wind came, and it broke.|It was harder than they "
        "thought, and it would not stand.|But it was crooked.] \"[We must start again|Let us make "
        "it stronger|I do not understand it],\" [said|sighed] {friend}.",
        "The {helper} [came by|saw them|heard them] and [showed them how to do it|gave them some "
        "good advice|helped them for an hour]. [\"Measure first, then cut,\" said the {helper}.|"
        "\"Begin with the bottom,\" said the {helper}.|]",
        "This time it [stood|held|was strong|did not fall]. \"We did it together,\" said {name}. "
        "[{@glad}|]",
    ),
    moral="they built something new every {season}",
    questions=(("What did {name} and {friend} build?", "They built {project}."),
               ("What did {name} bring?", "{Name} brought {tool}."),
               ("Who helped them?", "The {helper} helped them.")))

GIFT = Plot(
    goal="has no money for a gift",
    summary="{Name} had no money for a gift, so {he} {gift} for {friend}.",
    text=(
        "It was [almost |]{friend}'s birthday, and {name} had no gift. {He} had only [one coin|"
        "{number} small coins|a little money].",
        "In a shop {he} saw {a item}, but it cost too much. {Name} [sat down and thought|was sad|"
        "did not know what to do|walked home slowly].",
        "[Then {he} had an idea.|\"What shall I do?\" {he} asked {his} {elder}. \"The best gifts "
        "are made by hand,\" said {his} {elder}.] So {he} {gift} for {friend}.",
        "\"[I made it myself|It is not much, but it is for you|Happy birthday],\" said {name}. "
        "{Friend} [hugged {him}|was so happy|smiled and smiled]. \"[It is the best gift of all|I "
        "love it|Nobody ever did such a thing for me],\" {fhe} said.",
    ),
    moral="{friend} never forgot that gift",
    questions=(("Whose birthday was it?", "It was {friend}'s birthday."),
               ("What cost too much?", "The {item} cost too much.")),
    avoid=("{item}", "{his} {thing}"))

HONEST = Plot(
    goal="tells the truth",
    summary="{Name} {mishap} and told {his} {elder} the truth.",
    text=(
        "[Back at home|Later, at home|That afternoon, at home], {name} was playing [with the "
        "{thing}|{game} with {friend}] and {mishap}. [Nobody saw it.|It was very quiet in the "
        "house.]",
        "{Name} [was scared|felt bad|wanted to hide|wanted to run away]. [\"Say nothing,\" "
        "whispered a voice in {his} head.|]",
        "\"Who did this?\" asked {his} {elder}. {Name} [looked at {his} feet|took a deep "
        "breath|was "
        "quiet]. Then {he} said, \"It was me. I am sorry.\"",
        "{His} {elder} [nodded|was not angry|thought for a while]. \"[Thank you for telling the "
        "truth|It is good that you told me|That was brave of you]. [Now let us clean it up|We can "
        "fix it together|Next time be more careful].\"",
        "{Name} helped[ with a broom| as well as {he} could|], and soon [it was done|all was well "
        "again|they could laugh about it].",
    ),
    moral="{name} always told the truth",
    questions=(("What did {name} do wrong?", "{Name} {mishap}."),
               ("Who asked {name} about it?", "{Name}'s {elder} asked {him} about it.")))

SICK_FRIEND = Plot(
    goal="visits a sick friend",
    summary="{Friend} was ill, and {name} brought {fhim} {snack}.",
    text=(
        "On {day2}, {friend} did not come[ to play| to {the_place}|]. {Name} waited and waited. "
        "\"{Friend} is ill,\" said the {helper}. \"{Fhe} must stay in bed.\"",
        "{Name} [thought about it|was worried|went home]. {He} packed {snack} and {his} {item} "
        "[and went|and walked|and ran] to {friend}'s house.",
        "{Friend} lay in bed and [looked pale|looked very small|had a red nose]. \"[I am so "
        "bored|I am glad you are here|My head hurts],\" said {friend}.",
        "{Name} gave {fhim} {snack}, and they [played {game}|talked about {the_place}|looked out "
        "of the window and counted birds]. [{Name} told a joke, and {friend} laughed for the first "
        "time that day.|]",
        "\"You may keep my {thing} until you are well,\" said {name}. [The next week|{Number} days "
        "later], {friend} was well again and brought the {thing} back.",
    ),
    moral="{friend} visited everyone who was ill",
    questions=(("Who was ill?", "{Friend} was ill."),
               ("What did {name} bring?", "{Name} brought {snack} and {his} {item}.")))

SEED = Plot(
    goal="plants {a plant}",
    summary="{Name} planted {a plant}, waited a long time, and it grew.",
    text=(
        "The {helper} gave {name} a [small|tiny|brown] seed. \"[Plant it and wait|This will be {a "
        "plant} one day|Take good care of it],\" said the {helper}.",
        "{Name} dug a [small|little] hole, put the seed into it and gave it some water. The next "
        "day {he} looked. Nothing was there. [The day after, {he} looked again. Nothing.|]",
        "\"It does not grow,\" said {name}. \"[Be patient|Good things take time|Give it water and "
        "sun],\" said {his} {elder}.",
        "So {name} waited. {He} watered it every [morning|evening]. [{@aside}|Once {he} sang "
        "{song} "
        "to it.|]",
        "[Then, on {day2},|After {number2} weeks,] there was a small green leaf. It grew and grew. "
        "In {season} it was [a big|a tall|a fine|a beautiful] {plant}! "
        "\"[Look|Come and see], {friend}!\" called {name}.",
    ),
    moral="{name} knew that good things take time",
    questions=(("What did {name} plant?", "{Name} planted {a plant}."),
               ("Who gave {name} the seed?", "The {helper} gave {name} the seed.")))

STUCK = Plot(
    goal="has {a item} stuck in a tree",
    summary="{Name}'s {item} was stuck in a tree, and the {helper} got it down.",
    text=(
        "{Name} [was playing|played] with {his} {item}. [{@aside}|] Then [a gust of wind came|the "
        "wind took it|it flew too high], and the {thing} was stuck in a tree.",
        "{Name} jumped, but the tree was too high. {Friend} [threw a stick|shook the tree|climbed "
        "on a stone], but the {thing} did not [move|fall|come down].",
        "\"What shall we do?\" asked {friend}. \"[Let us ask for help|We need a ladder|I have an "
        "idea],\" said {name}. They ran to the {helper}.",
        "The {helper} [brought a long ladder|had a long stick|came at once] and got the {thing} "
        "down. \"[Here you are|Be careful with the wind|Hold it tight next time],\" said the "
        "{helper}. \"Thank you!\" said {name} and {friend}.",
    ),
    moral="{name} held the {thing} tight when the wind blew",
    questions=(("What was stuck in the tree?", "The {item} was stuck in the tree."),
               ("Who got it down?", "The {helper} got it down.")),
    things=w.FLYING_THINGS, places=w.OPEN_PLACES)

LOST_WAY = Plot(
    goal="cannot find the way home",
    summary="{Name} lost the way, and {a animal} showed {him} the way home.",
    text=(
        "{He} [followed a butterfly|looked for {fruit}|walked and walked] and did not look at the "
        "path. [Soon|After an hour|When {he} looked up], {he} did not know where {he} was.",
        "\"[Hello|Is anybody there|Where am I]?\" called {name}. Nobody answered. {@sad}",
        "Then {a animal} came out of [the bushes|the shadows|a hole]. \"[You look sad|You look "
        "lost|"
        "I have never seen you here],\" said the {animal}. \"I want to go home, but I do not know "
        "the way,\" "
        "said {name}.",
        "\"[Give me some {food}, and I will show you the way|Follow me|Follow the stream, it goes "
        "to "
        "the village|I know every path here],\" said the {animal}.",
        "They walked [over a hill|along a stream|past an old mill|between the trees] and [talked|"
        "sang {song}|counted the stars]. [At last|Soon] {name} saw the lights of {his} house. "
        "\"Thank you, dear {animal}!\" said {name}. {His} {elder} was waiting at the door[ and "
        "hugged {him}|].",
    ),
    moral="{name} never left the path again",
    questions=(("Who showed {name} the way?", "The {animal} showed {name} the way."),
               ("Who was waiting at the door?", "{Name}'s {elder} was waiting at the door.")),
    places=["forest", "meadow", "mountain", "valley", "hill", "field", "park", "orchard",
            "island", "town", "market", "farm"], avoid=("{friend}",))

NEW_CHILD = Plot(
    goal="makes a new friend",
    summary="{Friend} was new, and {name} asked {fhim} to play.",
    text=(
        "There was somebody new that day. {Fhis} name was {friend}, and {fhe} stood alone "
        "in a corner and [said nothing|looked at the ground|held {fhis} bag tight].",
        "[The others played {game} and did not see {fhim}.|The others whispered.|Nobody spoke to "
        "{fhim}.] {Name} [remembered how it is to be alone|thought that {fhe} looked sad|put down "
        "{his} {thing}].",
        "{He} went to {friend} and said, \"Hello, I am {name}. [Do you want to play {game}|Do you "
        "want to see my {item}|Would you like {snack}]?\"",
        "{Friend} [nodded slowly|smiled a little|looked up]. \"[Yes, please|I would like "
        "that|Thank "
        "you],\" {fhe} said[ softly|].",
        "[Soon they laughed together.|They found out that both of them wanted to {dream}.|They "
        "talked until the bell rang.] \"[I was so afraid of today|I did not know anybody|Yesterday "
        "I had no friend here],\" said {friend}, \"[but now I am glad|and now I have a friend|but "
        "now all is well].\"",
    ),
    moral="{name} and {friend} were together every day",
    questions=(("Who was new?", "{Friend} was new."),
               ("Who spoke to {friend}?", "{Name} spoke to {friend}.")),
    avoid=("{friend}",))

FIRST_PLOTS = {
    "lost": LOST, "share": SHARE, "learn": LEARN, "storm": STORM, "hurt animal": HURT_ANIMAL,
    "bake": BAKE, "fear": FEAR, "build": BUILD, "gift": GIFT, "honest": HONEST,
    "sick friend": SICK_FRIEND, "seed": SEED, "stuck": STUCK, "lost way": LOST_WAY,
    "new child": NEW_CHILD,
}
