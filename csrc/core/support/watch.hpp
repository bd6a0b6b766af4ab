// A watch over a long computation: has its time run out, or does somebody want it stopped?
//
// The caller reports work in small units; the clock is read about once in 20,000 units, so that a
// question costs an addition. `interrupted` is asked at most every 50 ms: through it a binding
// looks for Ctrl-C. Once the watch says stop it keeps saying so.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <utility>

namespace ctxmem {

class Watch {
public:
    using Clock = std::chrono::steady_clock;

    // A limit of zero or less means no limit.
    explicit Watch(double limit_s, std::function<bool()> interrupted = {})
        : start_(Clock::now()),
          asked_(start_),
          limit_s_(limit_s),
          interrupted_(std::move(interrupted)) {}

    bool stop(std::uint64_t work = kUnits) {
        work_ += work;
        if (work_ < kUnits || stopped_) return stopped_;
        work_ = 0;
        const Clock::time_point now = Clock::now();
        if (limit_s_ > 0 && seconds(start_, now) > limit_s_) stopped_ = true;
        if (interrupted_ && seconds(asked_, now) > 0.05) {
            asked_ = now;
            if (interrupted_()) stopped_ = true;
        }
        return stopped_;
    }

    double elapsed() const { return seconds(start_, Clock::now()); }
    // Infinite limits count as an hour: nothing here plans further ahead.
    double left() const { return limit_s_ > 0 ? limit_s_ - elapsed() : 3600.0; }

private:
    static constexpr std::uint64_t kUnits = 20000;
    static double seconds(Clock::time_point from, Clock::time_point to) {
        return std::chrono::duration<double>(to - from).count();
    }

    Clock::time_point start_;
    Clock::time_point asked_;
    double limit_s_;
    std::function<bool()> interrupted_;
    std::uint64_t work_ = 0;
    bool stopped_ = false;
};

}  // namespace ctxmem
