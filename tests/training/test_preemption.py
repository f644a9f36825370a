import signal
import threading

from mmalign.training.preemption import stop_requests


def test_outside_the_main_thread_nothing_is_installed_and_nothing_asked():
    before, answers = signal.getsignal(signal.SIGTERM), []

    def run():
        with stop_requests() as asked:
            answers.append((asked(1), signal.getsignal(signal.SIGTERM) is before))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert answers == [(False, True)]


def test_the_request_is_remembered_until_the_end():
    before = signal.getsignal(signal.SIGTERM)
    with stop_requests() as asked:
        assert not asked(1)
        signal.raise_signal(signal.SIGTERM)
        assert asked(2) and asked(3)
    assert signal.getsignal(signal.SIGTERM) is before
    with stop_requests() as asked:
        assert not asked(1)


def test_a_request_after_the_last_question_is_not_lost():
    received = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        with stop_requests() as asked:
            assert not asked(1)
            signal.raise_signal(signal.SIGTERM)
            assert not received
        assert received == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
