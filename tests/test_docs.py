"""The pages in docs/, without building them."""

import ast
import importlib.util
import pathlib
import re
import textwrap

import pytest

import mmalign
from mmalign import augment, evaluation, losses, methods, models, training
from mmalign.data import catalogue, recordings

ROOT = pathlib.Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {path.name: path.read_text() for path in (DOCS / "pages").glob("*.md")}
SHOWN = [name for page in PAGES.values() for name in re.findall(r"^::: (\S+)$", page, re.MULTILINE)]
ENTRY = re.compile(r"  (\*{0,2}\w+(?:, \*{0,2}\w+(?: \(\w+\))?)*): ")


def exported(package):
    """Public names: those of __all__, else what a package defines or imports as its own."""
    if hasattr(package, "__all__"):
        return package.__all__
    tree = ast.parse(pathlib.Path(package.__file__).read_text())
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            names += [alias.asname for alias in node.names if alias.asname == alias.name]
    return names


@pytest.mark.parametrize(
    "package",
    [mmalign, augment, evaluation, losses, methods, models, recordings, training],
    ids=lambda package: package.__name__,
)
def test_every_public_name_is_on_a_page(package):
    names = {f"{package.__name__}.{name}" for name in exported(package)}
    assert names and not names - set(SHOWN)


@pytest.mark.parametrize("registry", [methods.METHODS, catalogue.SOURCES], ids=["methods", "data"])
def test_what_a_config_can_name_is_on_a_page(registry):
    places = {place.replace(":", ".") for place in registry.values()}
    assert not places - set(SHOWN)


def test_every_family_of_encoders_is_on_a_page():
    texts = {path.stem: path.read_text() for path in (ROOT / "mmalign" / "models").glob("*.py")}
    families = {name for name, text in texts.items() if "\nPRESETS" in text}
    assert families and not {f"mmalign.models.{name}.build" for name in families} - set(SHOWN)


def test_every_page_is_in_the_menu_and_on_the_first_page():
    menu = re.findall(r"^  - (\w+\.md)$", (DOCS / "mkdocs.yml").read_text(), re.MULTILINE)
    linked = re.findall(r"\]\((\w+\.md)\)", PAGES["index.md"])
    assert menu == ["index.md", *linked] and set(menu) == set(PAGES)


def test_nothing_is_shown_twice():
    assert sorted(SHOWN) == sorted(set(SHOWN))


def definitions(node):
    """Functions and classes at any depth."""
    for child in getattr(node, "body", ()):
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            yield child
            yield from definitions(child)


def documented(path):
    """(function or class, names under Args, names that it takes) of those that list arguments."""
    text = path.read_text()
    for node in definitions(ast.parse(text)) if "Args:" in text else ():
        listed = re.search(r"^Args:\n((?:  .*\n?)*)", ast.get_docstring(node) or "", re.MULTILINE)
        if not listed:
            continue
        entries = filter(None, map(ENTRY.match, listed[1].splitlines()))
        names = [name.split()[0].strip("*") for e in entries for name in e[1].split(", ")]
        inits = [x for x in node.body if getattr(x, "name", "") == "__init__"]
        takes = (inits[0] if isinstance(node, ast.ClassDef) else node).args
        yield node, names, {x.arg for x in ast.walk(takes) if isinstance(x, ast.arg)}


def test_every_documented_argument_is_taken():
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has no {name}"
        for path in sorted((ROOT / "mmalign").rglob("*.py"))
        for node, names, taken in documented(path)
        for name in names
        if name not in taken
    ]
    assert not found


def test_the_scan_sees_an_argument_that_is_not_taken(tmp_path):
    path = tmp_path / "file.py"
    lines = ['"""F.', "", "Args:", "  a, lost: x.", "  b: y.", '"""']
    path.write_text("\n    ".join(["def f(a, *b, c=1):", *lines]))
    ((_, names, taken),) = documented(path)
    assert set(names) - taken == {"lost"}


def test_docstrings_become_markdown_with_lists_sections_and_code():
    pytest.importorskip("griffe")  # of the extra `docs`
    spec = importlib.util.spec_from_file_location("docstrings", DOCS / "docstrings.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    given = """\
        Distance of rows: 0 to 4.

        With d of "<name>":

          d = x - y

        Keys of a file:
          rate_<sensor>: in Hz.
        Args:
          x, y: [n, d] floats,
            of any scale.
          lam (lambda): weight, as `<lam>`.
        Returns: [n], of
          any sign.
        It is cheap.
        """
    want = """\
        Distance of rows: 0 to 4.

        With d of "&lt;name>":

              d = x - y

        Keys of a file:

        * `rate_<sensor>`: in Hz.

        **Args**

        * `x, y`: [n, d] floats,
        of any scale.
        * `lam (lambda)`: weight, as `<lam>`.

        **Returns** [n], of
        any sign.

        It is cheap.
        """
    assert module.markdown(textwrap.dedent(given)) + "\n" == textwrap.dedent(want)
