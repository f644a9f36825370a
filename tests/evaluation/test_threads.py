"""Several probes at once, each on one thread."""

import threading
import time

import pytest
from threadpoolctl import threadpool_info

from mmalign.evaluation import threads


@pytest.fixture(params=(1, 3))
def cores(request, monkeypatch):
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda pid: set(range(request.param)))
    return request.param


def test_answers_come_in_order_from_as_many_threads_as_there_are_cores(cores):
    barrier = threading.Barrier(cores)  # passed by so many at once, or broken

    def work(number):
        barrier.wait(timeout=60)
        time.sleep(0.01 * (6 - number))  # the later, the sooner it is ready
        return number

    assert [*threads.side_by_side(work, range(6))] == [*range(6)]


def test_each_has_one_thread_of_linear_algebra_and_all_are_given_back(cores):
    def limits():
        return [library["num_threads"] for library in threadpool_info()]

    def work(number):
        with threads.one_thread():
            time.sleep(0.01 * number)  # limits are lifted while others are at work
            return limits()

    with threads.one_thread():  # which brings the libraries
        pass
    before = limits()
    assert before
    for found in threads.side_by_side(work, range(6)):
        assert set(found) == {1}
    assert limits() == before


def test_an_error_of_one_is_told(cores):
    with pytest.raises(ZeroDivisionError):
        [*threads.side_by_side(lambda number: 1 / number, (1, 0, 1))]
