"""The numbers of a request as metrics, spans and log records."""
