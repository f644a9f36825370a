"""Docstrings of this package as Markdown, for the pages.

A docstring here has sections whose text begins on their own line ("Returns: [batch] ..."), entries
"name: text" with or without a heading, and equations as indented blocks.
"""

import re
from typing import Any

import griffe

_SECTION = re.compile(r"(Args|Attributes|Returns|Raises|Yields|References|Metrics|Cost):( .+)?")
_NAME = r"[^\s:`(){}]+(?: \(\w+\))?"
_ENTRY = re.compile(rf"({_NAME}(?:, {_NAME})*): (.+)")


class Docstrings(griffe.Extension):
    """Reads a function before a module of its name, and every docstring as Markdown."""

    def on_module(self, *, mod: griffe.Module, **kwargs: Any) -> None:
        """Puts `losses.clip`, the function, where griffe has the file losses/clip.py."""
        of = {name: path.rpartition(".")[0] for name, path in mod.imports.items()}
        hidden = {f"{mod.path}.{name}" for name in of if of[name] == f"{mod.path}.{name}"}
        found = {
            name: mod[mod.imports[name].removeprefix(f"{mod.path}.")]
            for name in of
            if of[name] in hidden
        }
        for name, member in found.items():
            mod.set_member(name, member)

    def on_class(self, *, cls: griffe.Class, **kwargs: Any) -> None:
        """Gives named tuples and flax's modules the signature that their fields make."""
        fields = [x for x in cls.attributes.values() if x.annotation and "property" not in x.labels]
        known = any(x.callable_path == "dataclasses.dataclass" for x in cls.decorators)
        if known or not fields or "__init__" in cls.members:
            return
        kind = griffe.ParameterKind.positional_or_keyword
        parameters = [
            griffe.Parameter(x.name, annotation=x.annotation, kind=kind, default=x.value)
            for x in fields
        ]
        made = griffe.Function("__init__", parameters=griffe.Parameters(*parameters))
        cls.set_member("__init__", made)

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrites a docstring, once."""
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(docstring: str) -> str:
    """The docstring with bold sections, lists of entries and blocks of code."""
    out, section, code, hanging, listing = [], False, False, False, False
    for line in docstring.splitlines():
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        after_blank = out[-1:] == [""]
        section &= indent > 0
        code = not section and indent > 0 and (code or after_blank)
        head = None if indent or not out else _SECTION.fullmatch(text)
        entry = _ENTRY.fullmatch(text) if out and indent == 2 * section else None
        if code:
            text = f"    {line}"
        elif head:
            text = f"**{head[1]}**{_escaped(head[2] or '')}"
        elif entry and (section or (not text[0].isupper() and (hanging or after_blank))):
            text = f"* `{entry[1]}`: {_escaped(entry[2])}"
        else:
            text = _escaped(text)
        item = text.startswith("* ")
        begins = item and not listing
        if head or begins or (hanging and text and not indent and not item):
            out.append("")
        out.append(text)
        section |= line.endswith(":") and not (indent or entry)
        hanging = bool(item or head or (text and indent and not code))
        listing = item or (listing and bool(text) and indent > 0)
    return "\n".join(out)


def _escaped(text):
    """What stands outside of code without tags."""
    return re.sub(r"`[^`]*`|<", lambda found: found[0].replace("<", "&lt;", found[0] == "<"), text)
