"""A local Azure Functions host: Microsoft's own worker library, driven in process by the triggers Stopgap uses.

``settings`` reads host.json and local.settings.json, ``worker`` runs functions (``protos`` is what it speaks),
``http_triggers`` with ``routes``, ``webhook``, ``queues`` and ``timers`` call it, ``serve`` puts them together,
``command`` is the command line, and ``process`` runs that command line from tests and the demo.
"""
