"""Training samples of scenes that were photographed or rendered under several lights."""
