"""The store in a Redis server, for many processes and machines."""

from ctxmem.stores.redis.store import RedisStore

__all__ = ["RedisStore"]
