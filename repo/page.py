"""`kubedeb repo page`: a suite as one static, searchable HTML file. What packages say is escaped; nothing is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from urllib.parse import quote

from kubedeb.errors import ExitCode, KubedebError
from repo.clientfiles import keyring_name, sources_text
from repo.keyset import read_keys
from repo.live import Live, chunk_loader, read_live
from repo.models import Identity, Package, Suite, pool_folder
from repo.place import Repository, writing
from repo.poolfiles import BUILDINFO, beside
from repo.rotation import State
from repo.snapshots import Load, rows_of

STYLE = """:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}
body{max-width:75rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8884}
td.n{text-align:right;white-space:nowrap}code,pre{font-family:ui-monospace,monospace;overflow-wrap:anywhere}
pre{background:#8882;padding:.8rem;overflow:auto}input{font:inherit;width:100%;padding:.5rem;box-sizing:border-box}
small{opacity:.75}td:nth-child(2),td:nth-child(4){white-space:nowrap}main{overflow-x:auto}
small code{display:inline-block;max-width:14ch;overflow:hidden;text-overflow:ellipsis;
white-space:nowrap;vertical-align:bottom}"""
SCRIPT = """const q=document.getElementById('q'),rows=[...document.querySelectorAll('tbody tr')],n=document.getElementById('n');
function find(){const words=q.value.toLowerCase().split(/\\s+/);let c=0;
for(const r of rows){const t=r.textContent.toLowerCase();
r.hidden=!words.every(w=>t.includes(w));c+=!r.hidden}n.textContent=c}
q.oninput=()=>{history.replaceState(null,'','#'+encodeURIComponent(q.value));find()};
q.value=decodeURIComponent(location.hash.slice(1));find();
const copy=document.getElementById('copy');
copy.onclick=()=>{getSelection().selectAllChildren(document.getElementById('sources'));
copy.textContent=document.execCommand('copy')?'copied':'selected: copy it'};"""

SAID = {".intoto.jsonl": "statements", ".cdx.json": "CycloneDX", ".spdx.json": "SPDX", BUILDINFO: "buildinfo"}


def page_name(suite: str) -> str:
    """Return where a suite's page lies in the store."""
    return f"dists/{suite}/index.html"


def write_page(repository: Repository, suite_name: str) -> tuple[str, bool]:
    """Write a suite's page into the store; return its name and whether it changed. Raises `KubedebError` (REPOSITORY)."""
    suite = repository.suite(suite_name)
    live = read_live(repository, suite.name)
    if live is None:
        raise KubedebError(f"suite {suite.name} is not published yet", hint=f"kubedeb repo publish {suite.name}",
                           code=ExitCode.REPOSITORY)  # fmt: skip
    with writing(repository.layout):
        return page_name(suite.name), put_page(repository, suite.name, live, chunk_loader(repository))


def put_page(repository: Repository, suite: str, live: Live, load: Load) -> bool:
    """Make the page of what is live, for who writes already; return whether it changed."""
    rows = ((row, _added(repository, row)) for row in rows_of(load, live.snapshot))
    keys = [(key.fingerprint, key.state is State.SIGNING) for key in read_keys(repository).for_clients]
    text = page(repository.identity, repository.suite(suite), live.generation, live.date, rows, keys)
    return repository.layout.store.put(page_name(suite), text.encode())


def _added(repository: Repository, row: Package) -> int | None:
    local = repository.layout.store.local
    path = local / row.member.pool_name if local else None
    return int(path.stat().st_mtime) if path and path.exists() else None


def page(
    identity: Identity, suite: Suite, generation: int, date: int, rows: Iterable[tuple[Package, int | None]],
    keys: Sequence[tuple[str, bool]],
) -> str:  # fmt: skip
    """Return the page: packages with the time at which each was added (None: not known). Pure.

    `keys` are the fingerprints that clients have, each with whether the key signs already.
    """
    title = escape(f"{identity.label} {suite.name}")
    body = "".join(_row(row, added) for row, added in rows)
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{title}</title><style>{STYLE}</style>
<h1>{title}</h1><p>Generation {generation}, {_day(date)}.</p>
<p>{_keys(keys)}</p>
<h2>Add it</h2><p>Put the archive's <a href="../../{escape(quote(keyring_name(identity)))}">keyring</a> where
<code>Signed-By</code> says, its <a href="../../{escape(quote(identity.file_name))}.pref">preferences</a> into
<code>/etc/apt/preferences.d/</code>, and this into <code>/etc/apt/sources.list.d/{escape(identity.file_name)}.sources</code>:
<button id="copy">copy</button></p>
<pre id="sources">{escape(sources_text(identity, suite))}</pre>
<h2>Packages (<span id="n"></span>)</h2><input id="q" type="search" placeholder="name, version, sha256 …" aria-label="search">
<main><table><thead><tr><th>package<th>version<th>architecture<th>added<th>bytes<th>source, sha256<th>provenance</thead><tbody>
{body}</tbody></table></main><script>{SCRIPT}</script></html>
"""


def _keys(keys: Sequence[tuple[str, bool]]) -> str:
    return "<br>".join(
        f"{'Signed by' if signs else 'To be signed by'} <code>{escape(fingerprint)}</code>" for fingerprint, signs in keys
    )


def _row(row: Package, added: int | None) -> str:
    source = next((line[8:] for line in row.stanza.splitlines() if line.startswith("Source: ")), row.name)
    link = "../../" + quote(row.member.pool_name)
    return (
        f'<tr><td><a href="{escape(link)}">{escape(row.name)}</a><td>{escape(row.version)}<td>{escape(row.architecture)}'
        f'<td>{_day(added)}<td class="n">{row.size}<td>{escape(source)} {_digest(row.sha256)}'
        f"<td>{_said(row)}</tr>\n"
    )


def _digest(sha256: str) -> str:
    """Return a digest of which the beginning is shown, and all of it can be searched and copied."""
    return f'<small><code title="{escape(sha256)}">{escape(sha256)}</code></small>'


def _said(row: Package) -> str:
    """Return links to what lies beside a package: who built it from what, its bills of materials, its build record."""
    folder = f"../../{pool_folder(row.sha256)}/"
    links = [(_what(file.name), file.name) for file in beside(row)]
    return ", ".join(f'<a href="{escape(quote(folder + name))}">{escape(what)}</a>' for what, name in links)


def _what(name: str) -> str:
    return next((what for end, what in SAID.items() if name.endswith(end)), name)


def _day(seconds: int | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
