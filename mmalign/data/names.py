"""What a data set may call its modalities, targets and classes.

A modality is a part of paths, "sensors/acc/encoder/kernel", which the patterns of warm starts are
matched with, and of keys of files and metrics; targets and factors are such keys, too. Names of
classes, channels and sources are shown, and no more.
"""

LONGEST = 100  # characters of a key


def check_key(what: str, name: object) -> None:
    """Raises ValueError, "<what> is called ...", for a name that cannot be a part of a path.

    That is one that is no text, empty, ".", "..", with "/", longer than LONGEST characters, or with
    what `check_text` refuses.
    """
    if not isinstance(name, str):
        reason = "which is no text"
    elif not name:
        reason = "which is no name"
    elif name in (".", ".."):
        reason = "which is no part of a path"
    elif "/" in name:
        reason = "and '/' separates the parts of a path"
    elif len(name) > LONGEST:
        reason = f"which has {len(name)} characters"
    else:
        return check_text(what, name)
    shown = name[:40] + "…" if isinstance(name, str) and len(name) > LONGEST else name
    raise ValueError(
        f"{what} is called {shown!r}, {reason}: call it something of 1 to {LONGEST} characters "
        "without '/', such as 'left_acc'"
    )


def check_text(what: str, name: str) -> None:
    """Raises ValueError, "<what> is called ...", for a name that cannot be written and shown.

    That is one with a control character, a line break among them, or half of a surrogate pair.
    """
    odd = [c for c in name if c < " " or "\x7f" <= c < "\xa0" or "\ud800" <= c < "\ue000"]
    if odd:
        raise ValueError(
            f"{what} is called {name[:LONGEST]!r}, and the character {ord(odd[0]):#x} cannot be "
            "shown: leave it out of the name"
        )
