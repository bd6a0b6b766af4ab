#include "kernels/kernels.hpp"

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#if defined(_MSC_VER) && defined(_M_X64)
#include <intrin.h>
#endif

namespace ctxmem {

extern const Kernels kernels_base;
#ifdef CTXMEM_HAS_V3
extern const Kernels kernels_v3;
extern const Kernels kernels_v4;
#endif

namespace {

struct Level {
    const char* name;
    const Kernels* table;
};

#ifdef CTXMEM_HAS_V3
#ifdef _MSC_VER
// __builtin_cpu_supports does not exist here: leaf 7 names the instructions, XCR0 says whether the
// operating system saves the registers they use.
bool supports(unsigned ebx_bits, unsigned long long state_bits) {
    int info[4];
    __cpuidex(info, 1, 0);
    const bool os_saves = (info[2] >> 27) & 1;
    if (!os_saves || (_xgetbv(0) & state_bits) != state_bits) return false;
    __cpuidex(info, 7, 0);
    return (static_cast<unsigned>(info[1]) & ebx_bits) == ebx_bits;
}
bool has_v3() { return supports(1u << 5 | 1u << 3 | 1u << 8, 0x6); }
bool has_v4() {
    return has_v3() && supports(1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31, 0xE6);
}
#else
bool has_v3() {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma");
}
bool has_v4() {
    return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
#endif
#endif

Level choose() {
    // Ascending; the machine supports levels[0 .. best].
    const Level levels[] = {
        {"base", &kernels_base},
#ifdef CTXMEM_HAS_V3
        {"v3", &kernels_v3},
        {"v4", &kernels_v4},
#endif
    };
    std::size_t best = 0;
#ifdef CTXMEM_HAS_V3
    best = has_v4() ? 2 : has_v3() ? 1 : 0;
#endif
    const char* forced = std::getenv("CTXMEM_CPU");
    if (forced == nullptr || *forced == '\0') return levels[best];
    for (std::size_t i = 0; i <= best; ++i)
        if (std::strcmp(forced, levels[i].name) == 0) return levels[i];
    std::string known;
    for (std::size_t i = 0; i <= best; ++i) known += (i ? ", " : "") + std::string(levels[i].name);
    throw std::invalid_argument("CTXMEM_CPU is '" + std::string(forced) +
                                "'; this machine supports: " + known);
}

const Level& chosen() {
    static const Level level = choose();
    return level;
}

}  // namespace

const Kernels& kernels() { return *chosen().table; }
const char* cpu_level() { return chosen().name; }

const char* missing_instructions() {
#ifdef CTXMEM_BASE_V2
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("ssse3")) return "SSSE3";
    if (!__builtin_cpu_supports("sse4.1")) return "SSE4.1";
    if (!__builtin_cpu_supports("sse4.2")) return "SSE4.2";
    if (!__builtin_cpu_supports("popcnt")) return "POPCNT";
#endif
    return nullptr;
}

}  // namespace ctxmem
