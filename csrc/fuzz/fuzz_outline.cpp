// A target for libFuzzer: any bytes have an outline, and it keeps the laws of outline_invariants.hpp.
// The first byte chooses the options. CONTRIBUTING.md says how to run it.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "fuzz/outline_invariants.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    ctxmem::OutlineOptions options;
    options.format = static_cast<ctxmem::Format>(data[0] & 3);
    options.named = (data[0] & 4) != 0;
    options.room = (data[0] & 8) != 0 ? 64 : 1600;
    const std::string text = ctxmem::utf8_of({reinterpret_cast<const char*>(data) + 1, size - 1});
    if (const char* law = ctxmem::OutlineCheck(text, options).broken()) {
        std::fprintf(stderr, "the outline breaks a law: %s\n", law);
        std::abort();
    }
    return 0;
}
