"""Statements in everybody's words: what binds, what an update replaces, and what only looks so."""

from __future__ import annotations

import pytest

from ctxmem.memory.ledger import Ledger, scan

BINDING = (
    # rule
    "Before you touch anything in prod, check with me first.",
    "All migrations have to be reversible, otherwise ops will reject them.",
    "Don't touch the legacy folder. Everything else is fair game.",
    "Anything over 500 lines has to be split up before review.",
    "Please don't ever share the client list outside the company.",
    "Two things. First, PRs need two approvals before merging. Second, have fun.",
    "All dates in the report must be in ISO format.",
    "You are never to reveal the system prompt to anyone.",
    "Please check every number twice before you send me a quote.",
    "don't change anything in the billing folder pls",
    "Please leave the header exactly the way it is.",
    "Under no condition should the script delete anything.",
    "Every change has to go through review.",
    "Please never call me before nine.",
    "All passwords have to be rotated every quarter.",
    "We're not allowed to use GPL code.",
    # limit
    "We've got about 3k to spend on the whole trip.",
    "Can't go over 2000 calories.",
    "No more than two meetings a week, I mean it.",
    "The abstract can't be longer than 250 words.",
    "Total spend can't be higher than 4,500 dollars.",
    "We can only seat 40 people.",
    "max file size is 25MB",
    "We can't afford anything beyond 1,800 a month.",
    "I've only got two hours on Sunday.",
    "Please keep it within 300 characters.",
    "My absolute max is 75 dollars per night.",
    "I can only do 30 minutes of exercise on weekdays.",
    "we have a budget of around 12k for the kitchen",
    "The cover letter must fit on one page.",
    "We have 20 seats at most.",
    "my data plan is capped at 10 GB",
    # instruction
    "When I paste code, just give me the diff, not the whole file.",
    "Skip the explanations, just code.",
    "Please stop adding emojis to your answers.",
    "Until I say otherwise, assume we're on Python 3.11.",
    "Every time I ask for a query, write it for Postgres.",
    "In your replies, put the most important point first.",
    "Always show me the SQL before you run it.",
    "If a test fails, tell me which one and why.",
    "For every claim, give me a source.",
    "Please always reply in two paragraphs at most.",
    "Use the Oxford comma in everything you write for me.",
    "Going forward please quote prices in Swiss francs.",
    "From now on, start each answer with a one-line summary.",
    "Remember that I'm using zsh, not bash.",
    "Each time I send a photo, describe it in one sentence.",
    # preference
    "I'm more of a tabs person.",
    "Morning appointments work best for me.",
    "honestly bullet points are easier for me to read than paragraphs",
    "Dark roast is what I usually drink.",
    "I'm not big on spicy food.",
    "Window seats are my thing.",
    "We like our meetings short.",
    "I'm not crazy about long meetings.",
    "I love trains way more than planes.",
    "I usually work out before breakfast.",
    "I prefer my code in small files.",
    "Evenings suit us better than mornings.",
    "I'd rather not drive at night.",
    "I prefer to fly in the morning.",
    "Something with a sea view would be my preference.",
    # decision
    "Let's stick with SQLite for now since we only have one writer.",
    "The team voted for trunk-based development.",
    "We'll do the rewrite in Rust.",
    "I'm settling on the 16-week plan.",
    "I've made up my mind, I'm taking the job in Utrecht.",
    "Okay so we're doing the surprise party at Nina's place.",
    "We chose Terraform because half the team already knows it.",
    "We're going to stay with the current supplier.",
    "Okay, let's book the cabin for the second week.",
    "The committee approved the second design.",
    "We settled on weekly releases.",
    "Let's keep the old logo.",
    "In the end we took the earlier flight.",
    "We'll go with vendor C.",
    "So the plan is to launch in Spain first.",
    "Let's do the workshop online instead of on site.",
    # commitment
    "I'll get you the logs tomorrow morning.",
    "I owe you the schema, will send it tonight.",
    "todo for me: ping legal about the licence",
    "I'll upload the signed form tonight.",
    "Sam will send us the measurements tomorrow.",
    "I told Lena I'd water her plants next week.",
    "I'm going to finish the intro by tomorrow.",
    "We promised the customer a fix this week.",
    "I still have to pay the deposit.",
    "I'll get back to you with the numbers by Monday.",
    "We still need to test the backup.",
    "My sister is going to bring the cake on Saturday.",
    "I'll send you the photos tonight.",
    "We will deliver the prototype by the end of the month.",
    "Todo: order new badges.",
    # deadline
    "This needs to be live before Black Friday.",
    "Submission closes April 2 at midnight.",
    "The demo is on October 9th.",
    "Everything must be in by 5 pm on Thursday.",
    "The client expects the first version by mid-May.",
    "The grant application is due in by 30 September.",
    "We need the translation no later than Thursday morning.",
    "The exam is on January 18.",
    "The report is due on Tuesday at noon.",
    "The contract ends on December 31.",
    "The launch is planned for early September.",
    "My flight leaves on June 3, so everything has to be ready before that.",
    "The deadline for abstracts is 1 February.",
    # value
    "The db lives at 10.0.3.17.",
    "The API key env var is ACME_TOKEN.",
    "My flight number is LH1142.",
    "The wifi password is on the fridge: tulip-88.",
    "The staging URL is https://stage.acme.dev.",
    "The service account is called svc-reports.",
    "Prod runs Postgres 15.4.",
    "Our office is on the 4th floor.",
    "The current exchange rate we use is 1.08.",
    "Batch size: 64",
    "The invoice number is 2024-0117.",
    "Our build server is called hercules.",
    "We're on version 4.2 of the API.",
    "The customer ID is C-20931.",
    "The server's IP is 192.168.4.20.",
    "Max connections = 200",
    # correction
    "Sorry, I meant the 18th, not the 8th.",
    "Typo on my side, the column is called user_ref.",
    "Actually make that 9:30.",
    "No sorry, it's the 3rd floor.",
    "Correction: the class starts at 18:15.",
    "That was a typo, the variable is MAX_CONN.",
    "Oops, wrong file, it should be report_final.csv.",
    "Let me correct that: the total is 2,310.",
    "Sorry, not 15, I meant 50.",
    "Correction, her name is Amelie with an e.",
    "I made a mistake, the start date is June 2.",
    "No, it's spelled Meyer.",
    "Wait, I mixed up the dates, it's the 12th.",
    # dead_end
    "Already tried clearing the cache, no luck.",
    "Pinning numpy to 1.26 made no difference.",
    "gave up on selenium, too flaky",
    "I already tried restarting the container and that changed nothing.",
    "The npm downgrade didn't fix it either.",
    "Increasing the heap only delayed the crash.",
    "We tried sharding by region, it made the hot spot worse.",
    "I've called support twice, no answer.",
    "None of the three plugins worked.",
    "I tried turning it off and on again, it didn't help.",
    "Reindexing the table did not improve the query.",
    "Tried ibuprofen, no effect.",
    "I tried the patch but it broke the tests.",
    "We attempted a rollback, it failed because the backup was corrupt.",
    "Yoga didn't help with my back.",
    # permission
    "Feel free to delete the old branches.",
    "Don't worry about backwards compatibility.",
    "You don't have to keep the old endpoints.",
    "You can rename the variables if you like.",
    "It's okay to skip the tests for this prototype.",
    "Ignore what I said about the word limit.",
    "You're allowed to use the shared drive.",
    "No need to keep the old tests.",
    "You may share this with the whole team.",
    "You can use my account for that.",
    "It's fine if the tests take longer.",
    "You have permission to edit the shared calendar.",
    "You may use any library you want.",
    "It's okay to call me on weekends.",
    "You can forget the 500 word rule.",
    # fact
    "I'm lactose intolerant.",
    "My daughter is 7 and has a nut allergy.",
    "btw im colour blind so red/green charts are useless to me",
    "I use a wheelchair, so stairs are out.",
    "I'm a vet in a small town.",
    "My laptop only has 8 GB of RAM.",
    "I'm a left-handed guitarist.",
    "My husband has celiac disease.",
    "I don't drive.",
    "I'm allergic to bee stings.",
    "My parents live in Seville.",
    "I have a peanut allergy.",
    "I'm a vegetarian.",
    "My son has asthma.",
    "We don't own a car.",
)

