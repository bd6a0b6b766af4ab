// Work in parts on several threads, the caller among them, with the same result as on one.
//
// Parts are taken by number, so whatever a part writes must be its own. The caller's pulse beats
// meanwhile; when it or any part throws, the others stop at their next pulse and the error of the
// lowest part is thrown once all have stopped. One thread starts none.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/support/pulse.hpp"

namespace ctxmem {

// How many parts to cut a long row of things into: some for each thread, and none too long. One thread
// gets long ones: from large allocations the C library learns not to hand memory back each time.
inline std::size_t runs_of(std::size_t things, std::size_t threads) {
    constexpr std::size_t kLong = 16384;
    return std::max((things + kLong - 1) / kLong, threads > 1 ? std::min(4 * threads, things) : 1);
}

// Call work(part, pulse) for every part from 0 to parts - 1.
template <class Work>
void in_parallel(std::size_t threads, std::size_t parts, Pulse& pulse, Work&& work) {
    if (threads <= 1 || parts <= 1) {
        for (std::size_t part = 0; part < parts; ++part) work(part, pulse);
        return;
    }
    struct Stopped {};
    std::atomic<std::size_t> next{0};
    std::atomic<bool> stopped{false};
    std::mutex mutex;  // of the two below
    std::exception_ptr error;
    std::size_t failed = parts;
    const auto run = [&](Pulse& own) {
        while (!stopped.load(std::memory_order_relaxed)) {
            const std::size_t part = next.fetch_add(1, std::memory_order_relaxed);
            if (part >= parts) return;
            try {
                work(part, own);
            } catch (const Stopped&) {
                return;
            } catch (...) {
                const std::scoped_lock lock(mutex);
                if (part < failed) {
                    failed = part;
                    error = std::current_exception();
                }
                stopped.store(true, std::memory_order_relaxed);
            }
        }
    };
    {
        std::vector<std::jthread> others;
        const std::size_t count = std::min(threads, parts) - 1;
        others.reserve(count);
        for (std::size_t i = 0; i < count; ++i)
            others.emplace_back([&] {
                Pulse silent([&] {
                    if (stopped.load(std::memory_order_relaxed)) throw Stopped{};
                });
                run(silent);
            });
        run(pulse);
    }
    if (error) std::rethrow_exception(error);
}

}  // namespace ctxmem
