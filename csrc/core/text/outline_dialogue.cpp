// Dialogue: chats, interviews, exports of messengers, and the cues of subtitles.
//
// A turn begins with the name of its speaker, and no sentence of a turn is shown without it.
#include <algorithm>

#include "core/text/ascii.hpp"
#include "core/text/outline_reader.hpp"
#include "core/text/sentences.hpp"

namespace ctxmem {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::size_t kWholeTurn = 500;  // bytes up to which a turn of dialogue is one unit
constexpr std::size_t kSpeakers = 256;   // turns whose speakers are compared, at most
constexpr int kTurns = 3;                // turns that a dialogue has at least
constexpr int kTimedTurns = 2;           // the same, if the turns or cues have a time
constexpr std::size_t kLongName = 48;    // bytes of the name of a speaker, at most
constexpr std::size_t kNameWords = 4;    // words of it, at most
constexpr std::size_t kLongStamp = 40;   // bytes of a date and a time, at most

char at(std::string_view s, std::size_t i) { return i < s.size() ? s[i] : '\0'; }

bool is_letter(char c) { return is_alpha(c) || static_cast<unsigned char>(c) >= 0x80; }

std::size_t spaces(std::string_view s, std::size_t i) {
    while (at(s, i) == ' ' || at(s, i) == '\t') ++i;
    return i;
}

// The size of the dash between a name and the words: an en dash or an em dash, or two hyphens.
std::size_t dash_size(std::string_view s) {
    for (const std::string_view dash : {"\xE2\x80\x93"sv, "\xE2\x80\x94"sv, "--"sv})
        if (s.starts_with(dash)) return at(s, dash.size()) == ' ' ? dash.size() : 0;
    return 0;
}

// The size of "AM" or "p.m." after a time, with the space before it.
std::size_t half_day_size(std::string_view s) {
    std::size_t i = s.starts_with("\xE2\x80\xAF") ? 3 : at(s, 0) == ' ' ? 1 : 0;
    const char half = static_cast<char>(at(s, i) | 0x20);
    if (half != 'a' && half != 'p') return 0;
    const bool dots = at(s, ++i) == '.';
    i += dots;
    if ((at(s, i) | 0x20) != 'm' || is_letter(at(s, i + 1))) return 0;
    return i + 1 + (dots && at(s, i + 1) == '.');
}

// The size of the time of the day, perhaps with a date, that a text begins with: "10:01",
// "12/05/24, 10:01:33 AM", "2024-05-12 10:01"; 0 if there is none.
std::size_t stamp_size(std::string_view s) {
    bool timed = false;
    std::size_t i = 0;
    while (i < std::min(s.size(), kLongStamp)) {
        const char c = s[i];
        if (is_digit(c)) {
            ++i;
            continue;
        }
        if (i == 0) return 0;
        if (const std::size_t half = timed ? half_day_size(s.substr(i)) : 0; half > 0) {
            i += half;
            break;
        }
        const bool inside = is_digit(s[i - 1]) && is_digit(at(s, i + 1));
        const bool list = c == ',' && at(s, i + 1) == ' ' && is_digit(at(s, i + 2));
        const bool date = c == ' ' && !timed && is_digit(at(s, i + 1));
        if (!list && !date && !(inside && ":./-T"sv.find(c) != std::string_view::npos)) break;
        timed = timed || c == ':';
        ++i;
    }
    return timed ? i : 0;
}

// The size of a time, perhaps in brackets; 0 if there is none.
std::size_t time_size(std::string_view s) {
    if (at(s, 0) != '[' && at(s, 0) != '(') return stamp_size(s);
    const std::size_t size = stamp_size(s.substr(1));
    return size > 0 && at(s, size + 1) == (s[0] == '[' ? ']' : ')') ? size + 2 : 0;
}

// The first line of a turn.
struct TurnStart {
    std::size_t words = 0;  // the offset at which its words begin, in bytes; 0 if it is no turn
    std::string_view speaker;
    bool timed = false;
    bool strong = false;  // the name is emphasized, in brackets, or beside a time
};

// The end of a name that begins at `i`: up to four words of letters, digits and some marks, that
// begin with capitals unless `any`. Returns i if there is none.
std::size_t name_end(std::string_view s, std::size_t i, bool any) {
    const std::size_t begin = i;
    std::size_t words = 0;
    for (; i < s.size() && i < begin + kLongName; ++i) {
        const char c = s[i];
        if (c == ':' || c == '*' || c == '>' || c == ']') break;
        if (c == ' ' || c == ',' || c == '\t') {
            const std::string_view rest = s.substr(spaces(s, i + 1));
            if (dash_size(rest) > 0 || time_size(rest) > 0) break;
            if (c != ' ') return begin;
        }
        if (i == begin || s[i - 1] == ' ') {
            const bool capital = (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
            const bool other = is_alpha(c) || c == '+' || (words > 0 && is_digit(c));
            if (!capital && !(words > 0 && c == '(') && !(any && other)) return begin;
            ++words;
        }
        const bool mark =
            " .'-()"sv.find(c) != std::string_view::npos || (any && (c == '_' || c == '+'));
        if (!is_letter(c) && !is_digit(c) && !mark) return begin;
    }
    return words > kNameWords || i == s.size() || i == begin + kLongName ? begin : i;
}

bool is_level(std::string_view name) {  // of an entry in a log
    for (const std::string_view level :
         {"CRITICAL", "DEBUG", "ERROR", "FATAL", "INFO", "NOTICE", "TRACE", "WARN", "WARNING"})
        if (name == level) return true;
    return false;
}

// "<Ann> ...", as in logs of chats.
TurnStart bracketed_turn(std::string_view s, std::size_t i, bool timed) {
    const std::size_t close = s.substr(0, i + kLongName).find('>', i);
    if (close == s.npos || at(s, close + 1) != ' ' || s.find("</") != s.npos) return {};
    std::size_t name = spaces(s, i + 1);
    if ("@+%&~"sv.find(at(s, name)) != std::string_view::npos) ++name;
    const std::string_view speaker = s.substr(name, close - name);
    if (speaker.empty() || !is_letter(speaker[0])) return {};
    if (speaker.find_first_of(" =/\"") != speaker.npos && !timed) return {};
    return {spaces(s, close + 1), speaker, timed, true};
}

// The forms of a turn: "Ann Lee: ...", "**Ann** (10:01): ...", "Ann (10:01): ...", "<Ann> ...",
// "Ann -- ...", "[10:01] Ann: ...", "12/05/24, 10:01 - Ann: ...", and a name with a time on a line
// of its own.
TurnStart turn_start(std::string_view s) {
    std::size_t i = 0;
    while (s.substr(i).starts_with("\xE2\x80\x8E") || s.substr(i).starts_with("\xEF\xBB\xBF"))
        i += 3;  // marks of direction and of the byte order
    const bool iso = is_digit(at(s, i)) && at(s, i + 4) == '-';  // as in a log
    const std::size_t time = iso ? 0 : time_size(s.substr(i));
    bool timed = time > 0;
    if (timed) {
        i = spaces(s, i + time);
        if (at(s, i) == '-' && at(s, i + 1) == ' ') i = spaces(s, i + 1);
        if (at(s, i) == '~') i = spaces(s, i + 1);  // a name that its bearer chose
    }
    if (at(s, i) == '<') return bracketed_turn(s, i, timed);
    const char mark = at(s, i) == '*' || (at(s, i) == '_' && at(s, i + 1) == '_') ? s[i] : '\0';
    const auto marks = [&](std::size_t from) {
        while (mark != 0 && at(s, from) == mark) ++from;
        return from;
    };
    const std::size_t begin = marks(i);
    std::size_t p = name_end(s, begin, timed || mark != 0);
    if (p == begin) return {};
    TurnStart turn{0, s.substr(begin, p - begin), timed, timed || mark != 0};
    while (turn.speaker.ends_with(' ')) turn.speaker.remove_suffix(1);
    if (timed && is_level(turn.speaker)) return {};
    bool closed = mark == 0 || marks(p) > p;
    p = marks(p);
    std::size_t after = spaces(s, p + (at(s, p) == ','));
    if (const std::size_t size = after > p ? time_size(s.substr(after)) : 0; size > 0) {
        turn.timed = turn.strong = timed = true;
        after += size;
        closed = closed || marks(after) > after;
        p = marks(after);
        after = spaces(s, p);
        // A name and a time on a line of their own.
        if (p >= s.size() && closed) turn.words = s.size();
    }
    if (at(s, p) == ':') {
        closed = closed || marks(p + 1) > p + 1;
        p = marks(p + 1);
        if (closed && (at(s, p) == ' ' || (p == s.size() && turn.strong)))
            turn.words = spaces(s, p);
    } else if (closed && after > p && dash_size(s.substr(after)) > 0) {
        turn.words = spaces(s, after + dash_size(s.substr(after)));
    } else if (closed && after > p && timed && mark != 0) {
        turn.words = after;
    }
    return turn;
}

// Whether a line begins with the time of a message, which may be one without a speaker.
bool begins_message(std::string_view s) {
    const std::size_t time = time_size(s);
    return time > 0 && (s[0] == '[' || s.substr(time).starts_with(" - "));
}

// "00:01:02.000 --> 00:01:05.000", above the words of a subtitle.
bool is_timing(std::string_view s) {
    return is_digit(s[0]) && stamp_size(s) > 0 && s.substr(0, kLongStamp).find(" --> ") != s.npos;
}

}  // namespace

// Whether a cue of subtitles begins at line i: with its times, or with its number above them.
bool OutlineReader::begins_cue(std::size_t i) const {
    if (blank(i) || !after_blank(i)) return is_timing(content(i));
    return is_timing(content(i)) || (!blank(i + 1) && is_timing(content(i + 1)));
}

// The offset at which the words of the turn that begins at line i begin, in bytes; 0 if none does.
std::size_t OutlineReader::words_of_turn(std::size_t i) const {
    const TurnStart turn = turn_start(content(i));
    // A name on a line of its own needs its time, or the words right below it.
    const bool alone = turn.words == content(i).size() && !turn.timed;
    if (!alone) return turn.words;
    const bool below = !blank(i + 1) && marker_of(content(i + 1)).size == 0 &&
                       fence_size(content(i + 1)) == 0 && turn_start(content(i + 1)).words == 0;
    return below ? turn.words : 0;
}

// Decide whether the text is a dialogue. In a dialogue at least one speaker has two turns, or the
// turns have times. In a record each key occurs once; several records separated by blank lines
// share their first key.
void OutlineReader::count_turns() {
    if (options_.format != Format::unknown) return;
    int turns = 0, timed = 0, cues = 0, paragraphs = 0, groups = 0, alike = 0;
    std::vector<std::string_view> speakers;
    std::string_view first;
    for (std::size_t i = 0; i < count(); ++i) {
        if (blank(i)) continue;
        const TurnStart turn = turn_start(content(i));
        const bool begins = turn.words > 0 && words_of_turn(i) > 0;
        stop_.check(200);
        cues += is_timing(content(i));
        paragraphs += after_blank(i) || begins;
        turns += begins;
        timed += begins && turn.timed;
        if (begins && speakers.size() < kSpeakers) speakers.push_back(turn.speaker);
        if (!begins || !after_blank(i)) continue;
        if (groups++ == 0) first = turn.speaker;
        alike += turn.speaker == first;
    }
    std::sort(speakers.begin(), speakers.end());
    const bool again = std::adjacent_find(speakers.begin(), speakers.end()) != speakers.end();
    const bool records = groups >= 2 && alike == groups && turns >= 2 * groups && timed == 0;
    const bool times = timed >= kTimedTurns;
    const bool enough = (times ? 3 : 2) * turns >= paragraphs &&  // of the paragraphs
                        (times || (again && turns >= kTurns));
    dialogue_ = cues >= kTimedTurns || (enough && !records);
}

// Append lines i .. last as a turn whose words begin at an offset of line i; returns the unit with
// the name, which all others need.
std::int32_t OutlineReader::add_turn(std::size_t i, std::size_t last, std::size_t words,
                                     std::int32_t need) {
    const std::size_t begin = line(i).first, end = line(last).last;
    if (end - begin <= std::min(kWholeTurn, options_.room)) return add(begin, SpanKind::turn, need);
    const std::size_t scan = std::min(begin + words, end - 1);
    const std::int32_t first = add_sentences(begin, end, scan, SpanKind::turn, need);
    std::int32_t named = first;
    for (std::int32_t u = first + 1; u < next_unit(); ++u) {
        Unit& unit = units_[static_cast<std::size_t>(u)];
        if (unit.start < scan || unit.need == need) unit.need = named;
        if (unit.start < scan) named = u;
        if (unit.also == unit.need) unit.also = kNoSpan;
    }
    return named;
}

std::size_t OutlineReader::take_turn(std::size_t i) {
    if (!dialogue_) return 0;
    if (begins_cue(i)) return take_cue(i);
    const std::size_t words = words_of_turn(i);
    if (words == 0) return 0;
    std::size_t last = turn_end(i);
    close_lists(-1);
    owners_.clear();
    const bool alone = last == i && words == content(i).size();
    const std::int32_t first =
        alone ? add_line(i, SpanKind::name, heading_, kLabel) : add_turn(i, last, words, heading_);
    // Further paragraphs of a turn need the first one, which names the speaker, as do other blocks.
    for (std::size_t k = filled(last + 1); goes_on(k); k = filled(last + 1)) {
        last = turn_end(k);
        add_sentences(line(k).first, line(last).last, line(k).first, SpanKind::turn, first);
    }
    own(-1, first);
    lead_ = {};
    return last + 1;
}

// A cue without a name needs the last one that has a name.
std::size_t OutlineReader::take_cue(std::size_t i) {
    const std::size_t times = i + (is_timing(content(i)) ? 0 : 1);
    std::size_t last = times;
    while (!blank(last + 1) && !begins_cue(last + 1)) ++last;
    const std::size_t said = std::min(last, times + 1);
    close_lists(-1);
    owners_.clear();
    const std::string_view words = content(said);
    const bool voice = words.starts_with("<v") && words.find('>') != words.npos;
    const std::size_t name = voice ? words.find('>') + 1 : turn_start(words).words;
    const bool named = name > 0;
    const std::size_t from = line(said).first - line(i).first;
    const std::int32_t unit =
        add_turn(i, last, from + name, named || voice_ == kNoSpan ? heading_ : voice_);
    if (named) voice_ = unit;
    lead_ = {};
    return last + 1;
}

// Whether a turn, a cue or a message begins at line i of a dialogue.
bool OutlineReader::speaks(std::size_t i) const {
    return dialogue_ && (words_of_turn(i) > 0 || begins_cue(i) || begins_message(content(i)));
}

// The last line of the paragraph of a turn that begins at line i.
std::size_t OutlineReader::turn_end(std::size_t i) const {
    std::size_t last = i;
    while (!blank(last + 1) && !speaks(last + 1)) ++last;
    return last;
}

// Whether line i continues the current turn: running text without a speaker of its own.
bool OutlineReader::goes_on(std::size_t i) const {
    return i < count() && !starts_block(i, true) && rule_of(content(i)) == 0 && !titles(i) &&
           !underlines(i + 1);
}

}  // namespace ctxmem
