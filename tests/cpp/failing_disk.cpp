// A library to preload: from a call of disk_fails_at on, the writes and syncs of the process are
// counted, and the n-th and all after it fail with an error of one's choice. 0: none fails.
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <dlfcn.h>
#include <sys/types.h>

namespace {

std::atomic<long> left{-1};
std::atomic<int> with{EIO};
std::atomic<long> calls{0};

bool fails() {
    if (left.load() < 0) return false;
    ++calls;
    if (left.load() > 1) {
        --left;
        return false;
    }
    errno = with.load();
    return true;
}

template <class Call>
Call next(const char* name) {
    return reinterpret_cast<Call>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

void disk_fails_at(long n, int error) {
    with = error;
    calls = 0;
    left = n > 0 ? n : -1;
}
long disk_calls() { return calls; }

#define WRITES(name, offset)                                                         \
    ssize_t name(int file, const void* bytes, std::size_t size, offset at) {         \
        using Call = ssize_t (*)(int, const void*, std::size_t, offset);             \
        static const Call real = next<Call>(#name);                                  \
        return fails() ? -1 : real(file, bytes, size, at);                           \
    }
WRITES(pwrite, off_t)
WRITES(pwrite64, off_t)

ssize_t write(int file, const void* bytes, std::size_t size) {
    using Call = ssize_t (*)(int, const void*, std::size_t);
    static const Call real = next<Call>("write");
    return fails() ? -1 : real(file, bytes, size);
}

#define SYNCS(name)                                      \
    int name(int file) {                                 \
        using Call = int (*)(int);                       \
        static const Call real = next<Call>(#name);      \
        return fails() ? -1 : real(file);                \
    }
SYNCS(fsync)
SYNCS(fdatasync)

#define CUTS(name)                                       \
    int name(int file, off_t size) {                     \
        using Call = int (*)(int, off_t);                \
        static const Call real = next<Call>(#name);      \
        return fails() ? -1 : real(file, size);          \
    }
CUTS(ftruncate)
CUTS(ftruncate64)
}
