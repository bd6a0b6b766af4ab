// How long work ends before it is done: a StopToken carries a cancellation and a Deadline.
//
// Native code reports its work in units of about a nanosecond. A report costs an addition; the clock
// is read once in 20,000 units. The two ways to end differ in what the caller gets:
//   cancelled  `poll` throws and the exception leaves the computation; there is no result. `poll` is
//              called about every 50 ms: a binding looks for Ctrl-C in it, a worker thread looks
//              whether another thread has failed (parallel.hpp).
//   expired    the deadline has passed. `expired` returns true from then on, and the computation
//              returns the best result that it has. A Quota of work ends it in the same way, at the
//              same unit on every machine.
// A token belongs to one thread: it counts without locks.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <utility>

namespace ctxmem {

// A point in time, or never.
class Deadline {
public:
    using Clock = std::chrono::steady_clock;

    Deadline() = default;  // never
    // That many seconds from now; zero or less is never.
    static Deadline after(double seconds) {
        Deadline deadline;
        if (seconds > 0 && seconds < kLongest)
            deadline.at_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                              std::chrono::duration<double>(seconds));
        return deadline;
    }

    bool passed(Clock::time_point now) const { return now > at_; }
    // Seconds that remain; a deadline that is farther than an hour, or never, counts as an hour.
    double left() const {
        if (at_ == Clock::time_point::max()) return kHour;
        const double left = std::chrono::duration<double>(at_ - Clock::now()).count();
        return left < kHour ? left : kHour;
    }

private:
    static constexpr double kHour = 3600;
    static constexpr double kLongest = 1e9;  // 30 years; the clock counts nanoseconds in 64 bits

    Clock::time_point at_ = Clock::time_point::max();
};

class StopToken {
public:
    StopToken() = default;  // never stops
    explicit StopToken(Deadline deadline) : deadline_(deadline) {}
    // `poll` throws to cancel the work.
    explicit StopToken(std::function<void()> poll, Deadline deadline = {})
        : poll_(std::move(poll)), deadline_(deadline) {}

    // The token of work that nothing stops; one for each thread.
    static StopToken& none() {
        thread_local StopToken token;
        return token;
    }

    // Report work; throws if it is cancelled. For work that has no partial result.
    void check(std::uint64_t units) {
        units_ += units;
        if (units_ >= look_at_) look();
    }

    // Report work; throws if it is cancelled. True when the deadline has passed or the quota is
    // used up.
    bool expired(std::uint64_t units) {
        check(units);
        return expired_ || units_ > quota_;
    }

    // While it lives, work on the token expires after that many units, or at an outer quota.
    class Quota {
    public:
        Quota(StopToken& token, std::uint64_t units) : token_(token), outer_(token.quota_) {
            token.quota_ = std::min(outer_, token.units_ + units);
        }
        ~Quota() { token_.quota_ = outer_; }
        Quota(const Quota&) = delete;
        Quota& operator=(const Quota&) = delete;

    private:
        StopToken& token_;
        std::uint64_t outer_;
    };

    const Deadline& deadline() const { return deadline_; }

private:
    using Clock = Deadline::Clock;
    static constexpr std::uint64_t kUnitsPerLook = 20'000;
    static constexpr std::chrono::milliseconds kBetweenPolls{50};

    void look() {
        look_at_ = units_ + kUnitsPerLook;
        const Clock::time_point now = Clock::now();
        if (deadline_.passed(now)) expired_ = true;
        if (!poll_ || now - polled_ < kBetweenPolls) return;
        polled_ = now;
        poll_();
    }

    std::function<void()> poll_;
    Deadline deadline_;
    std::uint64_t units_ = 0;  // of all work
    std::uint64_t look_at_ = kUnitsPerLook;
    std::uint64_t quota_ = std::numeric_limits<std::uint64_t>::max();
    bool expired_ = false;
    Clock::time_point polled_ = Clock::now();
};

}  // namespace ctxmem
