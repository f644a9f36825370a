"""Methods by name, and those of other packages by where they are."""

import contextlib
import hashlib
import importlib
import inspect
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax

from mmalign import options
from mmalign.methods.contract import (
    NEEDS,
    TARGET_KINDS,
    Method,
    Modality,
    Target,
    check_modalities,
)

_HOME = "mmalign.methods"
METHODS = {
    "autoencoder": f"{_HOME}.autoencoder:create",
    "classifier": f"{_HOME}.classifier:create",
    "cmc": f"{_HOME}.multiview:create_cmc",
    "cmg": f"{_HOME}.generation:create",
    "cocoa": f"{_HOME}.multiview:create_cocoa",
    "comm": f"{_HOME}.comm:create",
    "cpc": f"{_HOME}.cpc:create",
    "cross": f"{_HOME}.cross:create",
    "cross_self": f"{_HOME}.cross:create_self",
    "crossl": f"{_HOME}.crossl:create",
    "factorcl": f"{_HOME}.factorcl:create",
    "generator": f"{_HOME}.generation:create_generator",
    "gmc": f"{_HOME}.multiview:create_gmc",
    "gram": f"{_HOME}.joint_contrast:create_gram",
    "infmasking": f"{_HOME}.infmasking:create",
    "infomae": f"{_HOME}.infomae:create",
    "joint_autoencoder": f"{_HOME}.joint_autoencoder:create",
    "mae": f"{_HOME}.mae:create",
    "mmbind": f"{_HOME}.mmbind:create",
    "simclr": f"{_HOME}.simclr:create",
    "simsiam": f"{_HOME}.simsiam:create",
    "symile": f"{_HOME}.joint_contrast:create_symile",
    "supcon": f"{_HOME}.supcon:create",
    "supcon_tuned": f"{_HOME}.supcon:create_tuned",
    "supervised": f"{_HOME}.supervised:create",
}

_FUNCTIONS = ("loss", "embed", "fuse", "common")  # `init` is compiled module by module
_MADE: dict[str, Method] = {}


def create(
    config: Mapping[str, Any],
    modalities: Mapping[str, Modality],
    *,
    targets: Mapping[str, Target] | None = None,
    length: int = 1,
) -> Method:
    """The method that a config describes.

    Args:
      config: `name`, of METHODS or "package.module:function" for one of your own, and its options:
        the keyword arguments of the function that makes it,
        `create(modalities, *, encoder, augment=None, ...) -> Method`.
      modalities: {name: Modality}.
      targets: {task: Target}, what the data set knows of its windows.
      length: consecutive windows of a sequence in the batch.
    The last two are given to functions with a keyword argument of that name, and are no options.
    Raises: ValueError if there is no such method, or its options or the modalities do not fit;
      TypeError for a function that does not return a Method.
    Its functions are jitted, but `init`, which compiles module by module. One of METHODS is made
    once for all that ask for the same, so that it is traced once for arguments of the same shapes:
    by the plan, for each stage, seed and cell.
    """
    key = None
    if config.get("name") in METHODS:
        with contextlib.suppress(TypeError):  # an option that JSON does not have
            key = json.dumps([config, modalities, targets, length], default=_plain)
    if key is None or key not in _MADE:
        made = _create(config, modalities, targets, length)
        if key is None:
            return made
        _MADE[key] = made
    return _MADE[key]


def _create(config, modalities, targets, length):
    given = _tuples(config)
    if "name" not in given:
        raise ValueError("a method needs a name, one of METHODS or 'package.module:function'")
    name = given.pop("name")
    function = _function(name)
    check_modalities(modalities)
    targets = dict(targets or {})
    for task, target in targets.items():
        options.one_of(f"kind of target {task!r}", target.kind, TARGET_KINDS)
    accepted = options.of(function)
    of_run = {"targets": targets, "length": length}
    of_run = {key: value for key, value in of_run.items() if key in accepted}
    method = options.call(f"method {name!r}", function, given, modalities, **of_run)
    if not isinstance(method, Method):
        raise TypeError(f"method {name!r} must return a Method, got {type(method).__name__}")
    for need in method.needs:
        options.known("need of a method", need, NEEDS)
    functions = {name: getattr(method, name) for name in _FUNCTIONS}
    return method._replace(**{name: f and jax.jit(f) for name, f in functions.items()})


def _tuples(value: Any) -> Any:
    """The value with tuples for lists, which JSON has in their place: modules must be hashable."""
    if isinstance(value, Mapping):
        return {name: _tuples(of) for name, of in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _plain(value):
    """A mapping that is no dict, for JSON."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


def code(spec: Mapping[str, Any]) -> dict[str, str]:
    """{name: hash of its file} of a method of one's own, "package.module:function", and its bases.

    spec: as `create` takes it. What that file imports is not in it, nor what has no file.
    """
    name, base = str(spec["name"]), spec.get("base")
    found = code(base) if isinstance(base, Mapping) else {}
    if ":" in name:
        file = inspect.getsourcefile(_function(name))
        if file is not None and pathlib.Path(file).is_file():
            found[name] = hashlib.sha256(pathlib.Path(file).read_bytes()).hexdigest()
    return found


def _function(name) -> Callable:
    """The function behind a name of METHODS, or "package.module:function"."""
    if ":" not in str(name):
        name = METHODS[options.known("method", name, METHODS)]
    path, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if not f"{path}.".startswith(f"{error.name}."):
            raise  # the module is there, and imports another that is not
        raise ValueError(
            f"method {name!r}: there is no module {error.name!r}; its folder has to be the one you "
            "are in, or on PYTHONPATH"
        ) from error
    if not hasattr(module, attribute):
        functions = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        options.known(f"function of {path}", attribute, functions)
    function = getattr(module, attribute)
    if not callable(function):
        raise ValueError(f"method {name!r} must be a function, got {type(function).__name__}")
    return function
