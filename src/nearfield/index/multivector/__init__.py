"""Several vectors a document: candidates by one vector for each, then MaxSim over the codes of all.

``encoding`` says what one vector for a bag is, ``mean``, ``fixed``, ``learned`` and ``joined`` are such; ``candidates``
puts them, or all the vectors, into an index that grows (``growing``); ``index`` compares what that names exactly, and
``files`` keeps it. ``choose`` measures which of them serves, ``reduce`` makes bags smaller.
"""
