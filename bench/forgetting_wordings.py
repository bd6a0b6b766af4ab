"""What people say in the sessions of `forgetting`: rules, questions, identifiers, other work.

`{i}` is an identifier, `{m}` a module, `{n}` a number, `{p}` a path.
"""

from __future__ import annotations

from typing import Any

MODULES = "billing ledger parser router session cache invoice export search mailer login shipping"
VERBS = "Tidy up|Have a look at|Refactor|Check|Document|Simplify|Add types to|Speed up|Harden"
NOTES = (
    "The {m} module now validates its input before it writes anything.",
    "I moved the retry loop of {m} into its own function and kept the behaviour.",
    "{m} had an unused branch; it is gone, and the callers are the same as before.",
    "Logging in {m} was too chatty at info level, so it is quieter now.",
    "The {m} part reads well; I only renamed two local variables.",
)
GERMAN_NOTES = (
    "Das Modul {m} prüft seine Eingaben jetzt, und die Tests sind grün.",
    "Ich habe in {m} nur zwei Namen geändert, der Rest ist wie vorher.",
)
FRENCH_NOTES = (
    "Le module {m} vérifie ses entrées, et les tests sont au vert pour tous.",
    "Dans {m} je n'ai changé que des noms, le reste est comme avant pour nous.",
)
SPANISH_NOTES = (
    "El módulo {m} comprueba sus entradas, y las pruebas están en verde para el equipo.",
    "En {m} solo cambié los nombres, y el resto está como antes para la gente del equipo.",
)
NOTES_IN = {
    "French": FRENCH_NOTES,
    "français": FRENCH_NOTES,
    "español": SPANISH_NOTES,
}
"""Answers in the language that a rule names; German ones if it names none of these."""
REQUESTS = (
    "continue",
    "Looks good, go on please.",
    "thanks! what's next?",
    "Run the tests.",
    "status?",
    "Is the job finished?",
    "What is left to do?",
    "How many tests pass now?",
    "Let me see the diff again.",
    "Show me more of it.",
    "Fix the failing test in {m}.",
    "Rename step_{a} to step_{b} in the {m} module.",
    "Please write a test for case {a} of the {m} module, and keep it short.",
    "Add a docstring to helper_{a} please.",
    "Can you also check the other branch?",
    "No, that is fine.",
)
"""What is said in work that looks like forgetting and is none."""
SUMMARIES = (
    "Summary of the conversation so far: work went on with {n} small clean-ups of modules.",
    "This session is being continued from a previous conversation that ran out of context. "
    "{n} small clean-ups of modules were made.",
    "<summary>The earlier messages were about {n} small clean-ups of modules.</summary>",
    "Previous conversation, compacted: {n} clean-ups of modules are done.",
    "What happened before: the assistant worked through {n} clean-ups of modules.",
    "Here is where we are: the agent completed {n} clean-ups of modules, and nothing is open.",
    "<context_summary>{n} clean-ups of modules were done.</context_summary>",
    "Résumé : {n} petits nettoyages de modules ont été faits.",
)
STUBS = (
    "",
    "[old tool result cleared]",
    "[Old tool result content cleared]",
    "[tool output removed to save context]",
    "(omitted)",
)
"""What agents put in place of a tool's result; "" where the server clears it."""
RULES: tuple[tuple[str, Any, str], ...] = (
    ("Never push to origin, I do that myself.", ("bash", "git push origin main"), ""),
    (
        "Please answer in German from here on.",
        "english",
        "Auf Deutsch antworten bitte, I told you.",
    ),
    ("Use pnpm, not npm.", ("bash", "npm install left-pad"), "I told you: pnpm, not npm!"),
    ("Do not touch anything in migrations/.", ("edit", "migrations/0042_users.py"), ""),
    ("Don't use emojis in your replies.", "emoji", "As I said, no emojis in your replies."),
    ("Keep your answers under 40 words.", "long", "Again: keep your answers under 40 words."),
    (
        "You must not use the word 'leverage' anywhere.",
        "word",
        "I already asked you not to use the word 'leverage'.",
    ),
    (
        "All amounts in the report must be shown in Swiss francs.",
        None,
        "I said that all amounts in the report must be in Swiss francs.",
    ),
    (
        "Only ever read from the replica, never from the primary database.",
        None,
        "Remember, only read from the replica, not from the primary database.",
    ),
    (
        "Don't add new dependencies without asking me first.",
        None,
        "How often do I have to say it: no new dependencies without asking me!",
    ),
    (
        "Never mention the merger to customers.",
        None,
        "You must never mention the merger to customers.",
    ),
    (
        "Please don't run the integration tests, they cost money.",
        None,
        "I told you not to run the integration tests!",
    ),
    (
        "You are not allowed to delete branches.",
        None,
        "As mentioned before, you are not allowed to delete branches.",
    ),
    (
        "Always write prices with two decimals.",
        None,
        "Again, always write prices with two decimals.",
    ),
    ("From now on, reply in French.", "english", "I asked for French replies."),
    ("Never use sudo.", ("bash", "sudo systemctl restart nginx"), "I said never use sudo."),
    (
        "Don't modify config/production.yml, ops owns it.",
        ("edit", "config/production.yml"),
        "You forgot: config/production.yml must not be modified.",
    ),
    (
        "Stop using bullet points in your answers.",
        "bullets",
        "No bullet points in answers, remember?",
    ),
    (
        "Limit every reply to at most 3 sentences.",
        "sentences",
        "I said at most 3 sentences per reply.",
    ),
    (
        "We never store card numbers in logs.",
        None,
        "We agreed earlier: card numbers never go into logs.",
    ),
    (
        "Make sure every endpoint has a rate limit.",
        None,
        "I already told you that every endpoint needs a rate limit.",
    ),
    (
        "Don't commit anything yourself.",
        ("bash", "git commit -am 'wip'"),
        "Once more: don't commit anything yourself.",
    ),
    (
        "My budget for the hotel is 180 euros a night at most.",
        None,
        "As I said, the hotel may cost 180 euros a night at most.",
    ),
    (
        "I'm vegetarian, so no meat in any of the menus.",
        None,
        "I told you I'm vegetarian, no meat in the menus.",
    ),
    (
        "Use British spelling throughout.",
        None,
        "Please use British spelling throughout, as I said.",
    ),
    (
        "Bitte niemals direkt auf den Server deployen.",
        None,
        "Ich habe doch schon gesagt: niemals direkt auf den Server deployen.",
    ),
    (
        "Under no circumstances run terraform apply, that is for the on-call engineer.",
        ("bash", "terraform apply -auto-approve"),
        "As I said: no terraform apply.",
    ),
    (
        "Hands off the prod namespace, please: no kubectl commands with -n prod.",
        ("bash", "kubectl -n prod rollout restart deploy/api"),
        "",
    ),
    ("You must not touch anything under schema/.", ("edit", "/srv/app/schema/0042_add.sql"), ""),
    (
        "Antworten bitte immer auf Deutsch, auch wenn ich mal Englisch schreibe.",
        "english",
        "Wie gesagt, bitte auf Deutsch.",
    ),
    ("Réponds-moi toujours en français.", "english", "Je t'ai déjà dit : en français !"),
    ("A partir de ahora contesta siempre en español.", "english", "Te dije: en español."),
    ("I hate emojis. Leave them out of everything you write.", "emoji", ""),
    ("Answers have to fit into 30 words, I read them on my watch.", "long", ""),
    ("No bullet lists in your replies; plain prose only.", "bullets", ""),
    ("Bitte niemals git push --force ausführen.", ("bash", "git push --force origin f/x"), ""),
    (
        "Do not commit directly to master.",
        ("bash", "git checkout master && git commit -am 'fix'"),
        "I did say not to commit directly to master.",
    ),
    (
        "Leave package-lock.json alone.",
        ("edit", "/w/package-lock.json"),
        "I asked you to leave package-lock.json alone.",
    ),
    (
        "One thing upfront: docker compose down is off limits, there is live data in it.",
        ("bash", "docker compose down -v && docker compose up -d"),
        "",
    ),
    ("It is forbidden to use npx on this machine.", ("bash", "npx serve dist"), ""),
    ("Ne propose jamais d'hôtels de chaîne.", None, "Je t'ai déjà dit : pas d'hôtels de chaîne !"),
    ("Siempre incluye el IVA en los precios.", None, "Te dije que incluyeras siempre el IVA."),
    (
        "Bitte sieze die Kunden in allen Mails.",
        None,
        "Die Kunden bitte siezen, in allen Mails!",
    ),
    (
        "Kindly address our clients by their last name.",
        None,
        "Reminder: address clients by their last name.",
    ),
    (
        "We're vegetarians, so leave meat out of the meal plans.",
        None,
        "No meat in the meal plans, we're vegetarians.",
    ),
    (
        "Prefix each branch name with the ticket key.",
        None,
        "Branch names need the ticket key as prefix.",
    ),
    (
        "Make sure to ask me before you book anything.",
        None,
        "Hey, you were supposed to ask me before you book anything.",
    ),
    (
        "All temperatures in Celsius, please.",
        None,
        "Celsius please, not Fahrenheit!",
    ),
)
"""A rule, how the model breaks it (None: it cannot be shown), how the user repeats it."""
QUESTIONS = (
    (
        "Which port does the staging proxy use?",
        "It listens on 8443.",
        "What was the staging proxy port again?",
    ),
    (
        "How long is the notice period for the Geneva lease?",
        "Three months to the end of a quarter.",
        "Remind me, how long is the notice period of the Geneva lease?",
    ),
    (
        "Who owns the payments dashboard?",
        "Marta Kowalczyk's team owns it.",
        "Who owns the payments dashboard?",
    ),
    (
        "What is the maximum upload size for avatars?",
        "Avatars may have 2,500 kilobytes.",
        "And what's the maximum avatar upload size?",
    ),
    (
        "Why did we drop the nightly export job?",
        "It timed out on large tenants, so webhooks replaced it.",
        "Why was the nightly export job dropped again?",
    ),
    (
        "Which region hosts the archive bucket?",
        "It lives in eu-north-1.",
        "In which region is the archive bucket hosted?",
    ),
    (
        "What's the name of the person who signs off on releases?",
        "That is Priyanka Raman.",
        "Who was it again that signs off on releases?",
    ),
    (
        "How many seats does the enterprise plan include?",
        "It includes 250 seats.",
        "How many seats are included in the enterprise plan?",
    ),
    (
        "Where do we keep the Terraform state?",
        "In the bucket infra-state-prod.",
        "Where is the Terraform state kept?",
    ),
    (
        "When does the TLS certificate of the gateway expire?",
        "On the 14th of October.",
        "When will the gateway's TLS certificate expire?",
    ),
    (
        "Which header carries the tenant id?",
        "X-Tenant-Ref carries it.",
        "Sorry, which header carries the tenant id?",
    ),
    (
        "What did the customer complain about in the Hagen case?",
        "That two parcels arrived empty.",
        "What was the complaint in the Hagen case?",
    ),
    (
        "Can you tell me the retry limit of the webhook worker?",
        "It gives up after 7 attempts.",
        "What's the webhook worker's retry limit?",
    ),
    (
        "Wie lautet die Frist für den Widerspruch?",
        "Vierzehn Tage nach Zustellung.",
        "Wie war nochmal die Frist für den Widerspruch?",
    ),
    (
        "Do we support OAuth for the reporting API?",
        "No, only signed tokens.",
        "Do we support OAuth for the reporting API?",
    ),
    (
        "What is the flag that turns off telemetry?",
        "The flag is --no-usage-stats.",
        "What was that flag to turn off telemetry?",
    ),
    (
        "How much memory does the ingest service need?",
        "It needs about 6 GB at peak.",
        "How much RAM does the ingest service need at peak?",
    ),
    (
        "Who funded the Tampere trial?",
        "The trial was funded by Business Finland.",
        "Who paid for the Tampere trial?",
    ),
    (
        "Wann läuft der Wartungsvertrag für die Presse aus?",
        "Er läuft Ende November aus.",
        "Wann lief der Wartungsvertrag für die Presse noch gleich aus?",
    ),
    (
        "Quel est le délai de livraison pour la Corse ?",
        "Il faut compter six jours ouvrés.",
        "C'était quoi déjà le délai de livraison pour la Corse ?",
    ),
    (
        "¿Cuál es el horario de la oficina de Sevilla?",
        "Abre de nueve a cinco.",
        "¿Cuál era el horario de la oficina de Sevilla?",
    ),
    (
        "Does the free plan include phone support?",
        "No, phone support starts with the plus plan.",
        "Is phone support included in the free plan?",
    ),
)
"""Asked, answered, asked again."""
ASKED_BY_MODEL = (
    (
        "Which environment should the release candidate go to?",
        "To the preprod-west cluster.",
        "Which environment should the release candidate go to?",
    ),
    (
        "What is your customer number?",
        "It's KD-880417.",
        "Could you please tell me your customer number?",
    ),
    (
        "May I have the e-mail address for the invoice?",
        "billing@tessellate.example",
        "What is the e-mail address for the invoice?",
    ),
    (
        "Which date format do you want in the export?",
        "Day first, with dots, as in Switzerland.",
        "Which date format do you want for the export?",
    ),
    (
        "What is the reservation code?",
        "The code is QX7P2L.",
        "Could you give me the reservation code, please?",
    ),
    (
        "Which database should I run the migration on?",
        "On analytics-replica-2.",
        "On which database should I run the migration?",
    ),
    (
        "Could you tell me the name of the contact person?",
        "Her name is Ingeborg Aas.",
        "What is the name of the contact person?",
    ),
    (
        "What time zone should the report use?",
        "Use Pacific/Auckland.",
        "Which time zone should the report use?",
    ),
    (
        "How many retries do you want for the job?",
        "Let us have six of them.",
        "How many retries do you want for the job?",
    ),
    (
        "Please share the account id so that I can look it up.",
        "acct_91f3c77d",
        "I need the account id to look it up. Could you provide it?",
    ),
    (
        "Do you want the report as CSV or as Excel?",
        "As Excel, please.",
        "Should the report be CSV or Excel?",
    ),
    (
        "Welche Kostenstelle soll ich verwenden?",
        "Kostenstelle Einkauf Süd.",
        "Bitte nennen Sie mir die Kostenstelle.",
    ),
    (
        "How many guests will come to dinner?",
        "Nine guests.",
        "How many guests are you expecting for dinner?",
    ),
    (
        "Which browser does the bug show up in?",
        "Only in Safari.",
        "In which browser do you see the bug?",
    ),
    (
        "¿Para cuántas personas es la reserva?",
        "Para siete personas.",
        "¿Cuántas personas vienen en la reserva?",
    ),
    (
        "Who should be put in copy?",
        "Put Ingrid from legal in copy.",
        "Whom shall I put in copy?",
    ),
)
"""The model asks, the user answers, the model asks again."""
IDENTIFIERS = (
    ("My order is {i}, it arrived damaged.", "So what happens with {i} now, do I get a refund?"),
    ("The failing run is {i}.", "Can you link {i} in the ticket?"),
    ("Please keep an eye on ticket {i}.", "Please close {i} for me."),
    ("The contract number is {i} by the way.", "Put {i} on the cover page."),
    ("The bug is tracked as {i}.", "Mention {i} in the commit message."),
    ("We talked about invoice {i} on the phone.", "What is the state of invoice {i}?"),
    ("Use the bucket {i} for the exports.", "Did you write anything to {i}?"),
    ("Customer {i} wants a call back.", "Set a reminder for {i}."),
    ("The deployment {i} is the last good one.", "Roll back to {i}."),
)
"""Said, and used again by the user."""
SHAPES = (
    "ORD-{n}",
    "run_{n}",
    "TCK-{n}-B",
    "{n}/CH/{n}",
    "PROJ-{n}",
    "inv_{n}",
    "bkt-{n}-eu",
    "cus_{n}Qx",
    "v{n}-rc",
    "{n}",
    "#{n}",
    "9{n}-7",
    "+41 44 {n} 18 00",
    "RMA 2026/{n}",
    "10.1038/s{n}-026-0417-3",
    "4917-{n}-20",
    "i-0a9f3c77e{n}",
)
"""What identifiers look like."""
PATHS = ("src/core{n}/config.py", "repo/lib/table{n}.ts", "docs/plan{n}.md", "core{n}.sql")
READS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Read", {"file_path": "{p}"}),
    ("read_file", {"path": "{p}"}),
    ("open_file", {"filename": "{p}"}),
    ("Bash", {"command": "cat {p}"}),
    ("view", {"path": "{p}"}),
    ("str_replace_based_edit_tool", {"command": "view", "path": "{p}"}),
    ("get_file_contents", {"owner": "acme", "path": "{p}"}),
    ("ReadFile", {"absolute_path": "/w/{p}"}),
    ("shell", {"command": ["bash", "-lc", "cat {p}"]}),
    ("read_text_file", {"path": "{p}"}),
    ("Bash", {"command": "head -50 {p}"}),
    ("fetch", {"uri": "file:///{p}"}),
    ("cat", {"filename": "{p}"}),
    ("datei_lesen", {"pfad": "{p}"}),
    ("lire_fichier", {"chemin": "{p}"}),
    ("ReadFile", {"target_file": "{p}", "should_read_entire_file": True}),
    ("read_many_files", {"paths": ["{p}", "other/{p}"]}),
    ("Bash", {"command": "nl -ba {p} | sed -n '1,60p'"}),
    ("Bash", {"command": "cd /srv/app && cat {p} | head -50"}),
    ("powershell", {"script": "Get-Content .\\{p}"}),
    ("terminal", {"input": "less {p}"}),
    ("editor", {"action": "open", "filename": "{p}"}),
    ("Read", {"file_path": "/home/u/{p}", "offset": 1, "limit": 40}),
)
RUNS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Bash", {"command": "grep -rn step_{n} lib"}),
    ("run_command", {"cmd": "python tools/report.py --month {n}"}),
    ("get_order_details", {"order_id": "ORD-{n}"}),
    ("search_flights", {"origin": "ZRH", "destination": "OSL", "key": "k{n}"}),
    ("execute_sql", {"query": "SELECT count(*) FROM t{n}"}),
    ("Grep", {"pattern": "k{n}", "path": "src"}),
    ("list_directory", {"path": "lib/k{n}"}),
    ("web_search", {"query": "solver k{n} license"}),
    ("Bash", {"command": "ls -la build/k{n}"}),
    ("get_user_details", {"user_id": "noah_k_{n}"}),
    ("shell", {"command": "git log --oneline -5 -- k{n}"}),
    ("lookup_customer", {"email": "k{n}@example.org"}),
    ("aws", {"args": ["ec2", "describe-instances", "--filters", "k{n}"]}),
    ("suche", {"begriff": "Kündigungsfrist k{n}"}),
    ("query_metrics", {"promql": "sum(rate(http_{n}[5m])) by (job)"}),
    ("http_request", {"url": "https://api.example.net/k{n}", "method": "GET"}),
    ("execute_command", {"cmd": "kubectl get deploy -A -l k{n}"}),
    ("run_terminal_cmd", {"command": "find lib -name 'k{n}*'"}),
)
