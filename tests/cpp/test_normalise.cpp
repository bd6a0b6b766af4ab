// Normalisers on hostile text and damaged character maps, for the sanitizers.
// Argument: the path of a character map.
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.hpp"
#include "core/tokenizer/charsmap.hpp"
#include "core/tokenizer/normalise.hpp"

using namespace ctxmem;

namespace {

std::mt19937 chosen(5);

std::size_t below(std::size_t end) { return chosen() % end; }

char32_t point() {
    static const char32_t kOften[] = {'a',    ' ',    '\r',   '\n',    0x300,  0x301,   0x323,
                                      0x345,  0x915,  0x94D,  0x1100,  0x1161, 0x11A8,  0xAC00,
                                      0x200D, 0x3000, 0x2581, 0x1F468, 0x600,  0x10FFFF};
    if (below(2) != 0) return kOften[below(std::size(kOften))];
    const auto c = static_cast<char32_t>(below(0x110000));
    return c >= 0xD800 && c < 0xE000 ? U'x' : c;
}

std::string text() {
    std::string out;
    for (std::size_t left = below(40); left > 0; --left) append_utf8(point(), out);
    return out;
}

// A copy of its own size, so that a byte read beyond it is found.
void run(const Normaliser& normaliser, const std::string& text) {
    const std::unique_ptr<char[]> bytes(new char[text.size()]);
    std::copy(text.begin(), text.end(), bytes.get());
    const std::string_view view(bytes.get(), text.size());
    std::string buffer = "what was there";
    const std::string_view once = normaliser.apply(view, buffer);
    CHECK(once.data() == view.data() || once.data() == buffer.data());
    CHECK(once.data() != view.data() || once.size() == view.size());
    std::string other;
    CHECK(std::string(once) == normaliser.apply(text, other));
}

std::vector<NormaliserPtr> all(std::string_view map) {
    std::vector<NormaliserPtr> out;
    for (const Form form : {Form::nfc, Form::nfd, Form::nfkc, Form::nfkd})
        out.push_back(make_form(form));
    out.push_back(make_lowercase());
    out.push_back(make_strip(true, true));
    out.push_back(make_strip_accents());
    out.push_back(make_nmt());
    out.push_back(make_bert({}));
    out.push_back(make_replace(" ", "\xE2\x96\x81"));
    out.push_back(make_replace("", "x"));
    out.push_back(make_replace("a ", "long enough"));
    out.push_back(make_replace_regex("\\s{2,}", ""));
    out.push_back(make_prepend("x"));
    out.push_back(make_precompiled(map));
    out.push_back(make_sentencepiece_normaliser(map, {}, {"a ", "\xE3\x80\x80", "a"}));
    out.push_back(make_sentencepiece_normaliser("", {false, false, false, true}));
    std::vector<NormaliserPtr> parts;
    parts.push_back(make_strip(true, true));
    parts.push_back(make_form(Form::nfd));
    parts.push_back(make_lowercase());
    out.push_back(make_sequence(std::move(parts)));
    out.push_back(make_sequence({}));
    return out;
}

void damaged_maps(const std::string& whole) {
    int refused = 0;
    constexpr int kMaps = 400;
    for (int i = 0; i < kMaps; ++i) {
        std::string map = whole;
        if (i % 4 == 0) map.resize(below(map.size()));
        if (i % 4 == 1) map.resize(below(64));
        // Not the size, which most of the damage would hit by itself.
        for (std::size_t left = below(6); left > 0 && map.size() > 4; --left)
            map[4 + below(map.size() - 4)] = static_cast<char>(below(256));
        try {
            const NormaliserPtr first = make_precompiled(map);
            const NormaliserPtr second = make_sentencepiece_normaliser(map, {});
            for (int j = 0; j < 20; ++j) {
                run(*first, text());
                run(*second, text());
            }
        } catch (const std::invalid_argument&) {
            ++refused;
        }
    }
    CHECK(refused > kMaps / 4 && refused < kMaps);
}

// Maps of a few units by hand: a value outside, a key without end, a value inside a character.
std::string small_map(const std::vector<std::uint32_t>& units, const std::string& blob) {
    std::string out;
    const auto put = [&](std::uint32_t value) {
        for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(value >> 8 * i & 0xFF));
    };
    put(static_cast<std::uint32_t>(units.size() * 4));
    for (const std::uint32_t unit : units) put(unit);
    return out + blob;
}

bool is_refused(const std::string& map) {
    try {
        Charsmap{map};
        return false;
    } catch (const std::invalid_argument&) {
        return true;
    }
}

void maps_by_hand() {
    std::vector<std::uint32_t> units(256);
    units[0] = 1u << 10;  // its base is 1
    units[1 ^ 'a'] = 'a' | 1u << 8 | ('b' ^ 'a' ^ 1u) << 10;
    units['b'] = 1u << 31;  // the value of "a": the replacement at 0
    const std::string good = small_map(units, std::string("\xC3\xA9\0", 3));
    CHECK(!is_refused(good));
    CHECK(Charsmap(good).shortest("abc").size == 1);
    CHECK(Charsmap(good).longest("a").replacement == "\xC3\xA9");
    CHECK(Charsmap(good).longest("b").size == 0);
    CHECK(is_refused(small_map(units, "")));
    CHECK(is_refused(small_map(units, "\xC3")));
    units['b'] = 1u << 31 | 1;  // inside the character
    CHECK(is_refused(small_map(units, std::string("\xC3\xA9\0", 3))));
    units['b'] = 1u << 31 | 3;
    CHECK(is_refused(small_map(units, std::string("\xC3\xA9\0", 3))));
    units['b'] = 0;
    CHECK(is_refused(small_map(units, std::string("\xC3\xA9\0", 3))));
    units[1 ^ 'a'] = 'a';  // without a value: no key at all
    CHECK(!is_refused(small_map(units, "x")));
    units[1 ^ 'a'] = 'a' | 'a' << 10;  // it is its own child: the key "aaa..." has no end
    CHECK(is_refused(small_map(units, "x")));
}

}  // namespace

int main(int arguments, char** argument) {
    CHECK(arguments == 2);
    std::ifstream file(argument[1], std::ios::binary);
    const std::string map{std::istreambuf_iterator<char>(file), {}};
    maps_by_hand();
    const std::vector<NormaliserPtr> normalisers = all(map);
    for (const NormaliserPtr& normaliser : normalisers) {
        run(*normaliser, "");
        for (int i = 0; i < 3000; ++i) run(*normaliser, text());
        std::string marks;
        for (int i = 0; i < 100'000; ++i) append_utf8(0x300 + chosen() % 0x45, marks);
        run(*normaliser, marks);
    }
    damaged_maps(map);
    return 0;
}
