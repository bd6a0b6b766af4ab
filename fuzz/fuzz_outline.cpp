// Any bytes have an outline, and it keeps the laws of outline_invariants.hpp. The first byte chooses
// the options.
#include "fuzz/outline_invariants.hpp"
#include "fuzz/target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    ctxmem::OutlineOptions options;
    options.format = static_cast<ctxmem::Format>(data[0] & 3);
    options.named = (data[0] & 4) != 0;
    options.room = (data[0] & 8) != 0 ? 64 : 1600;
    const std::string text = fuzz::utf8_of({reinterpret_cast<const char*>(data) + 1, size - 1});
    ctxmem::OutlineCheck check(text, options);
    if (const char* law = check.broken()) {
        std::fprintf(stderr, "the outline breaks a law: %s\n", law);
        std::abort();
    }
    const ctxmem::Outline& outline = check.outline();
    for (const auto* column : {&outline.start, &outline.end, &outline.first})
        fuzz::note_all(*column);
    for (const auto* column : {&outline.kind, &outline.flags}) fuzz::note_all(*column);
    for (const auto* column : {&outline.need, &outline.also, &outline.block})
        fuzz::note_all(*column);
    return 0;
}
