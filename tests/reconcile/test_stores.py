"""The rows of table R that a store could break, again over every store there is."""

from __future__ import annotations

from tests.reconcile.test_checks import (
    test_a_ledger_that_agrees_with_its_tasks_is_not_told_of,
    test_a_task_whose_holders_vanish_again_and_again_goes_to_the_end_of_the_queue,
)
from tests.reconcile.test_tasks import (
    logged,
    test_a_red_task_is_left_without_a_word_however_often_it_is_looked_at,
    test_a_task_that_raises_is_logged_and_the_others_are_handled,
    test_a_task_that_somebody_works_on_is_left_and_the_gate_is_not_asked,
    test_a_task_whose_event_was_lost_is_advanced_once_through_the_ordinary_handler,
    test_an_advance_is_one_line_one_count_and_one_notification,
    test_an_event_that_comes_just_before_the_handler_writes_is_somebody_who_was_faster,
    test_two_reconcilers_and_the_event_s_handler_at_once_advance_a_task_once,
    test_what_landed_is_finished_through_its_own_handler,
)

__all__ = [
    "logged",
    "test_a_ledger_that_agrees_with_its_tasks_is_not_told_of",
    "test_a_red_task_is_left_without_a_word_however_often_it_is_looked_at",
    "test_a_task_that_raises_is_logged_and_the_others_are_handled",
    "test_a_task_that_somebody_works_on_is_left_and_the_gate_is_not_asked",
    "test_a_task_whose_event_was_lost_is_advanced_once_through_the_ordinary_handler",
    "test_a_task_whose_holders_vanish_again_and_again_goes_to_the_end_of_the_queue",
    "test_an_advance_is_one_line_one_count_and_one_notification",
    "test_an_event_that_comes_just_before_the_handler_writes_is_somebody_who_was_faster",
    "test_two_reconcilers_and_the_event_s_handler_at_once_advance_a_task_once",
    "test_what_landed_is_finished_through_its_own_handler",
]
