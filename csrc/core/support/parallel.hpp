// Work in parts on several threads, the calling one included, with the same result as on one.
//
// Threads take parts in the order of their numbers; two parts must not write to the same memory.
// The calling thread uses the caller's stop token, every other thread one of its own. When a part
// throws, cancellation included, the other threads stop at their next check, and the error of the
// lowest part is thrown after all have stopped. With one thread, none is started, and where the system
// has no room for as many as were asked for, fewer do the work (worker_threads.hpp).
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <vector>

#include "core/support/stop_token.hpp"
#include "core/support/worker_threads.hpp"

namespace ctxmem {

// The number of parts for that many things: several for each thread, none longer than 16,384. A
// single thread gets long parts: after large allocations the C library stops returning memory to
// the system each time.
inline std::size_t runs_of(std::size_t things, std::size_t threads) {
    constexpr std::size_t kLong = 16384;
    return std::max((things + kLong - 1) / kLong, threads > 1 ? std::min(4 * threads, things) : 1);
}

// Call work(part, stop) for every part from 0 to parts - 1.
template <class Work>
void in_parallel(std::size_t threads, std::size_t parts, StopToken& stop, Work&& work) {
    if (threads <= 1 || parts <= 1) {
        for (std::size_t part = 0; part < parts; ++part) work(part, stop);
        return;
    }
    struct Stopped {};
    std::atomic<std::size_t> next{0};
    std::atomic<bool> stopped{false};
    std::mutex mutex;  // of the two below
    std::exception_ptr error;
    std::size_t failed = parts;
    const auto run = [&](StopToken& own) {
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
    const auto run_beside = [&] {
        StopToken own([&] {
            if (stopped.load(std::memory_order_relaxed)) throw Stopped{};
        });
        run(own);
    };
    {
        WorkerThreads others;
        others.start(std::min(useful_threads(threads), parts) - 1, run_beside);
        run(stop);
    }
    if (error) std::rethrow_exception(error);
}

}  // namespace ctxmem
