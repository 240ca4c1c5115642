"""What is done of a scene, what a run would do and about how long it would take, and whether the installation works."""
