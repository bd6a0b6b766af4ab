# distutils: language = c++
"""The page table of ctxmem: one key in, one answer out.

Keys are 128-bit content hashes as 16 bytes. Many thin calls, so Cython: a look-up costs a third of
what it costs through a wrapper made for arrays.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy


cdef extern from "core/count_table.hpp" namespace "ctxmem" nogil:
    cdef struct CKey "ctxmem::ContentKey":
        uint64_t low
        uint64_t high

    cdef cppclass CCountTable "ctxmem::CountTable":
        CCountTable(size_t capacity) except +
        int64_t find(const CKey& key)
        void insert(const CKey& key, int64_t count) except +
        size_t size()
        size_t capacity()


cdef CKey as_key(bytes digest) except *:
    cdef CKey key
    if PyBytes_GET_SIZE(digest) != 16:
        raise ValueError(f"a content key is 16 bytes, this one is {len(digest)}")
    memcpy(&key, PyBytes_AS_STRING(digest), 16)
    return key


cdef class CountTable:
    """Token counts by content: a bounded table that forgets what was not asked for lately.

    >>> table = CountTable(2)
    >>> table.put(b"0123456789abcdef", 7)
    >>> table.get(b"0123456789abcdef"), table.get(b"another content.")
    (7, -1)
    """

    cdef CCountTable* table

    def __cinit__(self, size_t capacity):
        self.table = new CCountTable(capacity)

    def __dealloc__(self):
        del self.table

    def __len__(self):
        return self.table.size()

    @property
    def capacity(self):
        """The number of counts that the table holds at most."""
        return self.table.capacity()

    cpdef int64_t get(self, bytes digest) except? -2:
        """Return the count stored for the 16-byte content key, or -1."""
        return self.table.find(as_key(digest))

    cpdef put(self, bytes digest, int64_t count):
        """Store a count for the 16-byte content key; the oldest unused entry gives way."""
        if count < 0:
            raise ValueError(f"a count is not negative, this one is {count}")
        self.table.insert(as_key(digest), count)
