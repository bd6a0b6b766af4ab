// The rule of difference: two texts, separated by a byte 0xFF, have the same differences in both
// directions, a text has none with itself, and what is reported lies in the texts.
#include "core/dedup/difference.hpp"
#include "fuzz/target.hpp"

namespace {

bool within(std::string_view part, std::string_view text) {
    return part.empty() || (part.data() >= text.data() &&
                            part.data() + part.size() <= text.data() + text.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const bool wording = input.coin();
    const fuzz::Exact left(fuzz::utf8_of(input.field())), right(fuzz::utf8_of(input.rest()));
    const ctxmem::ReadText a(left.view()), b(right.view());
    for (const ctxmem::ReadText* read : {&a, &b}) {
        std::uint32_t last = 0;
        for (const auto& item : read->items()) {
            LAW(item.from >= last && item.to >= item.from);
            last = item.to;
            LAW(within(read->slice(item), read->text()));
        }
        LAW(ctxmem::differences(*read, *read, wording).empty());
    }
    const auto there = ctxmem::differences(a, b, wording);
    const auto back = ctxmem::differences(b, a, wording);
    LAW(there.size() == back.size());
    for (std::size_t i = 0; i < there.size(); ++i) {
        LAW(within(there[i].a, left.view()) && within(there[i].b, right.view()));
        LAW(there[i].a == back[i].b && there[i].b == back[i].a && there[i].kind == back[i].kind);
        LAW(!there[i].a.empty() || !there[i].b.empty());
        fuzz::note(there[i].kind);
        fuzz::note(there[i].a.size());
        fuzz::note(there[i].b.size());
    }
    if (!wording) {
        // The query can only tell more texts apart.
        ctxmem::DifferenceRule rule(right.view());
        LAW(there.empty() || rule.differ(a, b));
        fuzz::note(rule.differ(a, b));
    }
    return 0;
}
