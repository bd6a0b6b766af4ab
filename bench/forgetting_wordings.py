"""Wordings for `forgetting` that were written after its detectors, and never tuned to."""

from __future__ import annotations

from typing import Any

RULES: tuple[tuple[str, Any, str], ...] = (  # as in `forgetting`
    ("Please don't run the integration tests, they cost money.", None,
     "I told you not to run the integration tests!"),
    ("You are not allowed to delete branches.", None,
     "As mentioned before, you are not allowed to delete branches."),
    ("Always write prices with two decimals.", None, "Again, always write prices with two decimals."),
    ("From now on, reply in French.", "english", "I asked for French replies."),
    ("Never use sudo.", ("bash", "sudo systemctl restart nginx"), "I said never use sudo."),
    ("Don't modify config/production.yml, ops owns it.", ("edit", "config/production.yml"),
     "You forgot: config/production.yml must not be modified."),
    ("Stop using bullet points in your answers.", "bullets", "No bullet points in answers, remember?"),
    ("Limit every reply to at most 3 sentences.", "sentences", "I said at most 3 sentences per reply."),
    ("We never store card numbers in logs.", None, "We agreed earlier: card numbers never go into logs."),
    ("Make sure every endpoint has a rate limit.", None, "I already told you that every endpoint needs a rate limit."),
    ("Don't commit anything yourself.", ("bash", "git commit -am 'wip'"), "Once more: don't commit anything yourself."),
    ("My budget for the hotel is 180 euros a night at most.", None, "As I said, the hotel may cost 180 euros a night at most."),
    ("I'm vegetarian, so no meat in any of the menus.", None, "I told you I'm vegetarian, no meat in the menus."),
    ("Use British spelling throughout.", None, "Please use British spelling throughout, as I said."),
    ("Bitte niemals direkt auf den Server deployen.", None, "Ich habe doch schon gesagt: niemals direkt auf den Server deployen."),
)
QUESTIONS = (
    ("What's the name of the person who signs off on releases?", "That is Priyanka Raman.",
     "Who was it again that signs off on releases?"),
    ("How many seats does the enterprise plan include?", "It includes 250 seats.",
     "How many seats are included in the enterprise plan?"),
    ("Where do we keep the Terraform state?", "In the bucket infra-state-prod.",
     "Where is the Terraform state kept?"),
    ("When does the TLS certificate of the gateway expire?", "On the 14th of October.",
     "When will the gateway's TLS certificate expire?"),
    ("Which header carries the tenant id?", "X-Tenant-Ref carries it.",
     "Sorry, which header carries the tenant id?"),
    ("What did the customer complain about in the Hagen case?", "That two parcels arrived empty.",
     "What was the complaint in the Hagen case?"),
    ("Can you tell me the retry limit of the webhook worker?", "It gives up after 7 attempts.",
     "What's the webhook worker's retry limit?"),
    ("Wie lautet die Frist für den Widerspruch?", "Vierzehn Tage nach Zustellung.",
     "Wie war nochmal die Frist für den Widerspruch?"),
    ("Do we support OAuth for the reporting API?", "No, only signed tokens.",
     "Do we support OAuth for the reporting API?"),
    ("What is the flag that turns off telemetry?", "The flag is --no-usage-stats.",
     "What was that flag to turn off telemetry?"),
)
ASKED_BY_MODEL = (
    ("What is the reservation code?", "The code is QX7P2L.", "Could you give me the reservation code, please?"),
    ("Which database should I run the migration on?", "On analytics-replica-2.",
     "On which database should I run the migration?"),
    ("Could you tell me the name of the contact person?", "Her name is Ingeborg Aas.",
     "What is the name of the contact person?"),
    ("What time zone should the report use?", "Use Pacific/Auckland.", "Which time zone should the report use?"),
    ("How many retries do you want for the job?", "Let us have six of them.", "How many retries do you want for the job?"),
    ("Please share the account id so that I can look it up.", "acct_91f3c77d", "I need the account id to look it up. Could you provide it?"),
)
IDENTIFIERS = (
    ("The bug is tracked as {i}.", "Mention {i} in the commit message."),
    ("We talked about invoice {i} on the phone.", "What is the state of invoice {i}?"),
    ("Use the bucket {i} for the exports.", "Did you write anything to {i}?"),
    ("Customer {i} wants a call back.", "Set a reminder for {i}."),
    ("The deployment {i} is the last good one.", "Roll back to {i}."),
)
SHAPES = ("PROJ-{n}", "inv_{n}", "bkt-{n}-eu", "cus_{n}Qx", "v{n}-rc", "{n}", "#{n}", "9{n}-7")
READS = (
    ("view", {"path": "{p}"}), ("str_replace_based_edit_tool", {"command": "view", "path": "{p}"}),
    ("get_file_contents", {"owner": "acme", "path": "{p}"}), ("ReadFile", {"absolute_path": "/w/{p}"}),
    ("shell", {"command": ["bash", "-lc", "cat {p}"]}), ("read_text_file", {"path": "{p}"}),
    ("Bash", {"command": "head -50 {p}"}), ("fetch", {"uri": "file:///{p}"}), ("cat", {"filename": "{p}"}),
    ("Read", {"file_path": "/home/u/{p}", "offset": 1, "limit": 40}),
)
RUNS = (
    ("Bash", {"command": "npm test -- --grep k{n}", "description": "Run the tests"}),
    ("execute_sql", {"query": "SELECT count(*) FROM t{n}"}), ("Grep", {"pattern": "k{n}", "path": "src"}),
    ("list_directory", {"path": "lib/k{n}"}), ("web_search", {"query": "solver k{n} license"}),
    ("Bash", {"command": "ls -la build/k{n}"}), ("get_user_details", {"user_id": "noah_k_{n}"}),
    ("shell", {"command": "git log --oneline -5 -- k{n}"}), ("lookup_customer", {"email": "k{n}@example.org"}),
    ("run_terminal_cmd", {"command": "pytest tests/k{n} -q"}),
)
