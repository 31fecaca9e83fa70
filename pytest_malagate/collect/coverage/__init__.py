"""Coverage measured inside a test session, by coverage.py's documented interface alone.

    settings    what the policy asks for
    core        which of coverage.py's cores measures it, fastest among the exact ones
    measuring   the Coverage object of a process: ours, or one that was found running
    tracer      whether the measuring is still going on
    processes   what workers are told, and what they hand back
    sources     the source files: their digests, and modules that were imported too early
    reading     joins the data and lets coverage.py count it
    judging     what is wrong with a measurement
    detail      `coverage.json`, the lines behind the total

`pytest_malagate.plugin_coverage` joins them to pytest's hooks. Importing this package or
`settings` does not import coverage.py.
"""
