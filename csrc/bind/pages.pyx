# distutils: language = c++
"""The page table of ctxmem: one key in, one answer out.

Keys are 128-bit content hashes, as 16 bytes or as 32 hexadecimal digits. Many thin calls, so
Cython: a look-up costs a third of what it costs through a wrapper made for arrays.
"""

from collections import namedtuple

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy
from libcpp cimport bool as cbool
from libcpp.memory cimport unique_ptr
from libcpp.string cimport string
from libcpp.utility cimport move
from libcpp.vector cimport vector


cdef extern from "core/tokenizer/count_table.hpp" namespace "ctxmem" nogil:
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


cdef extern from "core/pages/page_table.hpp" namespace "ctxmem" nogil:
    cdef enum class CPageState "ctxmem::PageState"(uint8_t):
        pass

    cdef cppclass CPage "ctxmem::Page":
        CKey id
        uint64_t last_touch
        int32_t tokens
        int32_t full_tokens
        uint32_t references
        uint32_t uses
        uint32_t faults
        CPageState state
        cbool pinned
        cbool held

    cdef cppclass CPolicy "ctxmem::Policy":
        pass

    cdef cppclass CPageTable "ctxmem::PageTable":
        CPageTable(int64_t budget, string policy, size_t remember) except +
        CPageTable(int64_t budget, unique_ptr[CPolicy] policy, size_t remember) except +
        int64_t budget()
        int64_t tokens()
        int64_t evictable()
        size_t size()
        size_t stored()
        uint64_t clock()
        const char* policy()
        uint32_t find(const CKey& key)
        const CPage& page(uint32_t slot) except +
        int64_t unit(uint32_t slot) except +
        void set_budget(int64_t budget) except +
        uint32_t insert(const CKey& key, int64_t tokens, int64_t unit, cbool pinned) except +
        CPageState touch(uint32_t slot) except +
        void restore(uint32_t slot) except +
        void set_state(uint32_t slot, CPageState state, int64_t tokens) except +
        void store(uint32_t slot) except +
        void evict(int64_t needed, vector[uint32_t]& out) except +
        cbool access(const CKey& key, int64_t tokens) except +
        void pin(uint32_t slot) except +
        void unpin(uint32_t slot) except +
        void refer(uint32_t slot) except +
        cbool release(uint32_t slot) except +


cdef extern from "core/pages/policy_foreign.hpp" namespace "ctxmem" nogil:
    cdef enum class CPolicyEvent "ctxmem::PolicyEvent"(int):
        pass

    cdef struct CPolicyCalls "ctxmem::PolicyCalls":
        void* owner
        void (*tell)(void*, CPolicyEvent, uint32_t) noexcept
        uint32_t (*victim)(void*) noexcept

    cdef cppclass CForeignPolicy "ctxmem::ForeignPolicy"(CPolicy):
        CForeignPolicy(string name, CPolicyCalls calls) except +


cdef enum:
    NO_SLOT = 0xFFFFFFFF

cdef int HEX_VALUE[128]
for _code in range(128):
    HEX_VALUE[_code] = "0123456789abcdef".find(chr(_code))


cdef inline int read_key(object given, CKey* key) except -1:
    """Read a content key from 16 bytes or 32 lower-case hexadecimal digits."""
    if type(given) is bytes and PyBytes_GET_SIZE(given) == 16:
        memcpy(key, PyBytes_AS_STRING(given), 16)
        return 0
    return read_digits(given, key)


cdef int read_digits(object given, CKey* key) except -1:
    cdef uint8_t digest[16]
    cdef const uint8_t* digits
    cdef int at, high, low
    if isinstance(given, str) and PyUnicode_IS_ASCII(given) and len(<str>given) == 32:
        digits = <const uint8_t*>PyUnicode_DATA(given)
        for at in range(16):
            high = HEX_VALUE[digits[2 * at]]
            low = HEX_VALUE[digits[2 * at + 1]]
            if high < 0 or low < 0:
                break
            digest[at] = <uint8_t>(high * 16 + low)
        else:
            memcpy(key, digest, 16)
            return 0
    raise ValueError(
        f"a page id is 16 bytes or 32 lower-case hexadecimal digits, this one is {given!r:.60}"
    )


cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)
    void* PyUnicode_DATA(object text)


