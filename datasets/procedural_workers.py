"""Processes that render with Mitsuba; imports nothing that takes time."""


def start_worker() -> None:
    """Prepare a worker: one thread each."""
    import demo_mitsuba
    import drjit

    demo_mitsuba.pick_variant()
    drjit.set_thread_count(1)
