// Threads beside the calling one, started only while there is room for them.
//
// Where memory is limited (a container, RLIMIT_AS) or threads are, a thread that cannot be started is
// not an error: the work is done by those that could be. Two more things can go wrong, and neither is
// an exception:
// - a thread that has taken the last of the memory with its stack leaves none for the work, so a
//   thread is started only if as much again is free;
// - the C library ends the process if it cannot allocate the thread-local data of a shared library,
//   which it does at the first use, for instance as the thread throws std::bad_alloc. So each thread
//   uses that data once before the next is started.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace ctxmem {

// More threads than this do not make work faster, whatever the caller asks for.
inline std::size_t useful_threads(std::size_t asked) {
    const std::size_t cores = std::thread::hardware_concurrency();  // 0 if it is not known
    return std::min(asked, std::max<std::size_t>(16, 4 * cores));
}

class WorkerThreads {
public:
    WorkerThreads() = default;
    WorkerThreads(const WorkerThreads&) = delete;
    WorkerThreads& operator=(const WorkerThreads&) = delete;
    ~WorkerThreads() {
        for (std::thread& thread : threads_) thread.join();
    }

    // Start up to `count` threads that each call work(), which does not throw and outlives them.
    template <class Work>
    void start(std::size_t count, Work& work) {
        threads_.reserve(count);
        use_thread_local_data();
        for (std::size_t i = 0; i < count && has_room(); ++i) {
            std::atomic<bool> ready{false};
            try {
                threads_.emplace_back([&work, &ready] {
                    use_thread_local_data();
                    ready.store(true);
                    ready.notify_one();
                    work();
                });
            } catch (const std::system_error&) {
                return;  // as many as the system allows
            } catch (const std::bad_alloc&) {
                return;
            }
            ready.wait(false);
        }
    }

private:
    static constexpr std::size_t kRoom = std::size_t{24} << 20;  // three stacks of the usual size

    // The data of the C++ library that a throw uses.
    static void use_thread_local_data() {
        const volatile int thrown = std::uncaught_exceptions();  // or the call is left out
        (void)thrown;
    }

    // Memory that is not written is not taken, so this asks for address space only.
    static bool has_room() {
        void* const room = std::malloc(kRoom);
        const volatile bool found = room != nullptr;  // or the compiler leaves out both calls
        std::free(room);
        return found;
    }

    std::vector<std::thread> threads_;
};

}  // namespace ctxmem
