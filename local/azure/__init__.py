"""A simulated Azure: ARM compute, Event Grid's delivery, a custom topic, a chat's webhooks and the price list.

All on one loopback port.

Shapes are those of recorded responses and of Microsoft's documentation; where no source says what Azure
does, the module that had to choose says so.
"""
