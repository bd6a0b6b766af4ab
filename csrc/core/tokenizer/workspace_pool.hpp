// The buffers and caches that a call needs for itself, kept from one call to the next.
//
// A thread borrows a workspace for the time of a call, so there are as many workspaces as calls ever
// ran at once, and warm ones stay. The usual case of one thread costs two atomic exchanges.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

namespace ctxmem {

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
