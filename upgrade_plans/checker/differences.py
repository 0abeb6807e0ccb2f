"""How a checker writes down what a certificate states and what it finds instead."""

from __future__ import annotations

import json
from hashlib import sha256


def brief(value: object) -> str:
    """Return a value as JSON, a long one cut, with its digest."""
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}… (sha256 {sha256(text.encode()).hexdigest()[:12]})"
