// Indices restored from bytes that a stranger chose: a segment of a session's index and the state of
// a near-duplicate index are refused with std::invalid_argument, which changes nothing, or give an
// index that works. The checksum of a segment is made right, so that what is behind it is reached.
#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "core/dedup/lsh_index.hpp"
#include "core/recall/session_index.hpp"
#include "fuzz/target.hpp"

namespace {

using namespace ctxmem;

constexpr std::uint32_t kLast = ~std::uint32_t{0};
constexpr std::size_t kHead = 32;  // of a segment; the checksum is its last eight bytes

void seal(std::string& segment) {
    if (segment.size() < kHead) return;
    std::uint64_t sum = 0x243F6A8885A308D3ull ^ (segment.size() - kHead);
    for (std::size_t at = kHead; at < segment.size(); at += 8) {
        std::uint64_t block = 0;
        std::memcpy(&block, segment.data() + at, std::min<std::size_t>(8, segment.size() - at));
        sum = (std::rotl(sum, 23) ^ block) * 0x9E3779B97F4A7C15ull;
    }
    sum ^= sum >> 29;
    std::memcpy(segment.data() + kHead - 8, &sum, 8);
}

void fill(SessionIndex& index, fuzz::Input& input) {
    std::uint32_t number = 0;
    for (int messages = input.byte() % 6; messages > 0; --messages) {
        number += 1 + input.byte() % 3;
        const std::string text = fuzz::utf8_of(input.field());
        const std::int64_t edges[] = {3, 9};
        const auto speaker = static_cast<Speaker>(input.byte() % kSpeakers);
        index.add(number, speaker, text, static_cast<double>(input.byte()),
                  std::span(edges, text.size() > 40 ? std::size_t{2} : std::size_t{0}));
    }
}

void use(SessionIndex& index, std::string_view question) {
    const Found found = index.search(question, 5, {});
    LAW(found.message.size() <= 5 + 2 && found.first.size() == found.message.size() + 1);
    LAW(found.first.back() == static_cast<std::int64_t>(found.start.size()));
    for (std::size_t i = 0; i < found.start.size(); ++i) LAW(found.start[i] <= found.end[i]);
    fuzz::note_all(found.message);
    const std::string whole = index.segment(0, kLast);
    SessionIndex again(7);
    LAW(again.load(whole) == index.size());
    LAW(again.segment(0, kLast) == whole);
    LAW(again.search(question, 5, {}).message == found.message);
}

void restore_session(fuzz::Input& input) {
    SessionIndex source(5), index(6);
    fill(source, input);
    std::string bytes = source.segment(0, kLast);
    for (int changes = input.byte() % 8; changes > 0; --changes) {
        const auto at = static_cast<std::size_t>(input.below(static_cast<std::int64_t>(
            std::max<std::size_t>(bytes.size(), 1))));
        switch (input.byte() % 4) {
            case 0: bytes.resize(at); break;
            case 1: bytes.insert(at, input.take(4)); break;
            case 2:
                if (at + 4 <= bytes.size()) {
                    const auto odd = static_cast<std::uint32_t>(input.odd());
                    std::memcpy(bytes.data() + at, &odd, 4);
                }
                break;
            default:
                if (at < bytes.size()) bytes[at] = static_cast<char>(input.byte());
        }
    }
    seal(bytes);
    if (input.coin()) index.add(0, Speaker::user, "the port of the proxy", 1, {});
    const std::string before = index.segment(0, kLast);
    try {
        index.load(fuzz::Exact(bytes).view());
        use(index, "port a b c the");
        for (std::uint32_t number = 0; number < 12; ++number) index.remove(number);
        use(index, "port a b c the");
    } catch (const std::invalid_argument&) {
        LAW(index.segment(0, kLast) == before);
    }
}

void restore_duplicates(fuzz::Input& input) {
    LshIndex::State state;
    for (int nodes = input.byte() % 6; nodes > 0; --nodes) {
        state.sizes.push_back(input.coin() ? 1 + input.byte() % 4
                                           : static_cast<std::uint32_t>(input.odd()));
        for (int values = input.byte() % 5; values > 0; --values)
            state.shingles.push_back(input.coin() ? state.shingles.size() + 1
                                                  : static_cast<std::uint64_t>(input.odd()));
    }
    for (int entries = input.byte() % 6; entries > 0; --entries) {
        state.entries.push_back(input.coin() ? static_cast<std::int64_t>(state.entries.size())
                                             : input.odd());
        state.nodes.push_back(input.coin() ? input.byte() % 6
                                           : static_cast<std::uint32_t>(input.odd()));
    }
    StopToken stop;
    LshIndex index({.5, 2, Unit::word, Measure::jaccard}, 64, 1);
    const std::string_view held[] = {"one two three", "four five six"};
    index.add(held, stop);
    const std::size_t bands = index.state().band_keys.size() / std::size(held);
    const std::size_t keys = bands * state.sizes.size() + (input.byte() % 16 == 0);
    for (std::size_t k = 0; k < keys; ++k) state.band_keys.push_back(input.byte() % 4);
    try {
        index.restore(state, stop);
        LAW(index.size() == state.entries.size());
        const LshIndex::State same = index.state();
        LAW(same.entries == state.entries);
        LAW(index.query(held, 8, stop).start.size() == 3);
        index.remove(state.entries);
        LAW(index.size() == 0);
        index.add(held, stop);
    } catch (const std::invalid_argument&) {
        LAW(index.size() == 2 && index.query(held, 8, stop).entry.size() == 2);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    if (input.coin())
        restore_session(input);
    else
        restore_duplicates(input);
    return 0;
}