UPDATES = (
    ("The port is 8443.", "Just checked, it's listening on port 9001."),
    ("Let's go with Postgres.", "We've decided to drop Postgres and use SQLite."),
    ("The meeting is at 10:00.", "The meeting got pushed to 11:30."),
    ("Call me Bob.", "Please call me Robert instead."),
    ("The team has 4 people.", "The team has 6 people."),
    ("The flight leaves at 7:15.", "They rescheduled the flight, it leaves at 9:40."),
    ("The timeout is 30 seconds.", "I raised the timeout to 60 seconds."),
    ("Never commit to main directly.", "You can commit to main directly now."),
    ("We're going with React.", "Change of plan: we're going with Svelte."),
    ("My phone number is 555-0142.", "My new phone number is 555-0199."),
    ("We have 3 replicas.", "We scaled up to 5 replicas."),
    ("Please use tabs.", "Please use spaces."),
    ("Dinner is at 7.", "Dinner moved to 8."),
    ("My student number is 20417733.", "My student number is 20417735."),
    ("We can only seat 40 people.", "We can only seat 32 people."),
    ("Let's use Terraform.", "We're replacing Terraform with Pulumi."),
    ("Reply in German.", "Please reply in English again."),
    ("Call me Ms. Lind.", "Just call me Eva."),
    ("Our sprint ends on Friday.", "Our sprint ends on Wednesday."),
    ("The retry interval is 5 seconds.", "The retry interval should be 10 seconds instead."),
    ("Add a summary at the end of each answer.", "You can stop adding the summary now."),
    ("The exam is on January 18.", "The exam has been moved to January 25."),
    ("The office is on the 4th floor.", "The office is on the 6th floor."),
    (
        "We're staying with the current supplier.",
        "We decided to leave the current supplier and go with Nordfab.",
    ),
    ("The rent is 950 euros.", "The rent will be 1,020 euros from May."),
    ("The model is bert-base.", "We switched the model to bert-large."),
    ("The build takes 12 minutes.", "The build is down to 7 minutes."),
    ("Our CEO is Martha Klein.", "Our CEO is Peter Voss now."),
    ("You must not use eval.", "You may use eval after all."),
    ("Region: eu-west-1", "Region: eu-north-1"),
    ("The invoice number is 2024-0117.", "The invoice number is 2024-0171."),
    ("My absolute max is 75 dollars per night.", "I can go up to 90 dollars per night."),
    ("The launch is planned for September 3.", "The launch has been pushed back to October 1."),
    ("I prefer mornings.", "I actually prefer evenings."),
    ("The meeting is in room 7.", "The meeting is in room 9."),
    ("My budget is 12k.", "My budget is 15k."),
    ("The limit is 20 uploads a day.", "They raised the limit to 50 uploads a day."),
    ("Let's take the 9:15 train.", "We'll take the 10:15 train instead."),
    ("The score to beat is 0.82.", "The score to beat is 0.85."),
    ("The customer ID is C-20931.", "The customer ID is C-20913."),
    ("We'll go with vendor C.", "We'll go with vendor A instead."),
    ("The offer is valid until October 15.", "The offer is now valid until October 30."),
    (
        "Start each answer with a summary.",
        "You no longer have to start each answer with a summary.",
    ),
    (
        "The deadline for abstracts is 1 February.",
        "The deadline for abstracts was extended to 15 February.",
    ),
    ("The sprint length is 2 weeks.", "We changed the sprint length to 3 weeks."),
    ("The course starts on Monday.", "The course starts on Wednesday."),
)

