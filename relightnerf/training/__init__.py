"""Training of relighting models and decoders by ``accelerate launch``: loops, ``data`` sets and the ``benchmark``.

No stage of a scene imports this package.
"""
