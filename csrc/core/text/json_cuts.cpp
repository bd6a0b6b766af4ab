#include "core/text/json_cuts.hpp"

#include <cstdint>

namespace ctxmem {
namespace {

constexpr std::size_t kNumbers = 100;
constexpr std::uint32_t kNone = UINT32_MAX;

// A comma, linked to the previous comma of its container.
struct Comma {
    std::size_t at;
    std::uint32_t previous;
    bool after_number;
    bool cut;
};

struct Container {
    std::size_t begin;
    std::uint32_t last_comma;
    char close;
};

// The end of the string whose opening quote is at `at`; npos if the string is not closed.
std::size_t string_end(std::string_view text, std::size_t at) {
    for (std::size_t i = at + 1; i < text.size(); ++i) {
        if (text[i] == '\\')
            ++i;
        else if (text[i] == '"')
            return i + 1;
    }
    return std::string_view::npos;
}

std::size_t literal_size(std::string_view text, std::size_t at) {
    for (const std::string_view literal : {"true", "false", "null", "NaN", "Infinity"})
        if (text.compare(at, literal.size(), literal) == 0) return literal.size();
    return 0;
}

}  // namespace

JsonValue read_json(std::string_view text, std::size_t at, std::size_t longest,
                    std::vector<std::size_t>& cuts, StopToken& stop) {
    std::vector<Container> open;
    std::vector<Comma> commas;
    bool number = false;  // the current item is a number
    std::size_t i = at;
    do {
        if (i >= text.size()) return {false, i};
        stop.check(2);
        const char c = text[i];
        switch (c) {
            case '{':
            case '[':
                if (open.size() >= kDeepest) return {false, i};
                open.push_back({i, kNone, c == '{' ? '}' : ']'});
                number = false;
                ++i;
                break;
            case '}':
            case ']': {
                const Container closed = open.back();
                if (closed.close != c) return {false, i};
                open.pop_back();
                ++i;
                number = false;
                if (!open.empty() && i - closed.begin <= longest) break;
                for (std::uint32_t k = closed.last_comma; k != kNone; k = commas[k].previous)
                    commas[k].cut = true;
                break;
            }
            case ',':
                if (commas.size() >= kNone) return {false, i};
                commas.push_back(
                    {i, open.back().last_comma, number && open.back().close == ']', false});
                open.back().last_comma = static_cast<std::uint32_t>(commas.size() - 1);
                number = false;
                ++i;
                break;
            case '"': {
                const std::size_t end = string_end(text, i);
                if (end == std::string_view::npos) return {false, text.size()};
                number = false;
                i = end;
                break;
            }
            case ':':
            case ' ':
            case '\t':
            case '\n':
            case '\r': ++i; break;
            case '0':
            case '1':
            case '2':
            case '3':
            case '4':
            case '5':
            case '6':
            case '7':
            case '8':
            case '9':
            case '-':
            case '+':
            case '.':
            case 'e':
            case 'E':
                number = true;
                ++i;
                break;
            default: {
                const std::size_t size = literal_size(text, i);
                if (size == 0) return {false, i};
                i += size;
            }
        }
    } while (!open.empty());
    std::size_t since = at;
    for (const Comma& comma : commas) {
        if (!comma.cut || (comma.after_number && comma.at + 1 - since < kNumbers)) continue;
        since = comma.at + 1;
        cuts.push_back(since);
    }
    return {true, i};
}

}  // namespace ctxmem
