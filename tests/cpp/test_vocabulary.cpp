// Vocabularies, run with the address and undefined-behaviour sanitizers: packed data of every kind
// of damage are refused or read, and what was read counts without fault and ends.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "check.hpp"
#include "core/tokenizer/bpe.hpp"

using namespace ctxmem;

namespace {

using Merges = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

// Bit by bit, unlike the one that is tested.
std::uint32_t slow_crc(std::string_view bytes) {
    std::uint32_t crc = 0xFFFFFFFFu;
    for (const char byte : bytes) {
        crc ^= static_cast<unsigned char>(byte);
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

void put(std::string& out, std::uint32_t value) {
    out.append(reinterpret_cast<const char*>(&value), 4);
}

std::string sealed(std::string body) {
    const std::uint32_t crc = slow_crc(body);
    put(body, crc);
    return body;
}

std::string packed(const Merges& merges) {
    std::string out("CTXMBPE\1", 8);
    put(out, static_cast<std::uint32_t>(256 + merges.size()));
    out.append(32, '\7');
    for (int byte = 0; byte < 256; ++byte) out += static_cast<char>(byte);
    for (const int shift : {0, 8})
        for (const bool right : {false, true})
            for (const auto& merge : merges)
                out += static_cast<char>((right ? merge.second : merge.first) >> shift);
    for (const auto& merge : merges)
        out += static_cast<char>((merge.first >> 16 & 15) | merge.second >> 16 << 4);
    return sealed(out);
}

// Merges of few tokens, so that many are long or given twice; some of later tokens.
Merges random_merges(std::mt19937& random, bool later) {
    Merges merges;
    const unsigned count = random() % 40;
    const auto token = [&]() -> std::uint32_t {
        if (later && random() % 32 == 0) return random() % (1u << 20);
        const auto made = static_cast<std::uint32_t>(merges.size());
        return made > 0 && random() % 2 ? 256 + random() % made : "ab \xC3\xA9"[random() % 5] & 255;
    };
    for (unsigned i = 0; i < count; ++i) {
        const std::uint32_t left = token();
        merges.emplace_back(left, token());
    }
    return merges;
}

// Reads data in memory of exactly their size, and counts with what was read. Whether it was.
bool read(const std::string& data) {
    const std::unique_ptr<char[]> exact(new char[data.size()]);
    std::memcpy(exact.get(), data.data(), data.size());
    try {
        const Bpe bpe({exact.get(), data.size()}, Pattern::o200k);
        std::size_t bytes = 0;
        for (const std::string text :
             {"abab baab aaaa", "\xC3\xA9\xC3\xA9 a\xC3\xA9", "aaaaaaaaab"}) {
            const std::int64_t tokens = bpe.count(text);
            CHECK(tokens >= 1 && tokens <= static_cast<std::int64_t>(text.size()));
            bytes += text.size();
        }
        return bytes > 0;
    } catch (const std::invalid_argument&) {
        return false;
    }
}

void test_good_data_are_read() {
    CHECK(read(packed({})));
    CHECK(read(packed({{'a', 'b'}, {256, 'a'}, {256, 256}})));
    Merges doubled = {{'a', 'a'}};
    while (doubled.size() < 7) {
        const auto last = static_cast<std::uint32_t>(255 + doubled.size());
        doubled.emplace_back(last, last);
    }
    CHECK(read(packed(doubled)));  // 128 letters
    doubled.emplace_back(262, 262);
    CHECK(!read(packed(doubled)));  // 256 letters
}

void test_every_truncation_and_every_changed_byte_is_refused() {
    const std::string good = packed({{'a', 'b'}, {256, 'a'}, {256, 256}});
    for (std::size_t size = 7; size < good.size(); ++size) CHECK(!read(good.substr(0, size)));
    for (std::size_t at = 7; at < good.size(); ++at) {
        std::string damaged = good;
        damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
        CHECK(!read(damaged));
    }
}

void test_damage_behind_a_right_checksum_is_refused_or_read() {
    std::mt19937 random(1);
    int read_ones = 0, refused = 0;
    for (int i = 0; i < 3000; ++i) {
        std::string data = packed(random_merges(random, i % 2 == 0));
        data.resize(data.size() - 4);
        for (unsigned changes = random() % 3; changes > 0; --changes)
            data[7 + random() % (data.size() - 7)] = static_cast<char>(random());
        if (random() % 8 == 0) data.resize(random() % data.size() + 1);
        (read(sealed(data)) ? read_ones : refused) += 1;
    }
    CHECK(read_ones > 100 && refused > 100);
}

void test_random_bytes_are_refused() {
    std::mt19937 random(2);
    for (int i = 0; i < 2000; ++i) {
        std::string data = random() % 2 ? "CTXMBPE\1" : "";
        for (unsigned size = random() % 2000; size > 0; --size) data += static_cast<char>(random());
        CHECK(!read(data));
        CHECK(!read(sealed(data)));
    }
}

// How tokens are made is known from the start, or found when it is asked for: the counts are the
// same wherever the merges are those that byte pairs make.
void test_packed_and_listed_tokens_count_alike() {
    std::mt19937 random(3);
    int compared = 0;
    for (int i = 0; i < 400; ++i) {
        const Merges merges = random_merges(random, false);
        std::vector<std::string> tokens;
        for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
        for (const auto& merge : merges)
            tokens.push_back(tokens[merge.first] + tokens[merge.second]);
        const std::vector<std::string_view> views(tokens.begin(), tokens.end());
        try {
            const Vocabulary listed{std::span<const std::string_view>(views)};
            const Vocabulary read(packed(merges));
            CHECK(listed.size() == tokens.size() && read.size() == tokens.size());
            CHECK(listed.longest() == read.longest());
            for (std::size_t rank = 0; rank < tokens.size(); ++rank) {
                for (const Vocabulary* vocabulary : {&listed, &read}) {
                    const Token token = vocabulary->find(tokens[rank].data(), tokens[rank].size());
                    CHECK(token != kNoToken && (*vocabulary)[token].rank == rank);
                    CHECK(vocabulary->bytes(token) == tokens[rank]);
                }
            }
            ++compared;
        } catch (const std::invalid_argument&) {
            continue;  // a token given twice, or too long
        }
    }
    CHECK(compared > 20);
}

void test_lists_of_tokens_that_are_none_are_refused() {
    std::vector<std::string> bytes;
    for (int byte = 0; byte < 256; ++byte) bytes.emplace_back(1, static_cast<char>(byte));
    const auto refused = [&](std::string more, std::size_t first = 0) {
        std::vector<std::string_view> tokens(bytes.begin() + static_cast<std::ptrdiff_t>(first),
                                             bytes.end());
        tokens.push_back(more);
        try {
            const Vocabulary vocabulary{std::span<const std::string_view>(tokens)};
            return false;
        } catch (const std::invalid_argument&) {
            return true;
        }
    };
    CHECK(!refused("ab"));
    CHECK(!refused(std::string(255, 'a')));
    CHECK(refused(std::string(256, 'a')));
    CHECK(refused(""));
    CHECK(refused("a"));      // given twice
    CHECK(refused("ab", 1));  // no token for byte 0
}

}  // namespace

int main() {
    test_good_data_are_read();
    test_every_truncation_and_every_changed_byte_is_refused();
    test_damage_behind_a_right_checksum_is_refused_or_read();
    test_random_bytes_are_refused();
    test_packed_and_listed_tokens_count_alike();
    test_lists_of_tokens_that_are_none_are_refused();
    std::puts("ok");
    return 0;
}
