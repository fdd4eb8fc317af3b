"""Tasks of an event loop wait for what threads, or other tasks, tell them."""

import asyncio

from turnfold.resilience.taking_turns import TakingTurns


async def test_who_waits_long_for_a_turn_leaves_nothing_on_the_loop():
    turns = TakingTurns()

    async def waits():
        with turns.one() as turn:
            await turn.wait_async()

    with turns.one() as held:
        await held.wait_async()
        waiting = asyncio.create_task(waits())
        await asyncio.sleep(0.7)  # it is looked at every quarter of a second
        assert asyncio.all_tasks() == {waiting, asyncio.current_task()}
    await asyncio.wait_for(waiting, 5)
