"""Stopgap's product code, in layers: domain, ports, watch, adapters, web, bootstrap."""
