"""The stages: each module holds one, as a dataclass of its flags."""
