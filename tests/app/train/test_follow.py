"""When the Train page and the badge are drawn anew by themselves, and what they tell then."""

from app.train import badge, live
from mlcnc.launch import Jobs
from tests.app.job_files import change, write_job
from tests.app.train.page_words import write_live


def test_a_job_that_another_process_queues_is_seen_while_the_page_is_idle(opened, root, monkeypatch):
    parts = fragments(monkeypatch)
    page = opened("app/main.py").switch_page("train/page.py").run()
    assert parts["_live"] == live.IDLE_TICK_SECONDS
    assert parts["_badge"] is None, "Train has a timer of its own"
    page.switch_page("overview/page.py").run()
    assert parts["_badge"] == badge.IDLE_TICK_SECONDS
    page.switch_page("learn/page.py").run()
    assert parts["_badge"] is None, "a chart that plays sends nothing"
    write_live(root)
    write_job(root, "running", run_id="live")
    page.run()
    assert parts["_badge"] == badge.TICK_SECONDS
    page.switch_page("train/page.py").run()
    assert parts["_live"] == live.TICK_SECONDS
    assert not page.exception


def test_the_live_part_draws_the_whole_page_when_jobs_changed(root):
    seen = live._signature(Jobs(root).all())
    job_id = write_job(root, run_id="one")
    queued = live._signature(Jobs(root).all())
    change(root, job_id, said="waits for disk space")
    waiting = live._signature(Jobs(root).all())
    write_live(root)
    counted = live._signature(Jobs(root).all())
    assert len({seen, queued, waiting, counted}) == 4, "the sidebar counts the runs"


def test_the_quick_timer_of_the_badge_ends_with_the_last_job(opened, root, monkeypatch):
    parts = fragments(monkeypatch)
    job_id = write_job(root, run_id="one")
    drawn = badge._badge

    def after_the_end(address):
        Jobs(root).remove(job_id) if Jobs(root).all() else None
        drawn(address)

    after_the_end.__name__ = "_badge"
    monkeypatch.setattr(badge, "_badge", after_the_end)
    page = opened("app/main.py")
    assert not page.exception
    assert parts["_badge"] == badge.IDLE_TICK_SECONDS


def fragments(monkeypatch):
    """Return a mapping that will hold the timer of every fragment by the name of its function."""
    timers, real = {}, live.st.fragment

    def noted(function=None, *, run_every=None):
        if function is not None:
            timers[function.__name__] = run_every
        return real(function, run_every=run_every)

    monkeypatch.setattr(live.st, "fragment", noted)
    return timers


def test_the_badge_is_on_every_page_while_something_runs_and_gone_when_nothing_does(opened, root):
    write_live(root, finished=True)
    assert "model_training" not in " ".join(item.value for item in opened("app/main.py").sidebar.markdown)
    write_live(root, "growing")
    running = write_job(root, "running", run_id="growing")
    write_job(root, run_id="later")
    page = opened("app/main.py")
    for view in ("compare", "geometry", "learn"):
        page.switch_page(f"{view}/page.py").run()
        assert not page.exception, page.exception
        badge = " ".join(item.value for item in page.sidebar.markdown)
        assert "Running: growing (3 of 10 epochs); 1 waits." in badge
        assert "Watch it" in {link.proto.label for link in page.sidebar.get("page_link")}
    page.switch_page("train/page.py").run()
    badge = " ".join(item.value for item in page.sidebar.markdown)
    assert "Running: growing; 1 waits." in badge, "the badge stands still on Train"
    assert Jobs(root).get(running).state == "running"


def test_a_picked_run_that_grew_since_the_page_was_drawn_is_told_with_a_button(opened, root, monkeypatch):
    write_live(root, "growing")
    page = opened("app/main.py", r="growing").switch_page("geometry/page.py").run()
    assert "Show it" not in {button.label for button in page.sidebar.button}
    # the page is drawn with three epochs, and the next look finds four
    found = iter([3, 4])
    monkeypatch.setattr(badge, "_epochs", lambda runs: {"growing": (next(found), "running")})
    page.run()
    assert not page.exception, page.exception
    assert "growing: 4 epochs logged" in " ".join(item.value for item in page.sidebar.markdown)
    assert "Show it" in {button.label for button in page.sidebar.button}
