"""repo: packages → a signed apt repository.

`add` changes a suite's draft, `publish` freezes the draft as a snapshot and makes it the suite's next generation.
"""
