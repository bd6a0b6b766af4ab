// Arrays of megabytes that are written once or read at random.
//
// They come from the C allocator, untouched: memory that is never written is never paid for, and
// growing moves pages, not bytes. On Linux they ask for huge pages, which are the difference between
// one page fault and 512, and between a table that fits the TLB and one that does not.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace ctxmem {

// Ask for the cache line that will be read soon.
inline void prefetch(const void* at) {
#if defined(__GNUC__) || defined(__clang__)
    __builtin_prefetch(at);
#else
    (void)at;
#endif
}

template <class T>
class HugePageArray {
    static_assert(std::is_trivial_v<T>);

public:
    HugePageArray() = default;

    // All zero.
    explicit HugePageArray(std::size_t size)
        : data_(static_cast<T*>(std::calloc(size, sizeof(T)))) {
        if (data_ == nullptr && size > 0) throw std::bad_alloc();
        ask_for_huge_pages(0, size);
        size_ = size;
    }

    std::size_t size() const { return size_; }
    T* data() { return data_.get(); }
    const T* data() const { return data_.get(); }
    T& operator[](std::size_t i) { return data_[i]; }
    const T& operator[](std::size_t i) const { return data_[i]; }

    // Make it at least this large; what is new is not initialised.
    void grow(std::size_t size) {
        if (size <= size_) return;
        auto* moved = static_cast<T*>(std::realloc(data_.get(), size * sizeof(T)));
        if (moved == nullptr) throw std::bad_alloc();
        (void)data_.release();
        data_.reset(moved);
        ask_for_huge_pages(size_, size);
        size_ = size;
    }

private:
    struct Free {
        void operator()(T* p) const { std::free(p); }
    };

    void ask_for_huge_pages(std::size_t from, std::size_t to) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
        constexpr std::uintptr_t kHuge = std::uintptr_t{1} << 21;
        const auto begin = reinterpret_cast<std::uintptr_t>(data_.get() + from);
        const auto end = reinterpret_cast<std::uintptr_t>(data_.get() + to);
        const std::uintptr_t first = (begin + kHuge - 1) & ~(kHuge - 1);
        const std::uintptr_t last = end & ~(kHuge - 1);
        // A refusal costs time, not correctness.
        if (first < last)
            (void)madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#else
        (void)from;
        (void)to;
#endif
    }

    std::unique_ptr<T[], Free> data_;
    std::size_t size_ = 0;
};

}  // namespace ctxmem
