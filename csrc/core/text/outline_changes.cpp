// Change logs: the line that names a release is the heading of the changes
// below it.
#include <algorithm>
#include <string>

#include "core/text/ascii.hpp"
#include "core/text/outline_reader.hpp"
#include "core/text/sentences.hpp"

namespace ctxmem {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::size_t kLongRelease = 100;   // bytes of a line that names a release, at most
constexpr std::size_t kChangesWithin = 12;  // lines below it that are read to find its changes
constexpr std::size_t kDate = 10;           // bytes of 2024-05-01

bool is_version(char c) {
    return is_digit(c) || is_alpha(c) ||
           std::string_view(".-+~:_").find(c) != std::string_view::npos;
}

bool is_date(std::string_view s) {
    if (s.size() < kDate) return false;
    for (const std::size_t k : {0, 1, 2, 3, 5, 6, 8, 9})
        if (!is_digit(s[k])) return false;
    return (s[4] == '-' || s[4] == '/' || s[4] == '.') && s[7] == s[4];
}

// Whether the text contains a year, 1970 to 2099.
bool has_year(std::string_view s) {
    for (std::size_t k = 0; k + 4 <= s.size(); ++k) {
        if (k > 0 && is_digit(s[k - 1])) continue;
        const bool year = s.substr(k, 3) == "197" || s.substr(k, 3) == "198" ||
                          s.substr(k, 3) == "199" || s.substr(k, 2) == "20";
        const bool whole = k + 4 == s.size() || !is_digit(s[k + 4]);
        if (year && is_digit(s[k + 2]) && is_digit(s[k + 3]) && whole) return true;
    }
    return false;
}

std::string_view without_space(std::string_view s) {
    while (!s.empty() && s[0] == ' ') s.remove_prefix(1);
    return s;
}

std::string lower(std::string_view s) {
    std::string low(s);
    for (char& c : low)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    return low;
}

// The length of the version number that the text begins with, "1.10-4", "v2.0"
// or "[1.2.3]"; 0 if there is none. `whole`: "7" is a number, too.
std::size_t version_size(std::string_view s, bool whole) {
    std::size_t at = 0;
    const bool bracket = !s.empty() && (s[0] == '[' || s[0] == '(');
    at += bracket;
    const bool v = at < s.size() && (s[at] | 0x20) == 'v';
    at += v;
    if (at >= s.size() || !is_digit(s[at])) return 0;
    const std::size_t begin = at;
    while (at < s.size() && is_digit(s[at])) ++at;
    const bool dotted = at + 1 < s.size() && s[at] == '.' && is_digit(s[at + 1]);
    while (at < s.size() && is_version(s[at])) ++at;
    while (at > begin && (s[at - 1] == ':' || s[at - 1] == '.')) --at;
    if (!(dotted || whole || v)) return 0;
    if (!bracket) return at;
    return at < s.size() && (s[at] == ']' || s[at] == ')') ? at + 1 : 0;
}

// Whether what follows a version number may follow it in the line of a release:
// nothing, a date, a name behind a dash, a remark in brackets. `named`: a word
// says that the number is a version.
bool ends_release(std::string_view rest, bool named) {
    const bool spaced = !rest.empty() && rest[0] == ' ';
    rest = without_space(rest);
    if (rest.empty() || rest == ":") return true;
    const char head = rest[0];
    if (std::string_view(".;!?").find(rest.back()) != rest.npos) return false;
    const bool set_off = std::string_view("([-/,:").find(head) != rest.npos ||
                         rest.starts_with("\xE2\x80\x93") || rest.starts_with("\xE2\x80\x94");
    if (!set_off && !(spaced && (is_digit(head) || (head >= 'A' && head <= 'Z') || head == 'r')))
        return false;
    if (has_year(rest) &&
        (set_off || is_digit(head) || std::count(rest.begin(), rest.end(), ' ') <= 5))
        return true;
    if (!set_off) return false;
    return named || lower(rest).find("unreleased") != std::string::npos;
}

// "gzip (1.10-4) unstable; urgency=medium"
bool is_debian_release(std::string_view content) {
    const std::size_t open = content.find(' ');
    if (open == content.npos || !content.substr(open).starts_with(" (")) return false;
    const std::size_t size = version_size(content.substr(open + 1), true);
    return size > 0 && content.find("; urgency=", open + size) != content.npos;
}

// "2024-05-01  Ann Lee  <ann@x.org>", "2024-05-01", "2024-05-01 - version 1.2"
bool is_dated_release(std::string_view content) {
    if (!is_date(content)) return false;
    std::string_view rest = content.substr(kDate);
    if (rest.ends_with(':')) rest.remove_suffix(1);
    if (rest.empty()) return true;
    if (rest[0] != ' ' && rest[0] != '\t') return false;
    if (rest.back() == '>' && rest.find('@') != rest.npos) return rest.find('<') != rest.npos;
    rest = without_space(rest);
    if (rest[0] == '-') rest = without_space(rest.substr(1));
    for (const std::string_view word : {"Version "sv, "version "sv, "Release "sv, "release "sv})
        if (rest.starts_with(word)) rest.remove_prefix(word.size());
    const std::size_t size = version_size(rest, false);
    return size > 0 && size == rest.size();
}

}  // namespace

