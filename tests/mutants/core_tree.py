"""The core and its tests as one crate, so that a mutant costs one compilation and one link.

Cargo compiles each file of tests/ as a program of its own, and again when the library changes. Here these files become
modules of the library's own test program. They are the same files, but for the lines that say where they lie, a test of
an adapter, and a number of seeds.
"""
import hashlib
import os
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = (ROOT / (os.environ.get("CARGO_TARGET_DIR") or "target")).resolve()

# The core is what src/lib.rs has beside these: adapters, the object of the browsers, and pages of documentation.
NOT_CORE = ["blocking", "embedding", "location", "manual", "net", "requirements", "tokio", "web"]

# Tests of the core are those of the wire (rfc*.rs) and these.
TESTS = ["allocations", "message", "sending", "simulation", "timers", "values"]
# Tests in these files that are about an adapter have this in them.
ADAPTER = "sockeye::blocking"
# What they share, and what belongs to one of them.
SHARED = ["common", "counted", "flate"]
FOLDERS = SHARED + ["simulation"]

# Fewer of the runs that are made by chance: what breaks a rule shows in the first of them.
FEWER = {"simulation/seeds.rs": ("const SEEDS: u64 = 3000;", "const SEEDS: u64 = 200;")}

# All that change the core, so that what they bring is held too. `simd` for masks; their plain way, and that of UTF-8, are
# compiled for tests beside it.
FEATURES = ["--no-default-features", "--features", "std,deflate,http,simd"]

# A bridge to other libraries, whose tests are those of adapters. (That of streams has its own, tests/rfc8441_http.rs.)
LEFT_OUT = ["src/handshake/http.rs"]

# The whole lock file, which cargo cuts down to what is needed here.
LOCK = "Cargo.lock.whole"

PROFILE = """
[workspace]

[profile.dev]
debug = 0
incremental = true

[profile.dev.package."*"]
opt-level = 3
"""


def tests():
    """The names of the files in tests/ that hold the core's rules."""
    return sorted([path.stem for path in (ROOT / "tests").glob("rfc*.rs")] + TESTS)


def manifest():
    """The package without what only the tests of the adapters need."""
    sections = re.split(r"^(?=\[)", (ROOT / "Cargo.toml").read_text(), flags=re.M)
    left_out = ("[dev-dependencies]", "[target.", "[[example]]", "[[bench]]", "[profile", "[lints")
    return "".join(s for s in sections if not s.startswith(left_out)) + PROFILE


def root_module():
    """src/lib.rs with the core alone, and the tests."""
    lib = (ROOT / "src" / "lib.rs").read_text()
    lib = lib.replace("#![no_std]\n", "").replace("#![forbid(unsafe_code)]\n", "")
    lib = re.sub(r"^#!\[(warn|cfg_attr)\((.|\n)*?^\)\]\n|^#!\[cfg_attr\(.*\n|^//!.*\n", "", lib, flags=re.M)
    for name in NOT_CORE:
        lib, found = re.subn(r"^(#\[cfg\(.*\)\]\n)?(pub )?mod %s;\n" % name, "", lib, flags=re.M)
        if not found:
            raise SystemExit("core_tree: no module %s in src/lib.rs" % name)
    modules = "".join('#[cfg(test)]\n#[path = "../tests/%s"]\nmod %s;\n' % (path, name) for name, path in [
        *((name, name + "/mod.rs") for name in SHARED), *((name + "_tests", name + ".rs") for name in tests())])
    return "#![allow(warnings)]\n" + lib + "\n#[cfg(test)]\nextern crate self as sockeye;\n" + modules


def test_file(name):
    """A file of tests; what it shares with others lies in the root of the crate here."""
    text = (ROOT / "tests" / (name + ".rs")).read_text()

    def unless_of_adapter(test):
        return "" if ADAPTER in test.group() else test.group()
    text = re.sub(r"^(///.*\n)*#\[test\]\nfn (.*\n)*?}\n", unless_of_adapter, text, flags=re.M)
    return re.sub(r"^mod (%s);$" % "|".join(SHARED), r"use crate::\1;", text, flags=re.M)


def folder_file(path):
    """A file of what tests share, with fewer seeds."""
    name = path.relative_to(ROOT / "tests").as_posix()
    text = path.read_text()
    many, few = FEWER.get(name, ("", ""))
    if many not in text:
        raise SystemExit("core_tree: no %r in tests/%s" % (many, name))
    return text.replace(many, few) if many else text


# What there is for builds without these features: a line, or a block.
OTHERWISE = re.compile(r"""^( *)#\[cfg\(not\(feature = "(?:deflate|simd|simdutf8|std)"\)\)\]\n"""
                       r"""(?:\1#\[.*\n)*\1(?:\S.*;\n|\S.*{\n(?:.*\n)*?\1}\n)""", re.M)


def source_file(path):
    """As it is, with empty lines for what is not compiled: else that would be mutated, and be missing."""
    return OTHERWISE.sub(lambda item: "\n" * item.group().count("\n"), path.read_text())


def files():
    """The crate: text by path."""
    tree = {"Cargo.toml": manifest(), LOCK: (ROOT / "Cargo.lock").read_text()}
    for path in (ROOT / "src").rglob("*.rs"):
        name = path.relative_to(ROOT)
        if name.parts[1].removesuffix(".rs") not in NOT_CORE:
            tree[str(name)] = source_file(path)
    tree["src/lib.rs"] = root_module()
    for name in tests():
        tree["tests/%s.rs" % name] = test_file(name)
    for name in FOLDERS:
        for path in (ROOT / "tests" / name).glob("*.rs"):
            tree[str(path.relative_to(ROOT))] = folder_file(path)
    return tree


def write(folder, tree):
    """Makes the crate in `folder`, or brings it up to date; what did not change is left alone, for cargo."""
    for path in [*folder.glob("src/**/*.rs"), *folder.glob("tests/**/*.rs")]:
        if str(path.relative_to(folder)) not in tree:
            path.unlink()
    for name, text in tree.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            if path.name == LOCK:
                (folder / "Cargo.lock").write_text(text)


def fingerprint(tree):
    """Changes whenever the crate does."""
    return hashlib.sha256(repr(sorted(tree.items())).encode()).hexdigest()[:12]
