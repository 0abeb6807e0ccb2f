"""How the pages' console blocks are read, which other tests run."""

from __future__ import annotations

import pytest

from consoleblocks import Typed, typed

PAGE = """\
text

```console
$ cat > file <<'END'
$ not a command
END
$ ls
file
…
```

```yaml
$ no: command
```

```console
$ true
```
"""


def test_commands_here_documents_and_outputs_are_told_apart() -> None:
    assert typed(PAGE) == [
        Typed("cat > file <<'END'\n$ not a command\nEND", ()),
        Typed("ls", ("file", "…")),
        Typed("true", ()),
    ]


@pytest.mark.parametrize(
    ("output", "said", "accepted"),
    [
        ((), "whatever\n", True),
        (("file",), "file\n", True),
        (("file",), "file\nmore\n", False),
        (("file", "…"), "file\nmore\n", True),
        (("file", "…"), "file\n", True),
        (("…file…",), "a\nb file c\n", True),
        (("a.b",), "axb\n", False),
    ],
)
def test_an_output_is_what_the_page_shows(output: tuple[str, ...], said: str, *, accepted: bool) -> None:
    assert Typed("x", output).accepts(said) is accepted
