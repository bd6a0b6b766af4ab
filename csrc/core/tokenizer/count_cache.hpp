// Counts of short pieces by content, and the pool of workspaces that hold them.
//
// The cache is direct-mapped and keyed by the very bytes of a piece, so that no two pieces are ever
// confused: pieces of up to 15 bytes take 16 bytes with their count, pieces of up to 30 bytes take
// 32. Both tables together take 2 MB. A look-up is a hash, a load and a comparison.
//
// A thread borrows a workspace for the time of a call, so there are as many workspaces as calls ever
// ran at once, and warm ones stay. The usual case of one thread costs two atomic exchanges.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "core/tokenizer/vocabulary.hpp"

namespace ctxmem {

namespace detail {
inline std::uint64_t load64(const char* bytes) {
    std::uint64_t word;
    std::memcpy(&word, bytes, 8);
    return word;
}

// Up to 8 bytes as a number; no byte beyond them is read.
inline std::uint64_t load_up_to_8(const char* bytes, std::size_t size) {
    if (size == 8) return load64(bytes);
    if (size >= 4) {
        std::uint32_t first, last;
        std::memcpy(&first, bytes, 4);
        std::memcpy(&last, bytes + size - 4, 4);
        return first | std::uint64_t{last} << 8 * (size - 4);
    }
    if (size == 0) return 0;
    const auto byte = [&](std::size_t i) {
        return std::uint64_t{static_cast<unsigned char>(bytes[i])};
    };
    return byte(0) | byte(size / 2) << 8 * (size / 2) | byte(size - 1) << 8 * (size - 1);
}
}  // namespace detail

class CountCache {
public:
    static constexpr std::size_t kLongest = 30;  // bytes of a piece that is kept

    // The count of a piece of 1 to kLongest bytes: as kept, or as count() gives it.
    template <class Count>
    std::int64_t get(const char* piece, std::size_t size, Count count) {
        if (size <= kPacked) {
            const BytesKey key = short_key(piece, size);
            BytesKey& slot = short_[hash_of(key) >> (64 - kShortBits)];
            if (slot.low == key.low && (slot.high & ~kCountBits) == key.high)
                return static_cast<std::int64_t>(slot.high >> 60);
            const std::int64_t tokens = count();
            if (tokens >= 0 && tokens < 16)
                slot = {key.low, key.high | static_cast<std::uint64_t>(tokens) << 60};
            return tokens;
        }
        const LongKey key = long_key(piece, size);
        const std::uint64_t mixed =
            (key.a ^ key.c * 0xA0761D6478BD642Full) * 0x9E3779B97F4A7C15ull +
            (key.b ^ key.d ^ key.a >> 32) * 0xD6E8FEB86659FD93ull;
        LongKey& slot = long_[mixed >> (64 - kLongBits)];
        if (slot.a == key.a && slot.b == key.b && slot.c == key.c &&
            (slot.d & ~kLongCount) == key.d)
            return static_cast<std::int64_t>(slot.d >> 48 & 0xFF);
        const std::int64_t tokens = count();
        if (tokens >= 0 && tokens < 256) {
            slot = key;
            slot.d |= static_cast<std::uint64_t>(tokens) << 48;
        }
        return tokens;
    }

private:
    static constexpr unsigned kShortBits = 16;
    static constexpr unsigned kLongBits = 15;
    static constexpr std::uint64_t kCountBits = std::uint64_t{0xF} << 60;
    static constexpr std::uint64_t kLongCount = std::uint64_t{0xFF} << 48;

    // `d` holds the last 6 bytes, the count in bits 48-55 and the size in bits 56-63. A slot whose
    // size is 0 is empty; no piece has that size.
    struct LongKey {
        std::uint64_t a, b, c, d;
    };

    static BytesKey short_key(const char* piece, std::size_t size) {
        const std::uint64_t tag = std::uint64_t{size} << 56;
        if (size <= 8) return {detail::load_up_to_8(piece, size), tag};
        return {detail::load64(piece), detail::load64(piece + size - 8) >> 8 * (16 - size) | tag};
    }

    // Requires 16 <= size <= kLongest.
    static LongKey long_key(const char* piece, std::size_t size) {
        LongKey key{detail::load64(piece), detail::load64(piece + 8), 0, std::uint64_t{size} << 56};
        const std::size_t rest = size - 16;
        if (rest > 8) {
            key.c = detail::load64(piece + 16);
            key.d |= detail::load64(piece + size - 8) >> 8 * (16 - rest);
        } else if (rest > 0) {
            key.c = detail::load64(piece + size - 8) >> 8 * (8 - rest);
        }
        return key;
    }

    std::vector<BytesKey> short_ = std::vector<BytesKey>(std::size_t{1} << kShortBits);
    std::vector<LongKey> long_ = std::vector<LongKey>(std::size_t{1} << kLongBits);
};

template <class Workspace>
class WorkspacePool {
public:
    class Borrowed {
    public:
        explicit Borrowed(WorkspacePool& pool) : pool_(pool), work_(pool.take()) {}
        ~Borrowed() { pool_.give_back(work_); }
        Borrowed(const Borrowed&) = delete;
        Borrowed& operator=(const Borrowed&) = delete;
        Workspace& operator*() const { return *work_; }

    private:
        WorkspacePool& pool_;
        Workspace* work_;
    };

private:
    Workspace* take() {
        if (Workspace* spare = spare_.exchange(nullptr, std::memory_order_acquire)) return spare;
        const std::lock_guard hold(lock_);
        if (idle_.empty()) {
            idle_.reserve(all_.size() + 1);  // so that giving back cannot fail
            all_.push_back(std::make_unique<Workspace>());
            return all_.back().get();
        }
        Workspace* idle = idle_.back();
        idle_.pop_back();
        return idle;
    }

    void give_back(Workspace* work) {
        Workspace* none = nullptr;
        if (spare_.compare_exchange_strong(none, work, std::memory_order_release)) return;
        const std::lock_guard hold(lock_);
        idle_.push_back(work);
    }

    std::atomic<Workspace*> spare_{nullptr};  // one idle workspace, taken without the lock
    std::mutex lock_;                         // guards the two below
    std::vector<std::unique_ptr<Workspace>> all_;
    std::vector<Workspace*> idle_;
};

}  // namespace ctxmem
