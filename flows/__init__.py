"""The flows: the operations of the house with a schedule, retries and limits. No `if` about cases stands here.

Results are counts and ids, never mail text, so that personal data stays out of the orchestrator's database and logs.
"""
