"""The stages and commands: each module has one, as a dataclass whose fields are its flags."""
