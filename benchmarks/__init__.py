"""What the program costs, against the limit and against its peers; every figure is a ratio of interleaved runs.

    python -m benchmarks short                 the short form, under five minutes
    python -m benchmarks full                  all of it, up to an hour
    python -m benchmarks full --only pipeline  one part; its results are merged into results.json

generator makes the mailbox; servers starts Dovecot on it; peers and jobs are what is measured, each in a process of its
own; measure takes turns and adds up; goals compares; report writes docs/performance.md. Issue 8 has the goals.
"""
