"""What people say, and the words by which interfaces name the same: a table of general English.

The left side is everyday speech, words and phrases; the right side are words of
names and descriptions of tools. Unlike the groups of `words`, it is read from left to right only:
who speaks of a plane may mean a flight, but a flight is no plane. The table names no tool of any
server. It was written from general knowledge of offices, software, shops, travel and homes, and
from misses of the training questions of `bench/fit_tools.py`.
"""

from __future__ import annotations

from functools import lru_cache

from ctxmem.toolset.words import LONGEST, stem, word_list

_SAID = """
fly, flying, plane, airport, airline: flight
sleep, stay, overnight, lodging, accommodation, hostel: hotel room
wheels, vehicle, rental: car rent
papers, passport, enter, border: visa requirement entry
boarding, boarding pass: check flight
departure, delayed, on time, take off: flight status
window, aisle: seat
trip, vacation, travel: flight hotel travel directions
taxi, drive, walk, cycle, by car, on foot: directions route
traffic, how far, how long: distance duration directions
where is: search find location locate
nearby, around here, close by, near me: place nearby search
eat, dinner, lunch, restaurant, bar, cafe: place restaurant search
rain, umbrella, sunny, snow, windy, jacket, degrees: weather forecast
pounds, dollars, euros, kroner, yen: amount price currency
song, sings, singer, band, tune: track music
listen, listening: play track recording
music, playlist: track playback
loud, louder, quieter, too loud, turn it down, turn it up: volume
quiet, silence, hush: pause mute volume
hate, skip: skip next
like, love, favourite, favorite: save like
more like: recommendation similar
most played, listen to most: top
clip, clips, video, tutorial: video
followers, viewers, audience: subscriber comment statistics
captions, subtitles, said in: transcript
bright, brighter, dim, dark: light brightness
freezing, cold, chilly, warm, hot: temperature heating
turn on, switch on, turn off, switch off, on, off: turn switch start stop
blinds, curtains, shades, garage: cover open close
vacuum, hoover: vacuum start
kitchen, bedroom, hallway: area light
shopping, groceries, buy: list item add order
owe, owes, owed, late with, unpaid, pay us: receivable overdue unpaid invoice
earn, earned, profit, loss, margin: profit revenue report
own and owe: balance sheet
bill: invoice bill
receipt, bought, purchase: expense receipt order
supplier, electricity, rent: vendor bill
revenue, turnover, how was business, takings: sales report
money back, pay back, give back: refund
double charge: refund charge
payout, paid out: payout balance
chargeback, disputes: dispute
price, cost, costs: price
subscribe, sign up, signs up: subscription subscribe register
seats, upgrade, downgrade, switch plan, yearly, monthly: subscription plan update
trial, renew, renewal: subscription
voucher, promo, per cent off, off: discount coupon code
basket, cart: checkout cart
left without paying, abandoned: abandoned
stock, how many left, left: inventory quantity
warehouse, counted: inventory location
parcel, shipped, ship, delivery: order fulfillment shipping tracking
changed mind: cancel
client, buyer, shopper: customer
sell, selling: product sale
business card: contact lead
qualified: lead convert
won, closed won, lost: deal opportunity stage
worth, quarter, pipeline: deal opportunity report
coffee with, talked, met with: log call activity note meeting
know anybody, know anyone, who do we know, contact at: contact search
boss, okay, sign off, go ahead: approval approve apply
rep, reps, numbers: report
same company, duplicates: merge duplicate
complaint, complains, complained: ticket
happy, satisfied, unhappy: satisfaction rating
customer says, help desk: ticket
canned, standard answer: macro template
drop a line, email, mail: send mail message
newsletter, mailing: campaign subscriber audience
opened, clicked, bounced: report open click
taken off, opt out, remove me: unsubscribe subscriber
on leave, holiday, vacation, out of office, away: vacation automatic reply responder status
off sick, absent: status automatic
inbox, new mail: message list mail
come back to, later: flag snooze remind
junk, spam, scam, phishing: spam delete trash
get back to, answer, respond: reply
everybody, everyone, all of them: all
attached, attachment, came with it: attachment
letter, wrote, sent: message mail search
in my name, polite: draft
check it first, don't send, not send yet: draft
pass on, pass it on, should have: forward share
diary, agenda: calendar event
book, slot, half an hour, an hour: meeting event schedule
get us on, call with: meeting schedule
free, available, busy: availability free busy
when can, find a time, look for a slot, good time: time suggest find availability
call off, called off, is off, cancelled: cancel delete
postpone, push, later, earlier, reschedule: update move
come along, attend, attending, coming: attendee respond accept
turned up, showed up, joined: participant attendee
recorded: recording transcript
text, texts, texting, sms: sms message send
ring, phone: call phone
belongs to, really: verify verification
remember, keep in mind, don't forget: memory create add entity
forget: delete memory
you know, you remember: memory search read graph
remind, reminder, remind me: task reminder add
to do, have to do, on my list: task find list
tick off, tick it off, done with, finished: complete close
list for: list project create
recurring, every day, every week: recurring schedule
overdue: overdue task filter
on my plate, on plate, working on, busy with: assigned assignee list issue
break down, break into, split into, below it: subtask parent create
bump, urgent: priority update
slipping, behind schedule, on track: status project update health
usually get through, capacity: velocity
blocked by, depends on, before: link dependency relation
hours: worklog log time
move to done, put on done: transition status
find out, look up, dig up: search find get
catch me up, catch up, what's new, going on: history message list read recent
room, lounge: channel
folks, people: member user
throw out, kick out, kick him: remove ban delete
cool down: timeout mute
vote, voting, poll: poll create
top of channel, easy to find: pin
moderator, admin: role permission
smile, smiley: reaction emoji
discussion, below that: comment thread reply
privately, in private: direct message
heads up, let know, let everyone know: message send post notify
leave word, leave a note, remark: comment create
jot down, note down: note add
second pair: review reviewer request
green, broken build, failed build: build pipeline status job check
looks right, lgtm: approve review
uncommitted, altered, changed: status diff change
who wrote, who changed: blame commit log
save my work, record them: commit add
hand over, hand it over: assign reassign
new line, not on main: branch create
go over to, switch to: checkout switch
clean tree, put aside: stash
bring in, get what: pull fetch
get it up: push upload
undo, take back, back to before: revert reset rollback undo
ship, roll out, bring live, live: deploy release rollout
old state, yesterday's, how did it look: version history revision restore
spin up, bring up: run start create
running on, runs on, what's running: list container process active
box, server, machine: instance vm container host
bake: build image
hogs, eats, uses up: usage stats cpu memory top
full, room left, space left: usage space memory info
complains, complain, says: log
dies, crashes, crashed: log crash error container
inside: exec container
no longer needs, nothing needs: prune unused
blow up, blows up, break, breaks, breaking, run into: error issue exception find
load slowly, take ages, takes ages, sluggish, takes long, slow: slow transaction latency query
crashing less: release crash
root cause, cause: analyze explain root
wake, whose turn, on duty, shift: on-call oncall
takes over, swap shift, my shift: override schedule
looking at it: acknowledge
burning, on fire, down for: incident alert
all green, all clear: resolve incident
alarms, alarm, pages, paged: alert incident silence maintenance
write up, what went wrong: postmortem incident
would change, what would: plan run
hcl, arguments: documentation provider
burn, burned, spend, spent on: cost budget usage
rights, can't read, can't see, give access: permission role access share grant
more cores, more memory, bigger: resize scale update
visitors, new one first, canary: traffic split
off the server: drain
instances of: replica scale
automatically scale: autoscale
scheduled on: describe events
rotate: secret update rotate
expires, temporary link, until friday: link expire presigned
point to, resolve to: dns record
open the port, allow from: firewall ingress rule authorize
reply from, average, per month, per country, per day, how many: query aggregate count
columns, fields: schema describe table
stored under, cached, cache: cache key redis get
entries, start with: key scan list
stale: delete
quick, faster, speed up: index create
empty, entirely, everything: flush clear all
remove double, twins: delete duplicate
dump: export
load into: import insert
layout: tree structure
what is in, contents of: read get list
get rid of, scrap, dump it, can go, throw away, away with: delete remove
mentions: grep search
new place for: create directory branch
clean up: move delete archive
ancient, no longer needed: archive delete
picture of the page, as rendered, how it looks: screenshot
fill in: fill form type
accept, confirm, press: click
scroll, swipe: scroll
go to, open: navigate open
look online, on the internet, on the web: search web
news: news search
mockup, mockups, design: file node figma
frame, padding, font, fonts, colours, colors: node variable style
turn into: convert code
logo, svg, png: export image
bars, curve, plot: chart create
add up: pivot aggregate sum
biggest first, smallest first, alphabetical: sort
only allowed: validation rule
tab, tabs: sheet
line at the end, at the bottom, at the end, to the end: append add
wiki, handbook: page document search
""".strip()