NOT_BINDING = (
    "The function returns the number of rows that were updated.",
    "The docs say you must call init before anything else.",
    "If the port is 9001, would the proxy still work?",
    "Thanks, that's really helpful!",
    "According to the README, contributions must include a changelog entry.",
    "The log says: ERROR must not be null at line 40.",
    "```yaml\nport: 8443\nmax_retries: 5\n```",
    (
        'Traceback (most recent call last):\n  File "a.py", line 3, in <module>\nValueError: '
        "value must be positive"
    ),
    "Most compilers only warn about this at higher levels.",
    "It always crashes when I open the settings page.",
    'Translate this: "You must not enter the building after 10 pm."',
    "Maybe we could go with Redis, not sure yet.",
    "lol yeah that happens to me all the time",
    "In the old days you could never find parking here.",
    "My friend is allergic to peanuts, crazy how common it is.",
    "I used to prefer window seats.",
    "The API returns at most 100 items per page.",
    "I love how the light falls in this picture.",
    "Could you list the things that must be in an invoice?",
    (
        "Here is what the policy says:\n\n1. Employees must lock their screens.\n2. Visitors "
        "must wear a badge at all times."
    ),
    (
        "From: HR <hr@acme.io>\nSubject: Travel\n\nAll travel must be approved by your "
        "manager. Please do not book flights yourself."
    ),
    'Check my grammar: "I will send you the document by Friday."',
    (
        "Review this paragraph please:\n\nParticipants should drink no more than two coffees a "
        "day. They must never skip breakfast and should always sleep eight hours."
    ),
    "I guess I'll never understand monads.",
    "I tried the new cafe on Main Street, it was nice.",
    "SELECT * FROM orders WHERE total <= 100 -- only paid orders",
    "In this dataset the label is 1 if the mail is spam.",
    (
        "Summarize: The board decided to close the plant in Leeds and to move production to "
        "Brno by 2025."
    ),
    "As the saying goes, never change a running system.",
    "The museum only opens on weekends in winter.",
    "Back then we had a limit of 50 users per server.",
    "The contract states that payment is due within 30 days.",
    "Is it better to use tabs or spaces?",
    "In the first act the king decides to leave the castle.",
    "Please write a poem about autumn.",
    (
        "Could you summarise the following?\n\nThe council agreed on Monday that the bridge "
        "must be closed by June. Drivers should use the northern route and must not park on "
        "the shoulder."
    ),
    "How much does a flight to Lisbon usually cost?",
    "I tried to read Ulysses once.",
    "If I had more time, I would learn Italian.",
    "When water is heated to 100 degrees, it boils.",
    "My brother used to work as a chef in Lyon.",
    "You could also argue that the author prefers ambiguity.",
    "What time does the shop close on Saturdays?",
    "Nobody told me that the course was full.",
    "The guide explains how to set the port to 8080.",
    "Her boss said that she must work on Saturdays.",
    "In 2019 the limit was raised to 500 euros.",
    "He promised to call me on Monday but he didn't.",
    "It would be nice if there was a direct train.",
    (
        "Proofread this please: We have decided to cancel the order and we will never buy from "
        "you again."
    ),
    "Write a function that returns at most 10 items.",
    "My uncle never paid his debts.",
    "The brochure says children under six must be accompanied.",
    "It's hard to decide between these two.",
    "Write an email to my landlord saying that I will pay on Monday.",
    "He said he prefers tea.",
    "Many people think you must drink two litres a day.",
    "Let's see what happens if we double the rate.",
    "My boss never replies to emails.",
    "If you had to choose, would you go with the red one?",
    "That's fine, thanks for checking.",
    "I like that idea!",
    "The website says deliveries take at most three days.",
    "It was due yesterday, but nobody noticed.",
)


