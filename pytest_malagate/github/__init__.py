"""GitHub as facts, and the few things that are written there.

    client       requests, their patience, and which of them may be sent twice
    remembered   answers that are kept with their ETag
    records      GitHub's answers as this project's own values
    environment  what the runner says: the repository, the run, the event
    pulls        which pull request a head belongs to
    runs         workflow runs and their attempts
    artifacts    which artifact is meant, and its bytes
    archive      the members of a hostile archive, read in memory
    contents     files and commits at a revision
    statuses     the commit status
    comments     comments, and the one that is ours
    labels       labels of a pull request
    issues       issues, their state and their labels
    events       what was done to the issues since
    dispatch     a workflow that is started once
    lock         who holds a concurrency group
    people       what somebody may do here

PyGithub carries the requests (authentication, addresses, pacing); nothing of it goes further in.
Every read says what it asked for; every write says whether it may be repeated.
"""