def _read() -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for line in _SAID.split("\n"):
        said, meant = line.split(": ")
        stems = [made for word in meant.split() if (made := stem(word))]
        for one in said.split(", "):
            key = _key([*one.split()])
            found.setdefault(key, {}).update(dict.fromkeys(stems))
    return {key: tuple(meant) for key, meant in found.items()}


def _key(words: list[str]) -> str:
    return " ".join(_end(word) for word in words)


@lru_cache(maxsize=1 << 13)
def _end(word: str) -> str:
    return stem(word) or word.lower()


MEANT = _read()
"""What a word or a phrase means, by its stems."""


def _first() -> dict[str, int]:
    longest: dict[str, int] = {}
    for key in MEANT:
        first, *rest = key.split(" ")
        if rest:
            longest[first] = max(longest.get(first, 0), 1 + len(rest))
    return longest


_FIRST = _first()  # the words that begin phrases, and how long these are


def meant(text: str) -> list[str]:
    """Return stems of what the everyday words and phrases of a text mean to an interface.

    >>> meant("How do I fly to Oslo?")
    ['flight']
    """
    ends = [_end(word[:LONGEST]) for word in word_list(text)]
    found: dict[str, None] = {}
    for i, end in enumerate(ends):
        found.update(dict.fromkeys(MEANT.get(end, ())))
        if end in _FIRST:
            for n in range(2, _FIRST[end] + 1):
                found.update(dict.fromkeys(MEANT.get(" ".join(ends[i : i + n]), ())))
    return [*found]
