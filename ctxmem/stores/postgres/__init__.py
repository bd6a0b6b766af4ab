"""The store in a PostgreSQL database, for many processes and machines."""

from ctxmem.stores.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
