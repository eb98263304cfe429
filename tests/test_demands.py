"""Rows of the table of demands on the dashboard, each with a test that holds it.

The row is the name of the feature there; the demand itself is stated only there.
"""

import re

import pytest

from tests.conftest import ROOT

HELD = {
    "run table": "app/test_overview.py::test_filters_come_from_the_address",
    "best / last / chosen-epoch value": "app/test_overview.py::test_best_last_and_a_chosen_epoch_differ_and_the_caption_says_which",
    "compare overlay": "app/test_methods.py::test_two_runs_of_one_recipe_and_one_of_another_method_differ_on_every_chart",
    "average over seeds with band": "app/test_report.py::test_many_runs_become_bands_over_seeds",
    "smoothing, raw kept visible": "app/test_compare.py::test_panels_share_one_axis_and_keep_the_logged_curve_behind",
    "x axis, log y": "app/test_compare.py::test_values_without_a_place_on_a_logarithmic_axis_are_said",
    "epoch slider and play": "browser/test_geometry.py::test_it_plays_without_a_byte_and_the_texts_follow_at_rest",
    "point to image": "app/test_map.py::test_a_selection_fills_the_gallery_and_is_cleared",
    "image to attention map": "app/test_figures.py::test_attention_lies_over_the_image_cell_by_cell",
    "gallery by error type": "app/test_images.py::test_the_gallery_holds_the_images_of_its_kind",
    "per-bucket view": "app/test_compare.py::test_dots_of_a_bucket_average_to_the_difference_of_the_means",
    "embedding projector": "app/test_map.py::test_umap_comes_first_where_it_is_stored_and_all_classes_have_names",
    "download CSV": "app/test_class_differences.py::test_csv_gives_the_plotted_numbers_back",
    "download HTML": "browser/test_offline_pages.py::test_downloads_hold_the_plotted_numbers_and_open_offline",
    "shareable URL state": "browser/test_dashboard.py::test_an_address_opens_the_same_view_to_another_visit",
    "live update": "app/train/test_follow.py::test_the_live_part_draws_the_whole_page_when_jobs_changed",
    "start a job": "app/train/test_start.py::test_a_bad_setting_is_named_and_nothing_can_be_queued",
    "stop a job": "app/train/test_jobs.py::test_stop_asks_the_runner_and_the_button_rests",
    "resume / clone": "app/train/test_start.py::test_clone_fills_the_form_and_the_queued_run_has_the_same_settings",
    "queue": "app/train/test_jobs.py::test_the_queue_shows_places_and_changes_its_order",
    "logs with search": "app/train/test_jobs.py::test_a_failed_job_has_its_error_as_headline_and_its_log_open",
    "honest state after a crash": "app/train/test_jobs.py::test_a_lost_job_is_called_lost_and_can_be_resumed",
    "notes, tags": "app/test_overview.py::test_name_tags_and_notes_are_saved_and_nothing_else_is_lost",
    "config diff": "app/test_compare.py::test_settings_show_differences_and_equal_ones_only_when_opened",
    "exports": "unit/test_exports.py::test_event_files_hold_what_was_logged",
    "dark mode": "app/test_figures.py::test_every_colour_with_a_meaning_stands_out_from_both_grounds",
    "colour-blind safe": "app/test_figures.py::test_the_colour_is_of_the_recipe_and_dash_and_mark_are_of_the_run",
    "GPU and CPU use, memory, ETA": "app/train/test_jobs.py::test_a_running_job_shows_its_curves_its_use_and_its_time_left",
    "keyboard": "browser/test_geometry.py::test_arrow_keys_step_and_leave_input_fields_alone",
    "empty and error states": "app/test_overview.py::test_only_broken_folders_say_so_and_the_next_step",
    "hover detail": "app/test_hover.py::test_a_class_has_one_form_on_every_chart_and_an_angle_stands_beside_that_of_an_etf",
    "no silent down-sampling": "app/test_compare.py::test_a_curve_that_is_not_drawn_whole_says_so",
    "image thumbnails in the map": "app/test_map.py::test_selected_samples_are_shown_as_small_pictures_with_what_they_are",
    "screen-reader names": "browser/test_dashboard.py::test_a_page_is_readable_named_and_reached_by_keys",
    "large data": "app/test_map.py::test_twenty_thousand_points_are_drawn_whole_and_stay_small",
    "works offline": "browser/test_dashboard.py::test_recorded_runs_are_drawn_without_another_machine",
    "guided lessons": "app/test_lessons.py::test_back_and_next_move_one_step_and_stop_at_the_ends",
}


@pytest.mark.parametrize("row", HELD)
def test_the_test_that_holds_a_row_is_there(row):
    place, _, name = HELD[row].partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / "tests" / place).read_text(), re.MULTILINE), HELD[row]


def test_every_row_is_held():
    assert len(HELD) == 37