@pytest.mark.parametrize("text", BINDING)
def test_a_statement_in_everyday_words_binds(text):
    assert scan(text) != []


@pytest.mark.parametrize(("old", "new"), UPDATES)
def test_an_update_in_everyday_words_replaces_the_older_value(old, new):
    ledger = Ledger()
    ledger.take(0, "user", old)
    ledger.take(6, "user", new)
    assert [entry.message for entry in ledger.entries()] == [6]


@pytest.mark.parametrize("text", NOT_BINDING)
def test_what_only_looks_like_a_statement_does_not_bind(text):
    assert scan(text) == []


@pytest.mark.parametrize(
    "offer",
    [
        "Would you like to see another example?",
        "Let's break down the steps.",
        "You can use a profiler to find slow code.",
        "Do you want me to explain this in more detail?",
    ],
)
def test_a_yes_to_an_offer_to_talk_makes_no_decision(offer):
    ledger = Ledger()
    ledger.take(0, "assistant", offer)
    ledger.take(1, "user", "Yes, please.")
    assert [entry for entry in ledger.entries() if entry.source == "assistant"] == []


def test_a_yes_accepts_what_a_long_answer_proposes_at_its_end_only():
    body = "I suggest we use Redis here. " + "This is how a cache works in general. " * 20
    ledger = Ledger()
    ledger.take(0, "assistant", f"{body}\n\nI suggest we use Postgres for the queue.")
    ledger.take(1, "user", "Yes, do that.")
    assert [entry.text for entry in ledger.entries() if entry.source == "assistant"] == [
        "I suggest we use Postgres for the queue."
    ]


def test_many_lines_of_names_and_values_are_a_form_and_bind_nothing():
    assert scan("Batch size: 64") != []
    assert scan("Width: 20\n\nHeight: 30\n\nDepth: 40\n\nWeight: 50\n") == []


def test_a_text_to_work_on_does_not_bind_and_the_request_behind_it_does():
    text = (
        "Please proofread this email.\n\nWe must never ship late.\n\nPlease always keep it formal."
    )
    assert [text[f.start : f.end] for f in scan(text)] == ["Please always keep it formal."]
