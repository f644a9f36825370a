"""Nodes and their artifacts: what changes the hash, and that each is computed once."""

import json
import multiprocessing
import os
import signal
import time

import pytest

from mmalign import graph
from mmalign.graph import COMPLETE, NODE, SUMS, Node, Store

SPEC = {"lr": 0.1, "steps": 5, "shape": (1, 2)}
DATA = Node("data", "toy", {"fingerprint": "abc"})
NODE_A = Node("training", "a", SPEC, (DATA,))


def test_equal_nodes_are_one_and_any_difference_makes_another():
    same = Node("training", "a", {"shape": [1, 2], "steps": 5, "lr": 0.1}, (Node(
        "data", "toy", {"fingerprint": "abc"}),))  # fmt: skip
    assert same.digest == NODE_A.digest and same.folder == NODE_A.folder
    others = [
        Node("embedding", "a", SPEC, (DATA,)),
        Node("training", "b", SPEC, (DATA,)),
        Node("training", "a", SPEC | {"lr": 0.2}, (DATA,)),
        Node("training", "a", SPEC | {"more": None}, (DATA,)),
        Node("training", "a", SPEC, (Node("data", "toy", {"fingerprint": "abd"}),)),
        Node("training", "a", SPEC),
    ]
    assert len({node.digest for node in (NODE_A, *others)}) == 7


def test_a_change_reaches_everything_that_is_computed_from_it():
    z = lambda node: Node("report", "r", {}, (Node("embedding", "z", {}, (node,)),))
    assert z(NODE_A).digest != z(Node("training", "a", SPEC | {"lr": 0.2}, (DATA,))).digest


def test_a_folder_is_named_by_kind_name_and_hash_whatever_the_name_is():
    node = Node("training", "left/../[acc]", {})
    assert node.folder == f"training-left_.._acc_-{node.digest[:12]}"


def test_an_artifact_is_computed_once_and_tells_where_it_comes_from(tmp_path):
    made = []

    def make(folder):
        made.append(folder)
        (folder / "x.txt").write_text("found")
        return {"seconds": 1.5}

    for store in (Store(tmp_path), Store(tmp_path)):
        path = store.get(NODE_A, make)
        assert (path / "x.txt").read_text() == "found"
        assert store.facts(NODE_A) == {"seconds": 1.5}
    assert made == [path] == [tmp_path / NODE_A.folder]
    told = json.loads((path / NODE).read_text())
    assert told["spec"]["lr"] == 0.1 and told["inputs"] == [DATA.folder]


def test_what_was_not_finished_is_begun_again_in_its_folder(tmp_path):
    store = Store(tmp_path)

    def half(folder):
        (folder / "checkpoint").write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.get(NODE_A, half)
    assert store.facts(NODE_A) is None
    path = store.get(NODE_A, lambda folder: {"found": (folder / "checkpoint").read_text()})
    assert store.facts(NODE_A) == {"found": "half"} and (path / COMPLETE).exists()


def _drawn(folder):
    """Makes something else each time."""
    with open(folder / "count", "a") as file:
        file.write("x")
    (folder / "x.txt").write_text("found")


def _read(folder):
    return (folder / "x.txt").read_text(), (folder / "count").read_text()


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda path: (path / "x.txt").write_text("fOund"), "x.txt has changed since it was writt"),
        (lambda path: (path / "x.txt").unlink(), "x.txt is missing"),
        (lambda path: (path / SUMS).write_bytes(b"\xff"), "can't decode byte"),
        (lambda path: (path / SUMS).unlink(), "No such file"),
        (lambda path: (path / COMPLETE).write_text(""), None),
        (lambda path: (path / COMPLETE).write_text("[]"), None),
    ],
)
def test_what_is_damaged_is_computed_again(tmp_path, damage, why):
    said = []
    store = Store(tmp_path, said.append)
    for _ in range(2):
        assert store.load(NODE_A, _drawn, _read) == ("found", "x")
    assert not said
    damage(store.path(NODE_A))
    assert store.load(NODE_A, _drawn, _read) == ("found", "xx")
    assert len(said) == (why is not None) and all(why in text for text in said)
    assert all("training 'a' is computed again, as " in text for text in said)
    assert store.load(NODE_A, _drawn, _read) == ("found", "xx")


def test_what_another_process_has_computed_again_is_kept(tmp_path, monkeypatch):
    said, store = [], Store(tmp_path, lambda text: said.append(text))
    store.load(NODE_A, _drawn, _read)
    (store.path(NODE_A) / "x.txt").write_text("fOund")
    held = graph.held

    def late(path, taken):
        (path.parent / "x.txt").write_text("found")  # by the other, which had the lock first
        return held(path, taken)

    monkeypatch.setattr(graph, "held", late)
    assert store.load(NODE_A, _drawn, _read) == ("found", "x") and not said


def test_what_cannot_be_read_after_it_was_computed_again_is_an_error(tmp_path):
    def read(folder):
        raise ValueError("never")

    with pytest.raises(ValueError, match="never"):
        Store(tmp_path, lambda text: None).load(NODE_A, _drawn, read)


def _slow(folder):
    with open(folder / "starts", "a") as file:
        file.write("x")
    (folder / "begun").touch()
    time.sleep(0.5)


def _compute(folder):
    Store(folder).get(NODE_A, _slow)


def _start(folder):
    process = multiprocessing.get_context("spawn").Process(target=_compute, args=(folder,))
    process.start()
    begun = folder / NODE_A.folder / "begun"
    while not begun.exists():
        time.sleep(0.01)
    begun.unlink()
    return process


def test_of_two_processes_one_computes_and_the_other_says_that_it_waits(tmp_path):
    process, said = _start(tmp_path), []
    path = Store(tmp_path, said.append).get(NODE_A, _slow)
    process.join()
    assert process.exitcode == 0 and (path / "starts").read_text() == "x"
    assert len(said) == 1
    assert said[0].startswith("training 'a' is being computed by process ")
    assert said[0].endswith(": waiting for it")


def test_a_process_that_dies_lets_go(tmp_path):
    process, said = _start(tmp_path), []
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    path = Store(tmp_path, said.append).get(NODE_A, _slow)
    assert not said and (path / "starts").read_text() == "xx"
