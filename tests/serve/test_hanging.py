"""Endpoints of the proxy over a store that hangs: who gives up leaves few threads behind."""

import threading

import httpx2
from support.chats import ask, history, stand_in
from support.faulty import Trouble, troubled_store
from support.serving import TOKEN, serving


def test_searches_that_hang_are_refused_in_the_end_and_chats_go_on():
    release, came_back = threading.Event(), []

    def hang():
        if not release.wait(20):
            came_back.append("by itself")

    def by_hand(_number, _name):
        return threading.current_thread().name == "turnfold-hand"

    shown = {"x-turnfold-token": TOKEN, "x-turnfold-user": "ada", "x-api-key": "k"}
    trouble = Trouble(by_hand, hang)
    with serving(stand_in("So."), store=troubled_store(trouble), token=TOKEN) as proxy:
        trouble.armed = True
        with proxy.http(headers=shown) as program:
            asked = {"user": "ada", "q": "amber3"}
            for _ in range(50):
                try:
                    told = program.get("/turnfold/search", params=asked, timeout=0.2)
                    break
                except httpx2.TimeoutException:
                    pass
            assert told.status_code == 503
            assert "what hangs is left alone" in told.text
            assert trouble.struck == 4
            answer = program.post("/v1/messages", json=ask(history(2)), timeout=20)
        assert answer.status_code == 200
        assert "x-turnfold-degraded" not in answer.headers
        assert not came_back
        release.set()
