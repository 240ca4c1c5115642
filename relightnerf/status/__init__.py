"""The state of a scene, the plan of a run with estimated times, and checks of the installation."""
