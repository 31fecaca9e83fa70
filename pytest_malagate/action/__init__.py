"""`malagate action`: from the event to the verdict, and how it is told.

inputs      what the workflow asks for
subjects    what is judged: a pull request's head, a merge group, a pushed commit
gathering   evidence out of artifacts, or out of this job's own directory
coherence   does a log contradict itself?
binding     is it evidence of this commit, this tree, this run?
rules       the policy of the base, and what the change does to it
memory      what is kept of a pull request between evaluations (the state artifact)
history     that memory found again, or rebuilt from the list of runs
baseline    the tests and the coverage of the base
judging     all of it together, into a GateResult
commands    `/gate …` in comments
comment     the one comment
speaking    status, comment, labels
telling     the job's own outputs, annotations and summary
gate        one evaluation from start to end
desk        what the modes of queue and freeze work with: the store, its gate, the lock
admitting   a sweep over the queue, or one change that asks whether it may go
orders      `/gate freeze`, `unfreeze` and `rearm` in comments
freezing    what they, and the modes freeze and unfreeze, do
clearing    which freezes a command clears: those that stood when it was said
deploying   a smoke check after a deployment
collecting  the untrusted half: run, and hand the evidence over
entry       event -> mode -> calls -> outputs -> exit code
"""
