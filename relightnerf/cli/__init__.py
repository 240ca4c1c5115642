"""The command ``relightnerf``, and the subcommands that are no stages: run, status, doctor, completion."""

from relightnerf.cli._main import COMMANDS, STAGES, completion_script, flags_of, main, run_command, stage_main

__all__ = ["COMMANDS", "STAGES", "completion_script", "flags_of", "main", "run_command", "stage_main"]
