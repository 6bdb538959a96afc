"""Engine against engine in one process, without HTTP, on one thread: how fast each forward is, and how faithful."""
