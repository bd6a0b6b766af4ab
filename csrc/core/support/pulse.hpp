// A way out of long work: calls a function about every 50 ms.
//
// Core code counts its work in units of about a nanosecond and asks `pulse(units)`; the clock is read
// only when some units have gone by, so a call costs an addition. The function may throw (a pressed
// Ctrl-C); what is being built is then dropped whole.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <utility>

namespace ctxmem {

class Pulse {
public:
    Pulse() = default;  // never beats
    explicit Pulse(std::function<void()> beat) : beat_(std::move(beat)) {}

    void operator()(std::uint64_t units) {
        work_ += units;
        if (work_ >= kUnitsPerLook) look();
    }

private:
    static constexpr std::uint64_t kUnitsPerLook = 1'000'000;
    using Clock = std::chrono::steady_clock;

    void look() {
        work_ = 0;
        const auto now = Clock::now();
        if (now - last_ < std::chrono::milliseconds(50)) return;
        last_ = now;
        if (beat_) beat_();
    }

    std::function<void()> beat_;
    std::uint64_t work_ = 0;
    Clock::time_point last_ = Clock::now();
};

}  // namespace ctxmem