PageEntry = namedtuple(
    "PageEntry",
    "id state tokens full_tokens unit pinned held references uses last_touch faults",
)


@cython.final
cdef class PageTable:
    """Which pages a session has, in which state, and which of them go first.

    A page is named by its content key when it comes and by its slot, a small integer, afterwards.
    `policy` is a name or an object with on_insert, on_touch, on_evict, on_remove and victim.
    `remember` bounds how many stored pages are known, -1 for all. Not for two threads at once.
    States are 0 resident, 1 compressed, 2 placeholder, 3 stored.

    >>> table = PageTable(100, "lru")
    >>> a, b = table.insert(b"0123456789abcdef", 40), table.insert("00" * 16, 50)
    >>> table.touch(b"0123456789abcdef"), table.touch("ff" * 16)
    (0, -1)
    >>> table.evict(60) == [b], table.tokens, table.page(b).state
    (True, 40, 3)
    """

    cdef unique_ptr[CPageTable] table
    cdef object foreign  # the policy, where it is not a native one
    cdef object error  # that it raised
    cdef bint inside  # a call of it is going on

    def __cinit__(self, int64_t budget, policy="auto", *, int64_t remember=-1):
        cdef size_t most = <size_t>remember if remember >= 0 else <size_t>-1
        cdef CPolicyCalls calls
        cdef unique_ptr[CPolicy] made
        if isinstance(policy, str):
            self.table.reset(new CPageTable(budget, <string>policy.encode(), most))
            return
        for method in ("on_insert", "on_touch", "on_evict", "on_remove", "victim"):
            if not callable(getattr(policy, method, None)):
                raise ValueError(f"a policy has a method {method}, {type(policy).__name__} has none")
        self.foreign = policy
        calls.owner = <void*>self
        calls.tell = tell_policy
        calls.victim = ask_policy
        name = getattr(policy, "name", type(policy).__name__)
        made.reset(new CForeignPolicy(str(name).encode(), calls))
        self.table.reset(new CPageTable(budget, move(made), most))

    def __len__(self):
        return self.table.get().size()

    def __contains__(self, id):
        return self.slot(id) >= 0

    @property
    def budget(self):
        """The tokens that the window may take."""
        return self.table.get().budget()

    @budget.setter
    def budget(self, int64_t budget):
        self.table.get().set_budget(budget)

    @property
    def tokens(self):
        """The tokens that the window takes: those of all pages that are not stored."""
        return self.table.get().tokens()

    @property
    def evictable(self):
        """The part of them that `evict` could free: text that no pin holds."""
        return self.table.get().evictable()

    @property
    def stored(self):
        """The number of pages that are known and not in the window."""
        return self.table.get().stored()

    @property
    def clock(self):
        """The number of uses so far; `last_touch` of a page is in this count."""
        return self.table.get().clock()

    @property
    def policy(self):
        """The name of the policy."""
        return self.table.get().policy().decode()

    @cython.binding(False)
    @cython.always_allow_keywords(False)
    def slot(self, id):
        """Return the slot of a page, -1 if it is unknown; no use of it."""
        cdef CKey key
        read_key(id, &key)
        cdef uint32_t found = self.table.get().find(key)
        return -1 if found == NO_SLOT else <int64_t>found

    @cython.binding(False)
    @cython.always_allow_keywords(False)
    def touch(self, id):
        """Count a use of a page and return its state, -1 if it is unknown.

        A use of a page whose text is not in the window is a fault, and counted as one.
        """
        cdef CKey key
        read_key(id, &key)
        cdef uint32_t found = self.table.get().find(key)
        if found == NO_SLOT:
            return -1
        cdef int state = <int>self.table.get().touch(found)
        if self.foreign is not None:
            self.settle()
        return state

    def insert(self, id, int64_t tokens, *, int64_t unit=-1, bint pinned=False):
        """Enter a new page, resident, and return its slot.

        Pages of one unit, a number from 0, move together. Raises ValueError, and changes nothing,
        if the page is known or does not fit; `evict` makes room.
        """
        cdef CKey key
        read_key(id, &key)
        self.check_outside()
        cdef uint32_t slot = self.table.get().insert(key, tokens, unit, pinned)
        self.settle()
        return slot

    def evict(self, int64_t needed):
        """Store what the policy names, whole units, until `needed` tokens are free.

        Returns the slots in order. Raises ValueError, and changes nothing, if pinned pages and
        placeholders leave too little.
        """
        cdef vector[uint32_t] evicted
        self.check_outside()
        try:
            self.table.get().evict(needed, evicted)
        finally:
            self.settle()  # what a policy raised says more than that it named no page
        return [slot for slot in evicted]

    def store(self, uint32_t slot):
        """Take a page and its unit out of the window; ValueError if a pin holds it."""
        self.check_outside()
        self.table.get().store(slot)
        self.settle()

    def restore(self, uint32_t slot):
        """Bring a stored page and its unit back, whole; ValueError if they do not fit."""
        self.check_outside()
        self.table.get().restore(slot)
        self.settle()

    def set_state(self, uint32_t slot, int state, int64_t tokens):
        """Give a page in the window another form: resident, compressed or placeholder."""
        if not 0 <= state <= 2:
            raise ValueError(f"a page in the window is in state 0, 1 or 2, not {state}")
        self.check_outside()
        self.table.get().set_state(slot, <CPageState>state, tokens)
        self.settle()

    def pin(self, uint32_t slot):
        """Keep a page and its unit in the window; ValueError if it is stored."""
        self.check_outside()
        self.table.get().pin(slot)
        self.settle()

    def unpin(self, uint32_t slot):
        """Let a page go; its unit is held as long as another page of it is pinned."""
        self.check_outside()
        self.table.get().unpin(slot)
        self.settle()

    def refer(self, uint32_t slot):
        """Count one more owner of a page."""
        self.table.get().refer(slot)

    def release(self, uint32_t slot):
        """Count one owner less; with the last the page is forgotten, and True returned."""
        self.check_outside()
        cdef bint gone = self.table.get().release(slot)
        self.settle()
        return gone

    def page(self, uint32_t slot):
        """Return all that is known of the page in a slot; IndexError if there is none."""
        cdef CPage page = self.table.get().page(slot)
        return PageEntry(
            PyBytes_FromStringAndSize(<const char*>&page.id, 16).hex(),
            <int>page.state,
            page.tokens,
            page.full_tokens,
            self.table.get().unit(slot),
            page.pinned,
            page.held,
            page.references,
            page.uses,
            page.last_touch,
            page.faults,
        )

    def access(self, id, int64_t tokens):
        """Do as a cache does: touch the page, or evict what must go and bring it in.

        Returns whether its text was there.
        """
        cdef CKey key
        read_key(id, &key)
        self.check_outside()
        try:
            return self.table.get().access(key, tokens)
        finally:
            self.settle()

    def replay(self, const uint64_t[::1] numbers, int64_t tokens=1):
        """Access pages named by numbers, one after another; return how many were there."""
        cdef CKey key
        cdef Py_ssize_t at
        cdef int64_t hits = 0
        self.check_outside()
        key.high = 0
        for at in range(numbers.shape[0]):
            # Spread by a bijection, since keys are taken to be hashes.
            key.low = numbers[at] * <uint64_t>0x9E3779B97F4A7C15
            try:
                hits += self.table.get().access(key, tokens)
            finally:
                self.settle()
        return hits

    cdef int check_outside(self) except -1:
        if self.inside:
            raise RuntimeError("a policy does not change the table that asks it")
        return 0

    cdef int settle(self) except -1:
        """Raise what the policy raised in the call that ends here."""
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return 0


cdef void tell_policy(void* owner, CPolicyEvent event, uint32_t slot) noexcept:
    cdef PageTable table = <PageTable>owner
    cdef int what = <int>event
    table.inside = True
    try:
        if what == 0:
            table.foreign.on_insert(slot)
        elif what == 1:
            table.foreign.on_touch(slot)
        elif what == 2:
            table.foreign.on_evict(slot)
        else:
            table.foreign.on_remove(slot)
    except BaseException as error:
        table.error = error
    finally:
        table.inside = False


cdef uint32_t ask_policy(void* owner) noexcept:
    cdef PageTable table = <PageTable>owner
    table.inside = True
    try:
        return table.foreign.victim()
    except BaseException as error:
        table.error = error
        return NO_SLOT
    finally:
        table.inside = False