// Whether the content may be the line of a release: a version number or a date
// by itself, behind "version", "release", "Changes in" or the name of a
// program.
bool names_release(std::string_view content) {
    if (content.size() > kLongRelease) return false;
    if (is_debian_release(content) || is_dated_release(content)) return true;
    bool named = false;
    std::string_view name;  // the only word before the number
    std::size_t words = 0;
    for (std::string_view rest = content; !rest.empty() && words <= 7; ++words) {
        const std::size_t size = version_size(rest, named);
        if (size > 0) {
            const std::string_view after = rest.substr(size);
            if (words == 0 || named) {
                const bool alone = without_space(after).empty();
                const std::string_view number = rest.substr(0, size);
                const bool plain = !named && std::count(number.begin(), number.end(), '.') < 2 &&
                                   (number[0] | 0x20) != 'v' && number[0] != '[';
                return !(alone && plain) && ends_release(after, named);
            }
            return words == 1 && is_alpha(name[0]) && has_year(after) && ends_release(after, true);
        }
        const std::size_t end = std::min(rest.find(' '), rest.size());
        const std::string_view word = rest.substr(0, end);
        const bool may_say = word.size() >= 4 && word.size() <= 10;
        const std::string low = may_say ? lower(word) : std::string();
        const bool says =
            low == "version" || low == "release" || low == "version:" || low == "release:";
        if (words == 0) {
            name = word;
            named = says || low == "changes" || low == "noteworthy" || low == "news" ||
                    word == "What's" || (low == "major" && rest.find("hanges") != rest.npos);
        } else if (says && words <= 1) {
            named = true;
        }
        if (words >= 1 && !named) return false;
        rest = without_space(rest.substr(end));
    }
    return false;
}

// The number of stars before the title of a line of GNU NEWS, "* Changes
// in 1.2"; 0 if none.
std::size_t stars_of(std::string_view content) {
    const std::size_t stars = std::min(content.find_first_not_of('*'), content.size());
    return stars <= 4 && stars + 1 < content.size() && content[stars] == ' ' ? stars : 0;
}

// Whether line i is the heading of a release: it is by itself and has changes
// below it, items or deeper lines. Below another release of the text, a blank
// line is enough.
bool OutlineReader::releases(std::size_t i) const {
    if (options_.format != Format::unknown || dialogue_ || line(i).indent > 3) return false;
    if (!after_blank(i) && (units_.empty() || units_.back().kind != SpanKind::heading))
        return false;
    std::string_view here = content(i);
    if (here.size() > kLongRelease) return false;
    const std::size_t stars = stars_of(here);
    if (stars > 1) return false;
    if (stars == 1) here = without_space(here.substr(1));
    if (!names_release(here) || (stars == 1 && here.find("hanges ") == here.npos)) return false;
    const auto changes = [&](std::size_t k) {
        const std::string_view there = content(k);
        return line(k).indent > line(i).indent || marker_of(there).bullet ||
               (stars == 1 && stars_of(there) > 1);
    };
    const std::size_t next = i + 1;
    if (!blank(next) && !changes(next) && rule_of(content(next)) == 0) return false;
    if (release_ != kNoSpan) return true;
    std::size_t k = filled(next);
    for (std::size_t seen = 0; seen < kChangesWithin && k < count(); ++seen, k = filled(k + 1)) {
        if (names_release(content(k))) return false;
        if (changes(k) && rule_of(content(k)) == 0) return true;
    }
    return false;
}

// Whether line i is a section of a release in GNU NEWS: "** Bug fixes".
bool OutlineReader::outlines(std::size_t i) const {
    return release_mark_ == '*' && stars_of(content(i)) > 1 && content(i).size() <= kLongRelease &&
           after_blank(i) &&
           (blank(i + 1) || line(i + 1).indent > line(i).indent ||
            marker_of(content(i + 1)).size > 0);
}

// " -- Ann Lee <ann@x.org>  Tue, 02 Mar 2021 18:30:16 -0500": who released what
// is above.
std::size_t OutlineReader::take_signature(std::size_t i) {
    const std::string_view here = content(i);
    if (here.size() > 2 * kLongRelease || !here.starts_with("-- ") || line(i).indent > 1) return 0;
    if (here.find('@') == here.npos || here.find(" <") == here.npos ||
        here.find(">  ") == here.npos)
        return 0;
    close_lists(-1);
    owners_.clear();
    add_line(i, SpanKind::other, heading_ == release_ ? heading_ : kNoSpan, kFiller);
    lead_ = {};
    return i + 1;
}

}  // namespace ctxmem
