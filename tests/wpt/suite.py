"""Which tests there are in a folder of the suite, and what each one consists of."""
import fnmatch
import html.parser
import re
from collections import namedtuple
from pathlib import Path

HARNESS = "/resources/testharness.js"
FOLDER = "websockets"
SECONDS = {"normal": 10, "long": 60}  # until a test times out; those are the suite's own limits

# file is relative to FOLDER, with variant it is the name; scripts are {"src": URL} or {"text": ..., "line": ...}, in
# order.
Test = namedtuple("Test", "name file variant page title seconds is_worker scripts")


def tests(wpt):
    """Every test, in the order of their names; whoever reads an expectation file knows which to leave out."""
    folder = Path(wpt) / FOLDER
    for path in sorted(folder.rglob("*")):
        file = path.relative_to(folder).as_posix()
        if path.name.endswith((".any.js", ".window.js", ".worker.js")):
            yield from of_script(path, file)
        elif path.suffix == ".html":
            yield from of_page(path, file)


def of_script(path, file):
    """What the suite's server makes a page of, or of which a page makes a worker."""
    meta = re.findall(r"^// META: ([a-z]+)=(.*?)\s*$", path.read_text(encoding="utf8"), re.M)
    every = {key: [value for k, value in meta if k == key] for key, _ in meta}
    is_worker = path.name.endswith(".worker.js")
    own = "/%s/%s" % (FOLDER, file)
    # A worker imports the rest by itself.
    srcs = [own] if is_worker else [HARNESS, *every.get("script", []), own]
    title = every.get("title", [None])[-1]
    yield from variants(file, every.get("variant"), file[:-len("js")] + "html", title, every.get("timeout"), is_worker,
                        [{"src": src} for src in srcs])


def of_page(path, file):
    data = path.read_bytes()
    charset = re.search(rb"<meta charset=[\"']?([\w-]+)", data, re.I)
    page = Page()
    page.feed(data.decode(charset.group(1).decode() if charset else "utf8", errors="replace"))
    page.close()
    if not any(script.get("src", "").endswith(HARNESS) for script in page.scripts):
        return  # part of another test
    scripts = [one for one in page.scripts if not one.get("src", "").endswith("/testharnessreport.js")]
    meta = {name: [value for n, value in page.meta if n == name] for name, _ in page.meta}
    yield from variants(file, meta.get("variant"), file, page.title, meta.get("timeout"), False, scripts)


def variants(file, queries, page, title, timeout, *rest):
    for query in queries or [""]:
        seconds = SECONDS[(timeout or ["normal"])[-1]]
        yield Test(file + query, file, query, "/%s/%s%s" % (FOLDER, page, query), title, seconds, *rest)


class Page(html.parser.HTMLParser):
    """Scripts, <meta name> and title of a page."""

    def __init__(self):
        super().__init__()
        self.scripts, self.meta, self.title, self.inside = [], [], None, None

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.inside = tag
        if tag == "script":
            self.scripts.append({"src": attributes["src"]} if "src" in attributes
                                else {"text": "", "line": self.getpos()[0] - 1})
        elif tag == "meta" and "name" in attributes:
            self.meta.append((attributes["name"], attributes.get("content", "")))

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside == "script" and "text" in self.scripts[-1]:
            self.scripts[-1]["text"] += data
        elif self.inside == "title":
            self.title = (self.title or "") + data


# ------------------------------------------------------------------------------- expectations

class Expectations:
    """What a file says of tests that are not run, and of subtests that fail.

        exclude PATTERN: reason
        fail TEST | SUBTEST: reason
    """

    def __init__(self, path):
        self.excluded, self.failing, self.used = [], {}, set()
        for number, line in enumerate(path.read_text(encoding="utf8").splitlines(), 1):
            if not line or line.startswith("#"):
                continue
            exclude = re.fullmatch(r"exclude (\S+): (.+)", line)
            fail = re.fullmatch(r"fail (\S+) \| (.+): ([^:]+)", line)
            if exclude:
                self.excluded.append(exclude.groups())
            elif fail:
                self.failing[fail.group(1), fail.group(2)] = fail.group(3)
            else:
                raise ValueError("%s:%d: %r is neither `exclude` nor `fail`" % (path, number, line))

    def reason(self, test):
        """Why a test is not run; None if it is."""
        for pattern, reason in self.excluded:
            if fnmatch.fnmatchcase(test.name, pattern):
                self.used.add(pattern)
                return reason
        return None

    def unused(self):
        return [pattern for pattern, _ in self.excluded if pattern not in self.used]
