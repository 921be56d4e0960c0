"""A local Azure Functions host: Microsoft's own worker library, driven in process by the triggers Stopgap uses.

``settings`` reads host.json and local.settings.json, ``worker`` runs functions (``protos`` is what it speaks),
``http_triggers`` with ``routes``, ``webhook``, ``queues`` and ``timers`` call it, ``serve`` puts them together,
``command`` is the command line, and ``process`` runs it from tests and the demo, as ``python -m local.host``: the host
by itself, so that an app finds no module of this repository that is not in its own directory.
"""
