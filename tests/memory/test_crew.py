"""Steps run in a few threads that can be left behind, and a part that fails is left alone."""

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from turnfold.errors import InvalidValue, StoreError, TurnfoldError, failure
from turnfold.resilience.circuit_breaker import CircuitBreaker, LeftAlone
from turnfold.resilience.worker_threads import (
    NoThread,
    TooLate,
    WorkerThreads,
    beside,
    current_task,
)

SOON = 0.05


@pytest.fixture
def gate():
    """Steps hang at its `wait` until the test opens it, at the latest at its end."""
    opened = threading.Event()
    yield opened
    opened.set()


@pytest.fixture
def crew():
    return WorkerThreads(2, "test-crew")


def hands():
    return [thread for thread in threading.enumerate() if thread.name == "test-crew"]


def hang_all(crew, gate):
    for _ in range(2):
        with pytest.raises(TooLate):
            crew.do(gate.wait, SOON)


def test_who_cancels_leaves_nothing_hanging_before_its_time_is_over(crew, gate):
    async def both_leave():
        tasks = [asyncio.create_task(crew.do_async(gate.wait, 0.4)) for _ in range(2)]
        await asyncio.sleep(SOON)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        soon = asyncio.create_task(crew.do_async(lambda: 7, 5.0))
        await asyncio.sleep(SOON)
        assert not soon.done(), "it waits for a thread"
        gate.set()
        assert await soon == 7

    asyncio.run(both_leave())


def test_what_is_cancelled_and_does_not_come_back_in_its_time_hangs(crew, gate):
    async def both_leave():
        tasks = [asyncio.create_task(crew.do_async(gate.wait, 4 * SOON)) for _ in range(2)]
        await asyncio.sleep(SOON)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(4 * SOON)
        with pytest.raises(NoThread):
            await crew.do_async(lambda: 7, 5.0)

    asyncio.run(both_leave())


@pytest.mark.parametrize("comes_back", [True, False])
def test_what_had_all_the_time_there_is_hangs_a_second_after_it_was_left(crew, gate, comes_back):
    async def both_leave():
        tasks = [asyncio.create_task(crew.do_async(gate.wait)) for _ in range(2)]
        await asyncio.sleep(SOON)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        soon = asyncio.create_task(crew.do_async(lambda: 7))
        await asyncio.sleep(SOON)
        assert not soon.done(), "it waits for a thread"
        if comes_back:
            gate.set()
            assert await soon == 7
        else:
            with pytest.raises(NoThread):
                await soon

    asyncio.run(both_leave())


def test_who_waits_for_a_thread_is_told_once_all_of_them_hang(crew, gate):
    begun = threading.Semaphore(0)

    def hang():
        begun.release()
        gate.wait()

    with ThreadPoolExecutor() as callers:
        for _ in range(2):
            callers.submit(crew.do, hang, 0.5)
            begun.acquire()
        with pytest.raises(NoThread):
            crew.do(lambda: 7)
    assert len(hands()) == 2


# --- one step ---------------------------------------------------------------------------------


def test_what_a_step_gives_comes_back_and_what_it_raises_is_raised(crew):
    assert crew.do(lambda: 7) == 7
    with pytest.raises(KeyboardInterrupt):
        crew.do(interrupt)


def interrupt():
    raise KeyboardInterrupt


def test_a_step_runs_in_the_context_of_its_caller(crew):
    here = contextvars.ContextVar("here")
    here.set("the caller's")
    assert crew.do(here.get) == "the caller's"
    assert current_task() is None
    assert crew.do(current_task) is not None


async def test_an_event_loop_goes_on_meanwhile(crew, gate):
    step = asyncio.create_task(crew.do_async(gate.wait))
    await asyncio.sleep(0)
    gate.set()
    assert await step is True


async def test_who_is_cancelled_leaves_the_step_behind(crew, gate):
    step = asyncio.create_task(crew.do_async(gate.wait))
    await asyncio.sleep(SOON)
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step
    assert len(hands()) == 1


# --- steps that hang --------------------------------------------------------------------------


def test_no_more_threads_than_the_crew_has_are_ever_left(crew, gate):
    hang_all(crew, gate)
    assert len(hands()) == 2
    for _ in range(50):
        with pytest.raises(NoThread, match="all 2 threads for it wait"):
            crew.do(gate.wait)  # without end: it is refused at once
    assert len(hands()) == 2


