"""When the Train page and the badge are drawn anew by themselves, and what they tell then."""

from app.device_search import FoundDevices
from app.widgets import job_badge, job_live
from mlcnc.launch import Jobs
from mlcnc.launch.job import JobStatus
from mlcnc.launch.job_folder import write_status
from tests.app.job_files import write_job
from tests.app.train.page_words import write_live


def test_a_job_that_another_process_queues_is_seen_while_the_page_is_idle(opened, root, monkeypatch):
    parts = fragments(monkeypatch)
    page = opened("app/main.py").switch_page("views/train.py").run()
    assert parts["_live"] == job_live.IDLE_TICK_SECONDS
    assert parts["_badge"] is None, "Train has a timer of its own"
    page.switch_page("views/overview.py").run()
    assert parts["_badge"] == job_badge.IDLE_TICK_SECONDS
    page.switch_page("views/learn.py").run()
    assert parts["_badge"] is None, "a chart that plays sends nothing"
    write_live(root)
    write_job(root, "running", run_id="live")
    page.run()
    assert parts["_badge"] == job_badge.TICK_SECONDS
    page.switch_page("views/train.py").run()
    assert parts["_live"] == job_live.TICK_SECONDS
    assert not page.exception


def test_the_live_part_draws_the_whole_page_when_jobs_or_devices_changed(root, monkeypatch):
    seen = job_live._signature(Jobs(root).all())
    job_id = write_job(root, run_id="one")
    queued = job_live._signature(Jobs(root).all())
    write_status(root / ".jobs" / job_id, JobStatus(state="queued", headline="waits for disk space"))
    waiting = job_live._signature(Jobs(root).all())
    monkeypatch.setattr(job_live, "known_devices", lambda: FoundDevices(is_searching=True))
    assert len({seen, queued, waiting, job_live._signature(Jobs(root).all())}) == 4


def test_while_devices_are_looked_for_the_page_looks_quickly_whether_they_are_found(opened, monkeypatch):
    parts = fragments(monkeypatch)
    monkeypatch.setattr(job_live, "known_devices", lambda: FoundDevices(is_searching=True))
    opened()
    assert parts["_live"] == job_live.TICK_SECONDS


def test_the_quick_timer_of_the_badge_ends_with_the_last_job(opened, root, monkeypatch):
    parts = fragments(monkeypatch)
    job_id = write_job(root, run_id="one")
    drawn = job_badge._badge

    def after_the_end(address):
        Jobs(root).remove(job_id) if Jobs(root).all() else None
        drawn(address)

    after_the_end.__name__ = "_badge"
    monkeypatch.setattr(job_badge, "_badge", after_the_end)
    page = opened("app/main.py")
    assert not page.exception
    assert parts["_badge"] == job_badge.IDLE_TICK_SECONDS


def fragments(monkeypatch):
    """Return a mapping that will hold the timer of every fragment by the name of its function."""
    timers, real = {}, job_live.st.fragment

    def noted(function=None, *, run_every=None):
        if function is not None:
            timers[function.__name__] = run_every
        return real(function, run_every=run_every)

    monkeypatch.setattr(job_live.st, "fragment", noted)
    return timers


def test_the_badge_is_on_every_page_while_something_runs_and_gone_when_nothing_does(opened, root):
    write_live(root, finished=True)
    assert "model_training" not in " ".join(item.value for item in opened("app/main.py").sidebar.markdown)
    write_live(root, "growing")
    running = write_job(root, "running", run_id="growing")
    write_job(root, run_id="later")
    page = opened("app/main.py")
    for view in ("compare", "geometry", "learn"):
        page.switch_page(f"views/{view}.py").run()
        assert not page.exception, page.exception
        badge = " ".join(item.value for item in page.sidebar.markdown)
        assert "Running: growing (3 of 10 epochs); 1 waits." in badge
        assert "Watch it" in {link.proto.label for link in page.sidebar.get("page_link")}
    page.switch_page("views/train.py").run()
    badge = " ".join(item.value for item in page.sidebar.markdown)
    assert "Running: growing; 1 waits." in badge, "the badge stands still on Train"
    assert Jobs(root).get(running).state == "running"


def test_a_picked_run_that_grew_since_the_page_was_drawn_is_told_with_a_button(opened, root, monkeypatch):
    write_live(root, "growing")
    page = opened("app/main.py", r="growing").switch_page("views/geometry.py").run()
    assert "Show it" not in {button.label for button in page.sidebar.button}
    # the page is drawn with three epochs, and the next look finds four
    found = iter([3, 4])
    monkeypatch.setattr(job_badge, "_epochs", lambda runs: {"growing": (next(found), "running")})
    page.run()
    assert not page.exception, page.exception
    assert "growing: 4 epochs logged" in " ".join(item.value for item in page.sidebar.markdown)
    assert "Show it" in {button.label for button in page.sidebar.button}
