"""The outside world as the executor sees it: one adapter per outside thing, each behind a small Protocol."""
