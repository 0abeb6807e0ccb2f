"""Which commands a maintainer script has and when they run, as the shell would see it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pkgbuild.maintscript import commands, is_shell

STOP = "deb-systemd-invoke stop x"
GUARDS = {
    'if [ "$1" = "remove" ]; then\nSTOP\nfi\n': [True],
    'if [ "$1" = remove ]; then\nif true; then\nSTOP\nfi\nSTOP\nfi\n': [True, True],
    'if [ "$1" = remove ]; then\n:\nfi\nSTOP\n': [False],
    'if [ "$1" = remove ]\nthen STOP\nelse\nSTOP\nfi\n': [True, False],
    'if [ "$1" = upgrade ]; then\n:\nelif [ "$1" = remove ]; then\nSTOP\nfi\n': [True],
    'case "$1" in\nremove)\nSTOP\n;;\nupgrade)\nSTOP\n;;\nesac\n': [True, False],
    'case "$1" in\n  remove|upgrade)\nSTOP\n;;\n  (purge) STOP;;\nesac\nSTOP\n': [False, True, False],
    'case "$2" in\nremove)\nSTOP\n;;\nesac\n': [False],
    'if [ "$1" = upgrade ]; then\nSTOP\nfi\n': [False],
    'if [ "$1" = remove-x ]; then\nSTOP\nfi\n': [False],
    'if [ "$1" != remove ]; then\nSTOP\nfi\n': [False],
    'if ! [ "$1" = remove ]; then\nSTOP\nfi\n': [False],
    'if [ "$1" = remove ] || [ "$1" = upgrade ]; then\nSTOP\nfi\n': [False],
    'if [ "$1" = remove ] || [ -d /x ]; then\nSTOP\nfi\n': [False],
    'if [ "$1" = remove ] && [ -d /run/systemd/system ] ; then\nSTOP\nfi\n': [True],
    'if [ -z "${DPKG_ROOT:-}" ] && [ "$1" = remove ] && [ -d /x ] ; then\nSTOP >/dev/null || true\nfi\n': [True],
    '[ "$1" = remove ] && STOP\nSTOP\n': [True, False],
    '[ "$1" != remove ] || STOP\n': [False],
    'if [ "$1" = remove ]; then :; fi; STOP\n': [False],
}


@pytest.mark.parametrize("script", GUARDS)
def test_what_runs_only_on_removal(script: str) -> None:
    found = [command for command in commands(script.replace("STOP", STOP)) if command.name == "deb-systemd-invoke"]
    assert [command.on_removal for command in found] == GUARDS[script]


WORDS = {
    "systemctl restart etcd": ["systemctl restart etcd"],
    "# systemctl restart etcd": [],
    "true # systemctl restart etcd": ["true"],
    "echo 'systemctl restart etcd'": ["echo systemctl restart etcd"],
    "echo 'now:\n systemctl restart etcd\n'; id": ["echo now:\n systemctl restart etcd\n", "id"],
    "cat <<EOF\nsystemctl restart etcd\nEOF\nid": ["cat <<EOF", "id"],
    "systemctl \\\n  restart etcd": ["systemctl restart etcd"],
    "x=$(systemctl restart etcd)": ["systemctl restart etcd"],
    "LC_ALL=C nice -n 5 /bin/systemctl restart etcd": ["/bin/systemctl restart etcd"],
    "timeout 5s systemctl stop etcd": ["systemctl stop etcd"],
    "sh -c 'id; systemctl stop etcd'": ["sh -c id; systemctl stop etcd", "id", "systemctl stop etcd"],
    "eval systemctl stop $2": ["eval systemctl stop $2", "systemctl stop $2"],
    "if x; then a=restart; else a=start; fi\nservice etcd $a": ["x", "service etcd restart", "service etcd start"],
    "f() { systemctl stop etcd; }": ["f", "systemctl stop etcd"],
    "for s in a b; do service $s stop; done": ["for s in a b", "service $s stop"],
    "if command -v systemctl >/dev/null; then id; fi": ["command -v systemctl >/dev/null", "id"],
    'systemctl stop "etcd': ["systemctl stop etcd"],
}


@pytest.mark.parametrize("script", WORDS)
def test_words(script: str) -> None:
    assert [" ".join(command.words) for command in commands(script)] == WORDS[script]


def test_a_command_knows_its_line_and_its_conditions() -> None:
    script = "#!/bin/sh\nset -e\nif deb-systemd-helper debian-installed x; then\n\tdeb-systemd-helper \\\n\t\tenable x\nfi\n"
    found = commands(script)[-1]
    assert (found.line, found.text) == (4, "deb-systemd-helper \\")
    assert found.conditions == ("deb-systemd-helper debian-installed x ;",)


@pytest.mark.parametrize(
    ("script", "is_one"),
    [
        ("#!/bin/sh\n", True),
        ("#! /usr/bin/env bash\n", True),
        ("", True),
        ("#!/usr/bin/perl\n", False),
        ("#!/bin/shy\n", False),
    ],
)
def test_shell_or_not(script: str, *, is_one: bool) -> None:
    assert is_shell(script) == is_one


PIECES = ["if", "then", "fi", "else", "elif", "case", "esac", "in", ";;", ")", "(", "$1", "remove", "=", "[", "]", "&&", "'",
          '"', "\n", ";", "\\\n", "<<EOF", "EOF", "x=1", "$x", "eval", "sh", "timeout", "#"]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join) | st.text(max_size=200))
def test_any_text_is_read(script: str) -> None:
    for command in commands(script):
        assert command.words
        assert 1 <= command.line <= script.count("\n") + 1
