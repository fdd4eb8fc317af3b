"""What is known and may be forgotten is bounded, whoever sets it."""

import threading

from turnfold_stores.bounded import BoundedDict


def test_what_was_set_longest_ago_goes_first():
    bounded = BoundedDict(2)
    bounded["a"] = 1
    bounded["b"] = 2
    bounded["a"] = 3
    bounded.update(c=4)
    assert list(bounded.items()) == [("a", 3), ("c", 4)]
    assert bounded.setdefault("d", 5) == 5
    assert list(bounded) == ["c", "d"]


def test_threads_may_set_at_once():
    bounded, errors = BoundedDict(10), []

    def set_many(start):
        try:
            for number in range(start, start + 3_000):
                bounded[number % 40] = number
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
            errors.append(error)

    threads = [threading.Thread(target=set_many, args=(n * 7,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(bounded) <= 14