def test_what_comes_back_late_makes_room_again(crew, gate):
    hang_all(crew, gate)
    gate.set()
    for thread in hands():
        thread.join(30)
    assert crew.do(lambda: "well") == "well"


def test_who_comes_when_all_are_at_work_waits_for_the_next_free_thread(crew, gate):
    done = []
    busy = [
        threading.Thread(target=crew.do, args=(lambda: done.append(gate.wait(30)),))
        for _ in range(4)
    ]
    for thread in busy:
        thread.start()
    assert len(hands()) <= 2
    gate.set()
    for thread in busy:
        thread.join(30)
    assert done == [True] * 4


def test_a_step_that_nobody_waits_for_any_more_is_not_begun(crew, gate):
    begun = []
    busy = [threading.Thread(target=crew.do, args=(gate.wait,)) for _ in range(2)]
    for thread in busy:
        thread.start()
    while len(hands()) < 2:
        pass
    with pytest.raises(TooLate) as late:
        crew.do(lambda: begun.append(1), SOON)
    assert not late.value.began
    gate.set()
    for thread in [*busy, *hands()]:
        thread.join(30)
    assert crew.do(lambda: begun) == []


def test_where_no_thread_can_be_had_it_says_so_and_the_place_stays_free(crew, monkeypatch):
    def start(_thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        for _ in range(5):
            with pytest.raises(NoThread, match="can't start new thread"):
                crew.do(lambda: None)
    assert crew.do(lambda: "well") == "well"


# --- several steps ----------------------------------------------------------------------------


def test_several_steps_come_back_in_their_order(crew):
    steps = [lambda number=number: number for number in range(9)]
    assert crew.do_all(steps) == list(range(9))
    assert crew.do_all([]) == []


def test_what_was_not_begun_in_time_is_never_begun(crew, gate):
    begun = []

    def step():
        begun.append(threading.current_thread())
        gate.wait()

    with pytest.raises(TooLate):
        crew.do_all([step, step, step, step], SOON)
    waited_for = begun.copy()
    gate.set()
    for thread in waited_for:
        thread.join(30)
    assert begun == waited_for
    assert len(begun) < 4


# --- a part that fails ------------------------------------------------------------------------


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def fails(breaker, times, why="no"):
    for _ in range(times):
        with pytest.raises(OSError, match="no"), breaker.watching():
            raise OSError(why)


def asked(breaker):
    """Whether it may be asked; what is asked then works."""
    try:
        with breaker.watching():
            return True
    except LeftAlone:
        return False


def test_a_part_that_fails_three_times_in_a_row_is_left_alone_and_tried_again(clock):
    breaker = CircuitBreaker("the store", clock=clock)
    fails(breaker, 2)
    assert asked(breaker), "it worked in between"
    fails(breaker, 3)
    assert not asked(breaker)
    clock.now += 10
    assert asked(breaker)
    assert asked(breaker)


def test_each_time_it_fails_again_it_is_left_alone_for_twice_as_long(clock):
    breaker = CircuitBreaker("the store", clock=clock)
    fails(breaker, 3)
    for pause in (10, 20, 40, 80, 160, 300, 300):
        clock.now += pause - 1
        assert not asked_in_vain(breaker)
        clock.now += 1
        fails(breaker, 1)


def asked_in_vain(breaker):
    try:
        breaker.admit()
    except LeftAlone:
        return False
    return True


def test_one_tries_it_and_the_others_wait_for_what_comes_of_that(clock):
    breaker = CircuitBreaker("the store", clock=clock)
    fails(breaker, 3)
    clock.now += 10
    breaker.admit()
    assert not asked(breaker)
    breaker.worked()
    assert asked(breaker)


def test_it_is_said_what_is_left_alone_for_how_long_and_why(clock):
    breaker = CircuitBreaker("the embedder", clock=clock)
    for _ in range(3):
        breaker.failed(StoreError("no route to it\nand more"))
    clock.now += 3.5
    with pytest.raises(LeftAlone) as told:
        breaker.admit()
    assert str(told.value) == (
        "the embedder failed 3 times in a row and is left alone for 7 s "
        "(StoreError: no route to it)"
    )


def test_what_others_say_in_an_error_is_not_told_to_everybody(clock):
    breaker = CircuitBreaker("the store", clock=clock)
    fails(breaker, 3, "no card 4111")
    with pytest.raises(LeftAlone, match=r"for 10 s \(OSError\)$"):
        breaker.admit()


def test_what_is_wrong_with_a_value_is_no_failure_of_the_part(clock):
    breaker = CircuitBreaker("the store", clock=clock)
    odd = [InvalidValue("a"), KeyError("b"), TypeError("c"), RecursionError("d"), UnicodeError("e")]
    for wrong in odd * 2:
        breaker.failed(wrong)
    assert asked(breaker)
    fails(breaker, 3)
    clock.now += 10
    breaker.admit()
    breaker.failed(ValueError("what tries it is odd itself"))
    assert asked(breaker), "so another one tries it"


def test_failures_of_many_at_once_count_as_one_more(clock):
    breaker = CircuitBreaker("the store", clock=clock)
    for _ in range(30):
        breaker.failed(TooLate("it hangs"))
    clock.now += 10
    assert asked(breaker)


def test_an_answer_that_is_of_no_use_is_no_failure_of_the_part(clock):
    breaker = CircuitBreaker("the summarizer", answers=(OSError,), clock=clock)
    fails(breaker, 9)
    assert asked(breaker)


def test_what_a_step_waits_for_when_it_is_left_is_known(crew, gate):
    breaker = CircuitBreaker("the embedder")
    with pytest.raises(TooLate) as late:
        crew.do(hangs(breaker, gate), SOON)
    assert late.value.part is breaker


def hangs(breaker, gate):
    def step():
        with breaker.watching():
            return gate.wait(30)

    return step


def test_a_part_in_which_a_step_hangs_is_left_to_it_until_that_comes_back(crew, gate):
    breaker = CircuitBreaker("the embedder", most_left=1)
    with pytest.raises(TooLate):
        crew.do(hangs(breaker, gate), SOON)
    with pytest.raises(LeftAlone, match="not answered those who asked before"):
        crew.do(hangs(breaker, gate))
    gate.set()
    for thread in hands():
        thread.join(30)
    assert crew.do(hangs(breaker, gate))


# --- what is a failure ------------------------------------------------------------------------


class Panic(BaseException):
    """As a library in Rust raises it."""


@pytest.mark.parametrize("wrong", [Panic("index out of bounds"), BaseExceptionGroup("", [Panic()])])
def test_what_a_library_raises_when_it_panics_is_a_failure(wrong):
    ours = failure(wrong)
    assert isinstance(ours, TurnfoldError)
    assert type(wrong).__name__ in str(ours)


def test_an_exception_stays_what_it_is():
    wrong = ValueError()
    assert failure(wrong) is wrong


@pytest.mark.parametrize(
    "stop",
    [
        KeyboardInterrupt(),
        SystemExit(1),
        GeneratorExit(),
        asyncio.CancelledError(),
        BaseExceptionGroup("", [Panic(), BaseExceptionGroup("", [KeyboardInterrupt()])]),
    ],
)
def test_what_asks_to_stop_is_raised_again(stop):
    with pytest.raises(type(stop)):
        failure(stop)


# --- a part of a step beside it ---------------------------------------------------------------


def test_a_part_of_a_step_is_taken_while_the_step_goes_on(crew):
    begun = threading.Event()

    def step():
        part = beside(lambda: begun.set() or threading.get_ident())
        return begun.wait(60), part() != threading.get_ident()

    assert crew.do(step) == (True, True)


def test_what_a_part_raises_is_raised_where_it_is_waited_for(crew):
    def raises_beside():
        part = beside(interrupt)
        return part()

    with pytest.raises(KeyboardInterrupt):
        crew.do(raises_beside)


def test_without_a_free_thread_a_step_takes_its_part_itself():
    alone = WorkerThreads(1, "test-crew")
    assert alone.do(lambda: beside(threading.get_ident)() == threading.get_ident())
    assert beside(threading.get_ident)() == threading.get_ident()


def test_a_part_that_hangs_is_left_with_its_step(crew, gate):
    def waits_beside():
        part = beside(gate.wait)
        return part()

    with pytest.raises(TooLate):
        crew.do(waits_beside, SOON)
    with pytest.raises(NoThread):  # at once: nobody waits for a thread that will not come
        crew.do(lambda: 7)
    gate.set()
    for hand in hands():
        hand.join()
    assert crew.do(lambda: 7) == 7
