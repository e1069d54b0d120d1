"""The 33 weak points of the command line of Joule 1.0.1, and the tests that prove them gone.

A name ends with the function, for all of its parameters. ``pytest -m weak_point`` runs the tests
that are named here, and no others.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

#: ``{number: (what was wrong, tests)}``; the tests are files and functions below this directory.
WEAK_POINTS = {
    1: (
        "A transfer that was cut off half way ended like a complete one, with 0.",
        "cli/test_cut_transfer.py::test_rows_that_were_printed_are_a_part",
        "cli/test_cut_transfer.py::test_a_json_document_stays_open",
        "cli/test_cut_transfer.py::test_no_file_is_left_behind",
        "cli/test_data_read.py::test_damage_after_good_rows_is_partial",
        "remote/test_data.py::test_a_cut_is_never_an_end",
        "remote/test_copy.py::test_the_command_tells_of_a_part_and_goes_on",
    ),
    2: (
        "A read that was refused ended with 0 and printed nothing.",
        "cli/test_data_read.py::test_errors",
        "cli/test_data_read.py::test_nothing_to_read",
        "remote/test_data.py::test_other_refusals_are_errors",
    ),
    3: (
        "A read whose reader went away never ended, and could only be killed.",
        "cli/test_data_read.py::test_a_reader_that_leaves",
        "cli/test_data_live.py::test_a_reader_that_leaves_ends_it_quietly",
        "cli/test_every_command.py::test_a_reader_that_has_gone_is_141_in_silence",
        "cli/test_run.py::test_a_signal_ends_a_write_that_blocks",
    ),
    4: (
        "A read that was interrupted ended with 0, so that its part looked complete.",
        "cli/test_data_read.py::test_an_interruption_leaves_no_file",
        "cli/test_run.py::test_a_signal_cleans_up_and_does_not_wait_for_threads",
        "cli/test_run.py::test_the_second_signal_kills_at_once",
    ),
    5: (
        "Large integers and small floats lost digits, and no text kept them.",
        "formats/test_text.py::test_integers_are_exact_beyond_2_to_the_53",
        "formats/test_csv.py::test_the_shortest_text_of_values",
        "formats/test_jsonl.py::test_integers_are_exact",
        "contracts/format_contract.py::test_every_row_comes_back_bit_for_bit",
    ),
    6: (
        "HDF5 files joined all intervals into one.",
        "contracts/format_contract.py::test_intervals_come_back",
        "formats/test_hdf5.py::test_what_is_added",
        "ops/test_ingest.py::test_hdf5_brings_the_whole_stream_along",
        "test_readme.py::test_an_export_comes_back_as_it_was",
    ),
    7: (
        "Copies of events lost some of those that begin at the same time.",
        "cli/test_event_copy.py::test_thousands_of_events_with_one_start",
        "ops/test_event_copy.py::test_thousands_of_events_with_one_start_arrive_once",
        "remote/test_event_paging.py::test_nothing_is_lost_and_nothing_comes_twice",
    ),
    8: (
        "Deleting one follower deleted all of them.",
        "engine/test_masters.py::test_deleting_one_follower_deletes_one",
        "cli/test_master.py::test_a_node_that_forgets_all_followers_needs_a_yes",
        "cli/test_master.py::test_followers_that_a_later_node_loses_are_told",
    ),
    9: (
        "A filter that failed had already erased data, and merges lost the last rows.",
        "cli/test_data_merge_filter.py::test_what_is_no_window_costs_nothing",
        "ops/test_filters.py::test_a_window_of_nothing_is_refused_first",
        "ops/test_filters.py::test_replacing_with_values_that_do_not_fit_keeps_the_old_rows",
        "ops/test_merge.py::test_every_covered_row_is_kept",
        "ops/test_merge.py::test_the_last_row_before_a_bound_is_kept",
        "ops/test_merge.py::test_short_pieces_are_done_or_reported",
    ),
    10: (
        "Seconds and years were taken for microseconds, and dates for other dates.",
        "series/test_time.py::test_a_number_that_looks_like_another_unit_warns_and_stays_microseconds",
        "series/test_time.py::test_iso",
        "series/test_time.py::test_open_bounds",
        "series/test_time.py::test_refused",
        "cli/test_run.py::test_a_time_with_two_readings_warns_on_stderr",
    ),
    11: (
        "An archive that the node rejected was OK.",
        "cli/test_archive.py::test_a_rejected_archive_is_never_ok_and_never_flushed",
        "cli/test_archive.py::test_folders",
    ),
    12: (
        "Questions could not be answered beforehand, or only at a terminal.",
        "cli/test_questions.py::test_yes_answers_beforehand",
        "cli/test_questions.py::test_no_answer_is_a_failure_that_names_the_way_around",
        "cli/test_data_copy.py::test_other_names_are_refused_with_the_remedy",
        "cli/test_data_ingest.py::test_rows_in_the_way",
        "cli/test_event_copy.py::test_an_action_answers_the_question",
        "cli/test_event_copy.py::test_nobody_to_ask",
        "cli/test_event_copy.py::test_new_never_asks_and_continues",
        "cli/test_master.py::test_lumen_credentials_from_options",
    ),
    13: (
        "Nothing was asked before folders, data, annotations, masters and nodes were gone.",
        "cli/test_questions.py::test_a_person_who_says_no_loses_nothing",
        "cli/test_questions.py::test_nobody_there_is_not_waited_for",
        "cli/test_wildcards.py::test_a_change_of_many_lists_them_and_asks",
    ),
    14: (
        "No output was for programs, and the one CSV did not quote.",
        "cli/test_every_command.py::test_json_is_one_document_and_nothing_else",
        "cli/test_output.py::test_csv_is_quoted_as_rfc_4180_says",
        "cli/test_annotation.py::test_old_csv_has_no_header_and_quotes_where_needed",
    ),
    15: (
        "Progress and notices were mixed with the output, and every cron job sent mail.",
        "cli/test_every_command.py::test_away_from_a_terminal_it_works_in_silence",
        "cli/test_every_command.py::test_quiet_leaves_answers_and_errors_only",
        "cli/test_remote_node.py::test_the_connection_is_told_at_a_terminal_only",
        "cli/test_options.py::test_nobody_watching_sees_no_progress",
        "cli/test_progress.py::test_nobody_else_sees_anything",
        "test_nightly.py::test_all_is_well_and_no_mail_is_sent",
    ),
    16: (
        "Ordinary mistakes and conditions ended with tracebacks.",
        "cli/test_module.py::test_info",
        "cli/test_data_read.py::test_errors",
        "cli/test_data_ingest.py::test_a_bad_file_changes_nothing",
        "formats/test_hdf5.py::test_bad_contents",
        "formats/test_hdf5.py::test_one_dimension",
        "formats/test_hdf5.py::test_no_rows",
        "cli/test_data_merge_filter.py::test_what_is_no_window_costs_nothing",
        "cli/test_event_copy.py::test_times_are_read_before_anything_else",
        "cli/test_node.py::test_a_broken_registry_is_one_line",
        "cli/test_every_command.py::test_what_does_not_exist_is_1_and_told",
    ),
    17: (
        "Repeated times and NaN were told as a node out of reach, and advice was wrong.",
        "ops/test_ingest.py::test_a_failing_node_is_told_apart_from_bad_input",
        "cli/test_data_ingest.py::test_a_bad_file_changes_nothing",
        "cli/test_every_command.py::test_an_unreachable_node_is_1_and_told",
        "remote/test_failures.py::test_nobody_listens",
        "api/test_registry.py::test_an_unknown_name_says_how_to_add_it",
        "test_named_commands.py::test_messages_and_comments_of_the_program",
    ),
    18: (
        "Errors were told apart by their words, and all had the same status.",
        "cli/test_run.py::test_with_json_the_error_is_an_object",
        "cli/test_run.py::test_several_of_which_some_fail",
        "cli/test_every_command.py::test_a_bad_option_is_2_at_once",
        "remote/test_failures.py::test_errors_of_a_node_are_rebuilt_and_name_their_object",
        "test_public_names.py::test_error_codes_are_distinct",
    ),
    19: (
        "Much of the API could not be reached from a shell, and nothing by its id.",
        "cli/test_every_command.py::test_every_call_of_a_node_has_a_command_and_the_reverse",
        "cli/test_every_command.py::test_the_command_makes_the_call",
        "test_reference.py::test_a_node_has_every_call",
        "cli/test_data_read.py::test_a_stream_by_its_id",
        "cli/test_data_write.py::test_an_interval_goes_on_within_the_merge_gap",
        "cli/test_module.py::test_info",
        "cli/test_stream.py::test_update",
        "cli/test_event.py::test_update",
    ),
    20: (
        "Nothing but HDF5 could be written and read, and nothing from a pipe.",
        "cli/test_data_read.py::test_csv",
        "cli/test_data_read.py::test_json",
        "cli/test_data_ingest.py::test_foreign_csv",
        "cli/test_data_write.py::test_what_read_prints_comes_back",
        "cli/test_data_export.py::test_a_tree_comes_back",
        "cli/test_data_parquet.py::test_a_folder_comes_back",
        "contracts/format_contract.py::test_a_pipe",
    ),
    21: (
        "Live data had no past, needed stored rows and few formats; logs could not be followed.",
        "cli/test_data_live.py::test_history_and_live_rows_are_joined",
        "cli/test_data_live.py::test_a_stream_that_keeps_nothing_is_followed_on_a_served_node",
        "cli/test_data_live.py::test_formats_line_by_line",
        "cli/test_module.py::test_following_prints_every_line_once",
    ),
    22: (
        "No variable named the node, keys stood on the command line, --node only in front.",
        "cli/test_node.py::test_which_node_is_used",
        "cli/test_remote_node.py::test_a_key_is_never_on_the_command_line",
        "cli/test_output.py::test_common_options_work_in_every_position",
        "api/test_connect.py::test_precedence",
    ),
    23: (
        "TAB knew no streams, nothing installed it, and there were no manual pages.",
        "cli/test_completion.py::test_data_streams_one_level_at_a_time",
        "cli/test_completion.py::test_nodes",
        "cli/test_completion_shells.py::test_paths_of_a_node_file",
        "cli/test_completion_shells.py::test_paths_of_a_served_node",
        "cli/test_completion_shells.py::test_everything_else",
        "cli/test_completion.py::test_every_entry_of_the_table_is_an_argument_or_option",
        "cli/test_completion.py::test_the_files_are_what_the_command_prints",
        "cli/test_manual.py::test_every_command_has_every_section",
        "cli/test_manual.py::test_man_shows_the_pages_without_a_warning",
    ),
    24: (
        "There was no dry run, no quiet, no verbose, no -h, no choice of colour, no example.",
        "cli/test_prompt.py::test_a_dry_run_changes_and_asks_nothing",
        "cli/test_every_command.py::test_quiet_leaves_answers_and_errors_only",
        "cli/test_every_command.py::test_help_has_examples_and_loads_nothing_heavy",
        "cli/test_help.py::test_help_of_a_command_by_name",
        "cli/test_run.py::test_tracebacks_only_on_demand",
        "cli/test_output.py::test_colour_on_a_terminal",
        "cli/test_output.py::test_colour_in_a_pipe",
        "cli/test_examples.py::test_examples",
    ),
    25: (
        "There were no wildcards, no commands on several streams, no list of paths.",
        "cli/test_wildcards.py::test_every_command_that_takes_several_is_tried",
        "cli/test_wildcards.py::test_looking",
        "cli/test_wildcards.py::test_a_change_of_many_lists_them_and_asks",
        "cli/test_output.py::test_plain_is_one_path_per_line",
    ),
    26: (
        "Help took up to two seconds, since it loaded everything.",
        "cli/test_every_command.py::test_help_has_examples_and_loads_nothing_heavy",
        "test_imports.py::test_help_loads_nothing_heavy",
        "test_imports.py::test_a_list_in_a_pipe_does_not_load_what_draws_and_parses",
    ),
    27: (
        "Times had no zone and no fractions, and a blank at the end.",
        "series/test_time.py::test_output",
        "series/test_time.py::test_interval_lines",
        "cli/test_data_intervals.py::test_the_lines_of_joule_1_0_1",
        "cli/test_output.py::test_times_follow_the_options",
    ),
    28: (
        "A letter meant one thing here and another there.",
        "cli/test_letters.py::test_every_letter_means_what_it_says",
        "cli/test_letters.py::test_every_letter_can_be_spelled_out",
        "cli/test_letters.py::test_a_long_option_takes_the_same_everywhere",
    ),
    29: (
        "Interrupted copies left breaks, copies of folders began anew, keep was lost.",
        "ops/test_copy.py::test_interrupted_copies_end_in_an_equal_stream",
        "ops/test_copy.py::test_creates_the_destination_as_the_source_is",
        "ops/test_tree.py::test_a_filled_destination_needs_resumption",
        "cli/test_data_copy.py::test_an_interrupted_copy_is_completed_by_repeating_it",
        "cli/test_folder_copy.py::test_a_filled_destination_needs_resume",
    ),
    30: (
        "The certificate of a node was not checked, and nobody was told.",
        "cli/test_remote_node.py::test_certificates",
        "remote/test_failures.py::test_an_unknown_authority",
        "remote/test_failures.py::test_a_certificate_for_another_host",
        "interop/test_node.py::test_https_with_another_authority",
    ),
    31: (
        "A command ran several event loops, and warned of what it had left open.",
        "cli/test_one_loop.py::test_loops_are_made_in_one_place",
        "cli/test_one_loop.py::test_a_command_closes_what_it_has_opened",
        "remote/test_failures.py::test_a_node_that_is_not_closed_drops_its_connections",
    ),
    32: (
        "A new version of a dependency kept a fresh installation from starting.",
        "test_dependencies.py::test_a_new_major_version_is_not_taken_untried",
        "test_dependencies.py::test_nothing_of_an_extra_is_needed_to_start_and_serve",
    ),
    33: (
        "The documentation named commands that did not exist, and left out whole groups.",
        "test_named_commands.py::test_texts",
        "test_named_commands.py::test_help_and_topics",
        "cli/test_examples.py::test_examples",
        "cli/test_manual.py::test_every_page_that_is_named_is_there",
        "cli/test_help.py::test_no_file_is_left_over",
        "test_readme.py::test_commands_work_and_print_what_is_shown",
    ),
}


def test_all_are_there():
    assert list(WEAK_POINTS) == list(range(1, 34))
    assert all(sentence.endswith(".") and tests for sentence, *tests in WEAK_POINTS.values())


def test_each_is_tested():
    """Each test is found by pytest and is not skipped always; it runs with all others."""
    named = {test for _, *tests in WEAK_POINTS.values() for test in tests}
    marks = "weak_point and not (skip or xfail)"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", marks, HERE],
        cwd=HERE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    found = {line.partition("[")[0] for line in done.stdout.splitlines() if "::" in line}
    # those of a contract are collected where they are imported
    functions = {name.rpartition("::")[2] for name in found}
    assert [
        test
        for test in sorted(named)
        if f"tests/{test}" not in found
        and not (test.startswith("contracts/") and test.rpartition("::")[2] in functions)
    ] == []
