"""Coverage measured inside a test session, by coverage.py's documented interface alone.

    settings     what the policy asks for
    core         which of coverage.py's cores measures it, fastest among the exact ones
    measuring    how a Coverage object is made, started and found again
    measurement  what one process measures, from start to end
    tracer       whether the measuring is still going on
    following    a pytest-cov that measures already
    processes    what workers are told, and what they hand back
    sources      the source files: their digests, and modules that were imported too early
    reading      joins the data and lets coverage.py count it
    executable   files that coverage.py does not count and might
    judging      what is wrong with a measurement
    warned       coverage.py's own warnings, as values
    detail       `coverage.json`, the lines behind the total
    recording    from data files to the record of a session

`pytest_malagate.plugin_coverage` joins them to pytest's hooks. Importing this package, `settings`,
`core`, `processes`, `sources` or `detail` does not import coverage.py.
"""
