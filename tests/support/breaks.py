"""The promises and what keeps them, each broken by one line, and the test that has to notice.

`tests/memory/test_breaks.py` applies each of them to a copy of the code (`make soak`), and holds
docs/promises.md to this list. After a change here, write the page anew:

    PYTHONPATH=tests python -m support.breaks
"""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "promises.md"
MARK = "<!-- the table is written by tests/support/breaks.py -->\n"


@dataclass(frozen=True)
class Break:
    """One line broken on purpose.

    Attributes:
        keeps: what the line is for.
        file: of `memory/turnfold`.
        function: where in it.
        line: the line as it is; occurs once in the file.
        broken: what it is changed to.
        test: the test that fails then, in `tests/memory`.
    """

    keeps: str
    file: str
    function: str
    line: str
    broken: str
    test: str


BREAKS = [
    Break(
        "**1 Valid in, valid out.** A tool's result stays with its call",
        "history/boundaries.py",
        "_Reading._beginning",
        "return own if place else 0",
        "return 0",
        "test_boundaries.py::test_words_of_the_user_begin_an_exchange_whatever_stands_beside_them",
    ),
    Break(
        "1. What is no turn passes untouched",
        "sdk/turn_requests.py",
        "other_than_turn",
        "if value is not None and one.makes_other(value):",
        'if value is not None and one.field == "thread":',
        "test_admission.py::test_a_body_that_is_no_turn_passes_untouched_and_is_not_stored",
    ),
    Break(
        "1. All other fields pass through",
        "request/rewrite.py",
        "build",
        'rewritten: dict[str, Any] = {**body, "messages": messages}',
        'rewritten: dict[str, Any] = {**body, "messages": messages, "system": ""}',
        "test_clients.py::test_the_system_prompt_stays_the_callers",
    ),
    Break(
        "1. Nothing of the caller's is changed",
        "request/cache_breakpoints.py",
        "_marked",
        "copied = list(blocks)",
        "copied: Any = blocks",
        "test_turn.py::test_what_is_previewed_is_not_changed",
    ),
    Break(
        "**2 Nothing lost.** What is closed is stored when first seen",
        "engine/runtime.py",
        "Runtime.begin",
        "archive.store_exchanges(transcript, held=True)",
        "archive.stored_ids(())",
        "test_turn.py::test_every_exchange_is_stored_when_it_is_first_seen",
    ),
    Break(
        "2. A summary that failed folds nothing, nor what comes after it",
        "folding/fold_builder.py",
        "FoldBuilder.build",
        "                break\n            reached[name] = there[name]",
        "                continue\n            reached[name] = there[name]",
        "test_turn.py::test_of_several_summaries_those_before_the_one_that_failed_count",
    ),
    Break(
        "2. Vectors an embedder failed to give are owed",
        "archive/passage_records.py",
        "PassageRecords.store_passages",
        "self._put([*records, owed])",
        "self._put(records)",
        "test_turn.py::test_what_was_folded_while_the_embedder_failed_is_found_when_it_is_back",
    ),
    Break(
        "**3 Append-only between folds.** What was recalled stays where it stood",
        "folding/epoch.py",
        "Epoch.injections",
        "if earlier.appends:",
        "if not earlier.appends:",
        "test_turn.py::test_between_folds_each_request_is_the_one_before_and_more",
    ),
    Break(
        "3. Bytes come from the plan, on another process too",
        "engine/turn.py",
        "Turn.__init__",
        "self._plan = plans.get(transcript.open.opening_id)",
        "self._plan = None",
        "test_turn.py::test_another_process_sends_the_same_bytes",
    ),
    Break(
        "**4 Thinking by proof.** Kept only under the prefix it was made under",
        "request/thinking.py",
        "unproven",
        "proven = len(known) == len(names) and all(one == before[index] for one in known)",
        "proven = len(known) == len(names)",
        "test_valid.py::test_thinking_is_kept_within_an_epoch_and_dropped_after_a_fold",
    ),
    Break(
        "4. Where what was injected is unknown, earlier thinking goes",
        "request/thinking.py",
        "unproven",
        "proven = index < touched_from",
        "proven = True",
        "test_mend.py::test_thinking_made_elsewhere_goes_where_something_before_it_was_folded",
    ),
    Break(
        "4. In one contiguous run",
        "request/thinking.py",
        "unproven",
        "return [index for index, _ in thoughts[: place + 1]]",
        "return [thoughts[place][0]]",
        "test_mend.py::test_what_stands_before_thinking_that_goes_goes_too",
    ),
    Break(
        "4. What was refused is stripped, and sent once more",
        "engine/turn.py",
        "Turn.recover_from",
        "self._strip = True",
        "self._strip = False",
        "test_mend.py::test_a_store_that_cannot_note_the_refusal_does_not_cost_the_answer",
    ),
    Break(
        "4. What was refused is not sent again, by anyone",
        "engine/turn.py",
        "Turn.recover_from",
        "self._archive.refuse_thinking(self._transcript.open)",
        "self._archive.stored_ids(())",
        "test_promises.py::test_thinking_that_was_refused_is_not_sent_again_by_anyone",
    ),
    Break(
        "4. What the provider is to compact is what was sent, and what was thought behind it",
        "sdk/attempt.py",
        "Attempt.made",
        "OnItsWay(sends,",
        "OnItsWay(self.body,",
        "test_background.py::test_the_promises_are_kept_by_folds_that_the_provider_compacted",
    ),
    Break(
        "**5 Idempotent.** The plan that holds is the first ever written",
        "engine/turn.py",
        "Turn._planned",
        "        return holds\n",
        "        return plan\n",
        "test_turn.py::test_two_processes_at_once_follow_whoever_planned_first",
    ),
    Break(
        "5. What is summarized is not summarized again",
        "folding/fold_builder.py",
        "FoldBuilder.advance",
        "lacking = [name for name in self._runs if name not in there]",
        "lacking = list(self._runs)",
        "test_backfill.py::test_killed_half_way_only_what_was_in_flight_is_paid_again",
    ),
    Break(
        "5. Branches: a fold hangs on the path, not on what was said",
        "archive/plans.py",
        "fold_id",
        'return "fold:" + last.exchange_id',
        'return "fold:" + last.content_id',
        "test_turn.py::test_a_fold_is_not_taken_over_as_it_is_where_something_before_it_was_edited",
    ),
    Break(
        "5. Branches: what is recalled is on a alive path",
        "recall/candidates.py",
        "RecallFilter.__call__",
        "return self._turns.get(content)",
        "return self._turns.get(content, 1)",
        "test_turn.py::test_an_edited_turn_starts_a_branch_that_never_sees_the_dead_one",
    ),
    Break(
        "**6 Walls.** The user is who the request names",
        "scope.py",
        "scope_of",
        "user_id = named if isinstance(named, str) and named else LOCAL_USER",
        "user_id = LOCAL_USER",
        "test_clients.py::test_the_user_is_who_the_request_names",
    ),
    Break(
        "6. No id of one user is another's",
        "history/exchanges.py",
        "seed_of",
        'return digest("turnfold", user_id, conversation)',
        'return digest("turnfold", conversation)',
        "test_transcript.py::test_every_user_and_conversation_has_a_seed_of_its_own",
    ),
    Break(
        "6. Recall keeps to the conversation where that is the scope",
        "recall/recall.py",
        "look_up",
        'alone = policy.scope == "conversation"',
        "alone = False",
        "test_turn.py::test_the_scope_conversation_recalls_from_this_one_alone",
    ),
    Break(
        "6. Quotation: no mark in disguise is left in it",
        "request/quotation.py",
        "memory_block",
        "content = quote(content)",
        "content = str(content)",
        "test_hostile.py::test_no_mark_in_disguise_is_left_in_a_quotation",
    ),
    Break(
        "6. Quotation: its mark holds a digest of what it holds",
        "request/quotation.py",
        "memory_block",
        "mark = digest(note, content)[:8]",
        'mark = "0badcafe"',
        "test_hostile.py::test_the_mark_of_a_quotation_is_another_for_another_content",
    ),
    Break(
        "6. So is what the recall tool brings",
        "memory_tool.py",
        "Lookup._read",
        "mark = mark_for([one.text for one in found.said])",
        'mark = "abc"',
        "test_memory_tool.py::test_what_it_brings_is_quoted_and_speaks_for_nobody",
    ),
    Break(
        "6. A standing wish stands word for word in what the user wrote",
        "instructions/own_voice.py",
        "own_words",
        'if said.source == "user" and not',
        "if not",
        "test_hostile.py::test_only_the_users_own_words_are_standing_instructions",
    ),
    Break(
        "6. And in the user's own voice: not in what was quoted there",
        "instructions/enclosed.py",
        "between_marks",
        "return _merged([*inside, *_quoted(text, inside)])",
        "return inside",
        "test_wishes.py::test_what_a_stranger_wrote_into_a_users_message_is_no_wish",
    ),
    Break(
        "6. Nor in what was announced",
        "instructions/own_voice.py",
        "_Prose._own_part",
        "return begins, cut, breaks",
        "return begins, len(self._text), breaks",
        "test_wishes.py::test_what_a_stranger_wrote_into_a_users_message_is_no_wish",
    ),
    Break(
        "6. And it has the form of one",
        "summaries/standing_instructions.py",
        "Wishes.turns_of",
        "if len(more) > _MOST_SENTENCES or not asks(first if more[:-1] else bare):",
        "if len(more) > _MOST_SENTENCES:",
        "test_wishes.py::test_what_asks_for_nothing_for_good_is_no_wish",
    ),
    Break(
        "6. What a summarizer is shown cannot end its turn",
        "summarizers/claude.py",
        "_Shown._said",
        "{quote(one.text, turns=True)}",
        "{one.text}",
        "test_summary.py::test_no_text_ends_its_turn_or_speaks_as_another",
    ),
    Break(
        "**7 Fail open.** A memory that fails does not fail the user",
        "sdk/attempt.py",
        "Attempt.guarded",
        "except BaseException as caught:  # noqa: BLE001 - a failing memory must not fail the user",
        "except ValueError as caught:",
        "test_turn.py::test_a_store_that_fails_does_not_fail_the_user",
    ),
    Break(
        "7. And says so",
        "turn_context.py",
        "TurnContext.degrade",
        'self.account.degraded.append(f"{step}: {reason}")',
        'str(f"{step}: {reason}")',
        "test_turn.py::test_an_embedder_that_fails_leaves_recall_by_words",
    ),
    Break(
        "7. Deadline: a turn waits no longer",
        "sdk/deadline.py",
        "Deadline.left",
        "return max(0.0, self._ends - time.monotonic())",
        "return 60.0",
        "test_hanging.py::test_a_store_that_hangs_is_left_alone_at_once_and_the_receipt_says_so",
    ),
    Break(
        "7. Few threads are ever left behind",
        "resilience/worker_threads.py",
        "WorkerThreads._begin",
        "if self._at_work >= self._most:",
        "if self._at_work < 0:",
        "test_crew.py::test_who_comes_when_all_are_at_work_waits_for_the_next_free_thread",
    ),
    Break(
        "7. A part that fails again and again is left alone for a while",
        "resilience/circuit_breaker.py",
        "CircuitBreaker.admit",
        "if self._failures < _IN_A_ROW:",
        "if self._failures >= 0:",
        "test_crew.py::test_a_part_that_fails_three_times_in_a_row_is_left_alone_and_tried_again",
    ),
    Break(
        "7. A library that panics is a failing part",
        "errors.py",
        "failure",
        'return TurnfoldError(f"{type(wrong).__name__}: {wrong}")',
        "raise wrong",
        "test_crew.py::test_what_a_library_raises_when_it_panics_is_a_failure",
    ),
    Break(
        "7. Whatever the rest of the chain answers is what the caller gets",
        "sdk/response_tap.py",
        "raw_response",
        "return raw if isinstance(raw, httpx2.Response) else None",
        "return raw",
        "test_clients.py::test_what_a_middleware_further_in_answers_is_what_the_caller_gets",
    ),
    Break(
        "7. An event of a stream that makes no sense is left out",
        "sdk/stream_events.py",
        "_object",
        "except (ValueError, RecursionError):",
        "except TypeError:",
        "test_events.py::test_an_event_that_makes_no_sense_is_left_out",
    ),
    Break(
        "7. No error of the SDK leaves, not as a cause either",
        "errors.py",
        "as_turnfold_error",
        "ours.__cause__ = ours.__context__ = None",
        "ours.__context__ = None",
        "test_turn.py::test_an_error_of_ours_that_was_caused_by_the_sdks_is_not_retried",
    ),
    Break(
        "7. Limits hold without a summarizer: sentences of the turns stand in",
        "folding/turn_folds.py",
        "TurnFolds.settle",
        "if must and not ready:",
        "if must and not ready and self._must:",
        "test_limits.py::test_the_most_a_prompt_may_have_holds_and_one_refusal_is_enough",
    ),
    Break(
        "7. A limit that cannot be held is told",
        "engine/turn.py",
        "Turn._tell_of_limit",
        "if sent > self._planner.limit:",
        "if sent > 10**9:",
        "test_limits.py::test_a_newest_message_that_is_larger_than_the_limit_is_sent_and_told",
    ),
    Break(
        "Memory never sends more than the full history: what is recalled is less than was folded",
        "engine/turn_recall.py",
        "TurnRecall.room",
        "room = min(room, int(TRUSTED * left_out) - stands - BREAKS)",
        "room = min(room, self._policy.recall_tokens)",
        "test_never_more.py::test_no_request_is_longer_than_the_full_history_would_have_been",
    ),
    Break(
        "7. A model that writes nothing of use is not paid for each run of turns",
        "summarizers/resting.py",
        "Rest.judged",
        "self._useless += 1",
        "self._useless = 1",
        "test_limits.py::test_a_model_that_writes_nothing_of_use_is_paid_three_times",
    ),
    Break(
        "7. What one server says of its window binds no other",
        "turn_context.py",
        "Learned.at",
        "return self._elsewhere.setdefault(server, there) if server else self",
        "return self",
        "test_other_servers.py::test_a_model_of_the_same_name_elsewhere_has_a_window_of_its_own",
    ),
    Break(
        "7. Who compares notes in vain is not paid for it for ever",
        "summarizers/resting.py",
        "_judge",
        "of_use=not compared.pairs or",
        "of_use=True or",
        "test_other_servers.py::test_who_compares_notes_in_vain_is_not_paid_for_it_for_ever",
    ),
    Break(
        "7. What refuses for good is not asked again each turn",
        "summarizers/resting.py",
        "Rest.failed",
        "pause = AWAY",
        "pause = 0.0",
        "test_limits.py::test_below_the_limit_nothing_is_folded_without_a_summary",
    ),
    Break(
        "7. A late summary is taken when it comes, and paid once",
        "folding/turn_folds.py",
        "TurnFolds._settled",
        "self._context.archive.store_preparation(preparation)",
        "self._context.archive.stored_ids(())",
        "test_late.py::test_a_summary_that_comes_late_is_paid_once_and_taken",
    ),
    Break(
        "7. Whatever an answer makes our code raise, it is one that failed",
        "folding/fold_builder.py",
        "FoldBuilder.take",
        "except Exception as odd:  # noqa: BLE001 - whatever a text makes our code raise",
        "except ValueError as odd:",
        "test_limits.py::test_whatever_an_answer_holds_it_is_paid_twice_at_most",
    ),
    Break(
        "7. A prompt that is too long is folded, and sent once more",
        "engine/turn.py",
        "Turn.recover_from",
        "if self._folds.fold_all(refusal, sent=sent):",
        "if not self._folds.fold_all(refusal, sent=sent):",
        "test_mend.py::test_a_prompt_that_is_too_long_is_folded_and_sent_once_more",
    ),
    Break(
        "**Amid an exchange.** 1. A step is never split",
        "history/steps.py",
        "_starts",
        "if answered and not asked and not pending:\n                starts.append(index)",
        "if answered:\n                starts.append(index)",
        "test_steps.py::test_steps_are_what_was_called_with_all_its_results",
    ),
    Break(
        "Amid an exchange. 3. Bytes come from the plan of the step",
        "engine/turn_steps.py",
        "TurnSteps.__init__",
        "self.is_planned = index == len(self._open.closed) - 1",
        "self.is_planned = False",
        "test_step_folds.py::test_a_step_sent_again_goes_by_what_held_then",
    ),
    Break(
        "Amid an exchange. 4. Thinking that is bound to nothing stays",
        "request/thinking.py",
        "binds_thinking",
        'return version >= _BOUND_SINCE.get(found["line"], _OTHERS_SINCE)',
        "return version >= (0, 0)",
        "test_step_folds.py::test_thinking_goes_in_one_run_or_stays_where_it_is_not_bound",
    ),
    Break(
        "Amid an exchange. 5. What is noted of steps is not summarized again",
        "folding/fold_builder.py",
        "FoldBuilder._draft_of",
        "rest[index - first] = utterances(notes.left)",
        "utterances(notes.left)",
        "test_step_folds.py::test_nothing_is_summarized_twice",
    ),
    Break(
        "Amid an exchange. 7. Where steps are not enough, exchanges are folded",
        "engine/turn.py",
        "Turn._reach_back",
        "and self._planner.is_past_limit(self._epoch)",
        "and not self._planner.is_past_limit(self._epoch)",
        "test_step_folds.py::test_what_the_opening_recalled_stays_as_long_as_there_is_room",
    ),
    Break(
        "Amid an exchange. 7. Exchanges go before the steps that they crowd",
        "engine/turn_steps.py",
        "TurnSteps.are_crowded",
        "return few and freed >",
        "return not few and freed >",
        "test_room_to_grow.py::test_jobs_behind_others_fold_at_one_in_five_calls_at_the_most",
    ),
    Break(
        "Amid an exchange. 8. Steps are forgotten with their turn",
        "archive/exchange_records.py",
        "ExchangeRecords.store_steps",
        "records.append(self._record(one.exchange_id, STEP_PLACE_KIND, place))",
        "str(place)",
        "test_step_folds.py::test_what_is_folded_is_found_and_forgotten",
    ),
    Break(
        "**8 Forgetting is real.** A turn forgotten while open is known by what stood before it",
        "archive/tombstones.py",
        "forgotten_of",
        "was_open = (follows and name in buried) or turn_name(one, before, seed) in buried",
        "was_open = follows and name in buried",
        "test_forgetting_turns.py::test_what_is_forgotten_stays_so_and_the_rest_goes_on",
    ),
    Break(
        "8. Of what is rebuilt without a turn, pictures and files are still named",
        "forgetting/rebuild.py",
        "_without",
        "markers=[one for one in markers if one[0] >= first],",
        "markers=[],",
        "test_forgetting_turns.py::test_pictures_that_were_folded_are_still_named",
    ),
    Break(
        "8. A fold whose last exchange goes stays in force",
        "forgetting/rebuild.py",
        "_heir",
        'return remaining[-1].id if remaining[-1].id != exchange_in(fold) else ""',
        'return ""',
        "test_forgetting_turns.py::test_a_fold_whose_last_exchange_goes_stays_in_force",
    ),
    Break(
        "**9 State is not folded away.** System messages in force are sent on",
        "request/carried_state.py",
        "carried_from",
        "return Carried(system, tuple(uploads.values()))",
        "return Carried(None, tuple(uploads.values()))",
        "test_state.py::test_a_system_message_in_force_is_carried_behind_the_first_live_opening",
    ),
    Break(
        "9. So are tools, net of what was removed",
        "request/carried_state.py",
        "_change_tool",
        "tools.pop(name, None)",
        "tools.get(name)",
        "test_state.py::test_a_tool_that_came_and_went_is_not_carried",
    ),
    Break(
        "9. So are uploads",
        "request/carried_state.py",
        "carried_from",
        'if _kind(block) == "container_upload"',
        'if _kind(block) == "no upload"',
        "test_state.py::test_container_uploads_are_carried",
    ),
    Break(
        "9. What is cited in view stays in view",
        "history/citations.py",
        "Citations.until",
        "least = one.source.exchange",
        "least = until",
        "test_state.py::test_documents_stay_while_a_live_citation_counts_them",
    ),
    Break(
        "9. A fold of another branch takes nothing away that is cited on this one",
        "folding/folds_in_force.py",
        "fold_in_force",
        "if citations.until(head, fold.count)[0] == fold.count:",
        "if citations.until(head, fold.count)[0] >= 0:",
        "test_citations.py::test_what_is_cited_stays_on_the_branch_that_cites_it",
    ),
    Break(
        "9. Citations have the numbers that what they cite has in the request",
        "history/citations.py",
        "Citations.rewritten",
        "if number is None or one.citation[field] != number:",
        "if number is None:",
        "test_citations.py::"
        "test_a_chat_in_which_each_turn_is_shown_and_cites_its_own_sources_is_folded",
    ),
    Break(
        "9. So have they where memory failed",
        "sdk/attempt.py",
        "Attempt._failed",
        "            self.goes_without()",
        "            pass",
        "test_citations.py::test_a_history_that_goes_without_memory_has_its_own_numbers",
    ),
    Break(
        "9. Nothing up to a compaction of the provider is touched",
        "request/carried_state.py",
        "protected_head",
        "compacted[-1] + 1 if compacted else 0",
        "0",
        "test_state.py::test_nothing_up_to_a_compaction_of_the_provider_is_touched",
    ),
    Break(
        "**Cut histories** are joined where they overlap",
        "engine/cut_history.py",
        "_cut",
        "front = exchanges_of(archive, trodden.links[:place], count)",
        "front = exchanges_of(archive, (), count)",
        "test_rejoin.py::test_a_cut_history_is_sent_as_the_whole_one_would_be",
    ),
    Break(
        "Cut histories without a name pass as they are",
        "engine/cut_history.py",
        "_cut",
        "return Course(sent, cut=True)",
        "return Course(sent)",
        "test_rejoin.py::test_without_a_name_a_cut_history_passes_as_it_is_with_one_warning",
    ),
    Break(
        "**Deleted exchanges.** What may have been deleted is not joined again",
        "engine/cut_history.py",
        "_may_be_deleted",
        "return not alignment.skipped and (few or alignment.lost > 0)",
        "return not alignment.skipped and alignment.lost > 0",
        "test_deleting.py::test_who_deletes_the_first_exchange_and_goes_on_has_deleted_it",
    ),
    Break(
        "Deleted exchanges: what memory has of the others goes along",
        "engine/runtime.py",
        "Runtime.begin",
        "if course.trodden is not None:",
        "if course.cut:",
        "test_deleting.py::test_what_was_deleted_is_nowhere_and_the_rest_goes_on",
    ),
    Break(
        "**Cache.** The newest end is marked first",
        "request/cache_breakpoints.py",
        "set_breakpoints",
        "_end_of(messages, len(messages) - 1) if at_end and automatic is None else None,",
        "_end_of_system(body),",
        "test_turn.py::test_without_marks_of_the_caller_the_end_is_marked",
    ),
    Break(
        "Cache. Then where the request before ended",
        "request/cache_breakpoints.py",
        "set_breakpoints",
        "_end_of(messages, _previous_end(messages)),",
        "None,",
        "test_turn.py::test_where_the_request_before_ended_is_marked_too",
    ),
    Break(
        "Cache. At most four marks, the caller's counted",
        "request/cache_breakpoints.py",
        "set_breakpoints",
        "for place in places[: max(_MOST - len(theirs), 0)]:",
        "for place in places:",
        "test_turn.py::test_at_most_four_marks_and_the_hours_first",
    ),
    Break(
        "Cache. Marks of one hour come before those of five minutes",
        "request/cache_breakpoints.py",
        "_lifetime",
        "return _ONE_HOUR if later else _FIVE_MINUTES",
        "return _FIVE_MINUTES",
        "test_turn.py::test_at_most_four_marks_and_the_hours_first",
    ),
    Break(
        "**Reading.** What changed in the caller's own objects is noticed",
        "history/reader.py",
        "Reader.read",
        "index: known.others[index] if index < same else copied(columns.messages[index])",
        "index: known.others[index] if index < same else columns.messages[index]",
        "test_reader.py::test_a_block_changed_in_place_is_noticed",
    ),
]


def table():
    """The list as the table of docs/promises.md."""
    rows = ["| what is kept | where | the line | broken | noticed by |", "|---|---|---|---|---|"]
    for one in BREAKS:
        cells = (
            one.keeps,
            f"`{one.file}`, `{one.function}`",
            code(one.line),
            code(one.broken),
            f"`{one.test}`",
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def code(line):
    """A line of code in a cell of a table."""
    return "`" + " ".join(line.partition("  #")[0].split()).replace("|", "\\|") + "`"


if __name__ == "__main__":
    before, mark, _ = PAGE.read_text().partition(MARK)
    PAGE.write_text(before + mark + table())
