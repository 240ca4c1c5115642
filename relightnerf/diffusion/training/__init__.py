"""Training of relighting models and decoders: any number of processes and machines, by ``accelerate launch``."""
