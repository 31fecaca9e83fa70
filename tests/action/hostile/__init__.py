"""The hostile set: forged and broken artifacts and events, each by a name.

scene      a stage that watches what every run of the action printed and left behind
case       one entry, and all that must hold after it
archives   archives that mean something else than they seem to
logs       evidence logs that are broken or lie
texts      texts that try to become commands, markup or mentions
marks      evidence of another run, commit, tree, pull request or repository
events     events, subjects and comments
memories   state and baseline artifacts that somebody else made
table      all of them

`python -m tests.action.hostile` plays every entry and prints what came of it.
"""
