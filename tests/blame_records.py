"""Records of questions, and a model that answers them by a rule, for the tests of blame."""

from __future__ import annotations

from ctxmem import blame

REFUND = "Refunds are paid within thirty days of the purchase, to the same card."
OLD = "Refunds are paid within ninety days of the purchase, to the same card."
PARCEL = "Parcels that nobody takes go back to the shop after seven days at the latest."
STAMP = "Whoever moves tells the office two weeks ahead, in a letter with a stamp."
ASK = "How long do refunds take?"
EXPECTED = {ASK: "thirty days"}


def hits(*texts, query=ASK, **more):
    return {"query": query, "hits": [{"text": text, "id": text[:6]} for text in texts], **more}


def request(user, system="You help.", **more):
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    return {"model": "m", "messages": messages, **more}


def last(messages):
    return messages[-1]["content"]


def one(records, rule, expected=EXPECTED, **options):
    """Blame one question, asked of a model that answers the last message by a rule."""
    model = rule if isinstance(rule, Asked) else Asked(rule)
    found = blame(records, model=model, expected=expected, **options)
    assert len(found.questions) == 1
    return found.questions[0]


class Asked:
    """A model that answers by a rule and keeps what it was asked."""

    def __init__(self, rule):
        self.rule = rule
        self.requests = []

    def __call__(self, messages):
        self.requests.append(messages)
        return self.rule(last(messages))
