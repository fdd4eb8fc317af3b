"""Openings that want nothing of the past, and some that want it without naming it."""

from typing import NamedTuple

SMALL_TALK = (
    "thanks!",
    "ok",
    "haha",
    "Thank you so much!",
    "Great, thanks.",
    "Cool.",
    "lol",
    "Sounds good!",
    "Perfect, that works.",
    "Got it.",
    "Okay, makes sense.",
    "Good morning!",
    "Hi there!",
    "Hey, how are you?",
    "How's it going?",
    "What's up?",
    "Good night!",
    "Bye for now.",
    "See you tomorrow!",
    "Talk to you later.",
    "You're the best.",
    "That's awesome.",
    "Wow.",
    "wow, nice!!",
    "Yes.",
    "yep",
    "No, that's all.",
    "nope, all good",
    "Sure.",
    "Sure, go ahead.",
    "Please do.",
    "Please go on.",
    "Continue.",
    "Go on...",
    "Next!",
    "Hmm.",
    "Hm, interesting.",
    "I see.",
    "I see, thanks for explaining.",
    "That's really helpful, thank you!",
    "Oh nice, that helps a lot.",
    "Right.",
    "Exactly!",
    "True.",
    "Fair enough.",
    "Fair point.",
    "Agreed.",
    "Absolutely.",
    "Of course.",
    "No problem.",
    "No worries at all.",
    "My pleasure.",
    "Happy to help :)",
    "👍",
    "❤️❤️",
    "😂😂😂",
    ":)",
    "...",
    "!!",
    "Aw, that's sweet of you.",
    "Haha, you made my day.",
    "hahaha that's hilarious",
    "LMAO",
    "omg",
    "OMG yes!!",
    "oh no",
    "Oops, my bad.",
    "Sorry about that.",
    "Sorry!",
    "Never mind.",
    "nvm",
    "Forget it, it's fine.",
    "It's all good.",
    "All right then.",
    "Alright, cool.",
    "Well, well, well.",
    "Let's do it!",
    "Let's go!",
    "I love it.",
    "Love that!",
    "Amazing work, really.",
    "Brilliant, cheers!",
    "Cheers mate",
    "ty",
    "thx :)",
    "tysm!!",
    "k",
    "kk",
    "mhm",
    "uh huh",
    "One sec.",
    "brb",
    "I'm back.",
    "Just a moment, please.",
    "Congrats!",
    "Good luck!",
    "Have a nice weekend!",
    "Merci beaucoup !",
    "¡Muchas gracias!",
    "Danke schön!",
)


class FollowUp(NamedTuple):
    """Something said long ago, what was asked of it just now, and ways to go on from there.

    None of the openings names what it is about.
    """

    told: str
    asked: str
    answer: str
    openings: tuple[str, ...]


FOLLOW_UPS = (
    FollowUp(
        told=(
            "We looked at two trailers for the boat: the blue one from Rotterdam costs 1,900 "
            "euros, and the grey one from Ghent costs 2,400 but has new axles."
        ),
        asked="How much was the blue boat trailer?",
        answer="The blue one from Rotterdam was 1,900 euros.",
        openings=(
            "And the second one?",
            "What about the other one?",
            "Where was that again?",
            "Which one had the better axles?",
            "And why did we hesitate?",
        ),
    ),
    FollowUp(
        told=(
            "My grandmother's pear cake: 300 g of flour, four eggs, five pears, and a spoon "
            "of cardamom. It bakes for 55 minutes at 170 degrees."
        ),
        asked="How many pears go into grandma's cake?",
        answer="Five pears.",
        openings=(
            "And how many eggs?",
            "How long does it take?",
            "At what heat?",
            "What else goes in?",
            "And the spice?",
        ),
    ),
    FollowUp(
        told=(
            "The dentist said the crown on the upper left costs 640 euros, insurance pays "
            "half, and I have to wear the night guard for three months."
        ),
        asked="What did the dentist say about my crown?",
        answer="It is on the upper left and costs 640 euros.",
        openings=(
            "How much of that do they pay?",
            "And for how long?",
            "What do I have to wear?",
            "Is that before or after the insurance?",
            "What else did she say?",
        ),
    ),
    FollowUp(
        told=(
            "For the garden we chose two roses, Gertrude Jekyll for the arch and Iceberg for "
            "the fence, and both want lime-free compost in March."
        ),
        asked="Which rose did we want for the arch in the garden?",
        answer="Gertrude Jekyll.",
        openings=(
            "And for the fence?",
            "What do they want?",
            "When is that due?",
            "Was there another one?",
            "And the second?",
        ),
    ),
    FollowUp(
        told=(
            "Our band plays on 14 June at the harbour and on 2 July in the brewery. The "
            "harbour pays 300, the brewery pays 450 and dinner."
        ),
        asked="When does the band play at the harbour?",
        answer="On 14 June.",
        openings=(
            "And the other one?",
            "How much do they pay?",
            "Which pays more?",
            "Do we get anything else there?",
            "And after that?",
        ),
    ),
    FollowUp(
        told=(
            "The staging server runs on port 8443 with a certificate that expires on 9 "
            "October; Nadia holds the key and Tomas renews it."
        ),
        asked="On which port does the staging server listen?",
        answer="On 8443.",
        openings=(
            "Who has the key?",
            "When does it expire?",
            "And who renews it?",
            "What about the certificate?",
            "Who else can do that?",
        ),
    ),
    FollowUp(
        told=(
            "We named the puppies Miso, Pickle and Bruno. Miso goes to the neighbours, Pickle "
            "to my aunt in Lyon, and Bruno stays with us."
        ),
        asked="Who takes the puppy called Miso?",
        answer="The neighbours do.",
        openings=(
            "And the second one?",
            "Where does the third go?",
            "Which one stays?",
            "What were they called again?",
            "And the last one?",
        ),
    ),
    FollowUp(
        told=(
            "My thesis has five chapters; chapter three on salt marshes is 40 pages and "
            "Professor Ibsen wants it cut to 25 by Friday."
        ),
        asked="How long is the chapter on salt marshes in my thesis?",
        answer="It has 40 pages.",
        openings=(
            "How short should it be?",
            "By when?",
            "Who wants that?",
            "How many are there in all?",
            "And what did he want cut?",
        ),
    ),
    FollowUp(
        told=(
            "The flat in Porto has two bedrooms for 980 a month, the one in Braga three for "
            "750, and the landlord in Porto wants two months of deposit."
        ),
        asked="What is the rent of the flat in Porto?",
        answer="980 a month.",
        openings=(
            "And the other one?",
            "How many bedrooms?",
            "What deposit do they want?",
            "Which is cheaper?",
            "And the one with three?",
        ),
    ),
    FollowUp(
        told=(
            "For the marathon in Oslo I run four times a week: intervals on Tuesday, a tempo "
            "run on Thursday, and 24 kilometres on Sunday."
        ),
        asked="What do I run on Tuesday for the marathon?",
        answer="Intervals.",
        openings=(
            "And on Sunday?",
            "How far is that?",
            "How often in all?",
            "What comes after it?",
            "And the other days?",
        ),
    ),
)
