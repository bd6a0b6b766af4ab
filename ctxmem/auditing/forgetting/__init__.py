"""What left the windows of a conversation, and what was needed later.

names         identifiers that mean one thing
blocks        what messages say: texts, calls, results
tool_use      what a call reads, runs and changes
losses        the walk through the windows: what is new, what left
sequels       conversations that go on in another after a compaction
wording       whether two sentences say the same
actions       files read again, commands run again
questions     questions asked again
violations    rules that can be checked
rules         rules broken, or said again
identifiers   identifiers used again
findings      what a finding holds
"""
