#include "core/ledger/statements.hpp"

#include <algorithm>

#include "core/ledger/phrases.hpp"
#include "core/ledger/rule_lists.hpp"
#include "core/ledger/statement_sentence.hpp"
#include "core/text/line_classifier.hpp"
#include "core/text/outline_exceptions.hpp"
#include "core/text/sentences.hpp"
#include "core/text/unicode.hpp"

namespace ctxmem {
namespace {

using namespace ledger;

constexpr std::ptrdiff_t kMostListed = 3;
constexpr std::size_t kLongestItem = 300;  // bytes of an item of a list of rules

// Finds the paragraphs in which the author of the message speaks.
class MessageReader {
public:
    MessageReader(std::string_view text, bool replies, bool trusted, StopToken& stop)
        : text_(text), replies_(replies), trusted_(trusted), stop_(stop) {}

    std::vector<Statement> read() {
        std::size_t fence = 0;
        for (std::size_t at = 0; at < text_.size();) {
            const Line line = line_at(text_, at);
            const std::string_view content = text_.substr(line.first, line.last - line.first);
            stop_.check(line.next - at);
            const std::size_t next = line.next;
            if (const std::size_t size = fence_size(content); size != 0) {
                close();
                fence = fence == 0 ? size : (size >= fence ? 0 : fence);
            } else if (fence != 0) {
            } else if (line.blank()) {
                close();
                if (signed_) pasted_ = signed_ = false;
                last_paragraph_ = next;
            } else if (pasted_) {
                signed_ |= is_sign_off(content);
            } else if (content.starts_with("\"\"\"")) {
                close();
                const std::size_t end = text_.find("\"\"\"", line.first + 3);
                if (end == std::string_view::npos) break;
                at = end + 3;
                continue;
            } else if (content.front() == '<' && content.size() > 1) {
                close();
                at = std::max(after_element(line.first), next);
                continue;
            } else if (!trusted_ && (is_header(content) || is_greeting(content, line.first))) {
                begin_paste(next);
            } else if (content.front() == '>' || content.front() == '|' || is_heading(content) ||
                       is_table_row(content) || rule_of(content) != 0 || is_log_line(content) ||
                       code_evidence(line, content) == 2 || begins_turn(content)) {
                close();
                rules_ = trusted_ && is_heading(content) && announces_rules(content);
            } else {
                const Marker marker = marker_of(content);
                if (marker.size != 0 && marker.size < content.size()) {
                    close();
                    open_ = true;
                    begin_ = line.first + marker.size;
                    item_ = rules_;
                } else if (!open_) {
                    open_ = true;
                    begin_ = line.first;
                    item_ = rules_ = false;
                }
                end_ = line.last;
                if (!item_ && ends_in_colon(content)) rules_ = announces_rules(content);
                if (!trusted_ && content.back() == ':' && announces(content)) begin_paste(next);
            }
            at = next;
        }
        if (pasted_) read_request_behind_paste();
        close();
        end_section();
        if (!trusted_) drop_worked_on();
        drop_lists();
        return std::move(out_);
    }

private:
    // Of many lines "name: value" none is taken: they are a form, a record or a table.
    void drop_lists() {
        const auto listed = [](const Statement& s) { return (s.flags & kListed) != 0; };
        if (std::count_if(out_.begin(), out_.end(), listed) > kMostListed)
            out_.erase(std::remove_if(out_.begin(), out_.end(), listed), out_.end());
        for (Statement& s : out_) s.flags &= static_cast<std::uint8_t>(~kListed);
    }

    // Where the first or last paragraph asks for work on a text ("translate this"), the paragraphs
    // behind or before it are that text; a last one that begins as a request is the author's.
    void drop_worked_on() {
        if (paragraphs_.size() < 2) return;
        const bool first = paragraphs_.front().asks_for_work;
        if (!first && !paragraphs_.back().asks_for_work) return;
        std::size_t begin = first ? paragraphs_[1].begin : 0;
        std::size_t end = first ? text_.size() : paragraphs_.back().begin;
        if (first && paragraphs_.size() > 2 && paragraphs_.back().requests)
            end = paragraphs_.back().begin;
        std::erase_if(out_, [&](const Statement& s) { return s.start >= begin && s.start < end; });
    }

    void begin_paste(std::size_t at) {
        close();
        pasted_ = true;
        signed_ = false;
        paste_ = last_paragraph_ = at;
    }

    // What is behind a pasted text that has no end of its own: the last paragraph, if it is short
    // and begins as a request to the assistant does.
    void read_request_behind_paste() {
        const std::size_t begin = last_paragraph_;
        const std::size_t end = trim_space(text_, begin, text_.size());
        const auto before = text_.substr(paste_, begin - paste_);
        if (end <= begin || end - begin > kLongestRequest ||
            before.find_first_not_of(" \t\r\n") == std::string_view::npos)
            return;
        if (!Sentence(text_, begin, end, words_).begins_with(kRequests)) return;
        open_ = true;
        begin_ = begin;
        end_ = end;
    }

    void close() {
        if (!open_) return;
        open_ = false;
        starts_.clear();
        sentence_starts(text_, begin_, end_, begin_, kLongest, starts_, stop_);
        bool self = false;
        std::size_t words = 0;
        const std::size_t before = out_.size();
        Paragraph paragraph{begin_, false, false};
        for (std::size_t i = 0; i < starts_.size(); ++i) {
            const std::size_t next = i + 1 < starts_.size() ? starts_[i + 1] : end_;
            const std::size_t last = trim_space(text_, starts_[i], next);
            if (last <= starts_[i]) continue;
            Sentence sentence(text_, starts_[i], last, words_);
            const std::size_t found = out_.size();
            sentence.find(replies_, i > 0 ? starts_[i - 1] : starts_[i], out_);
            if (out_.size() == found && found > before) take_exception(starts_[i], last);
            self = self || sentence.has(kSelf);
            words += sentence.size();
            paragraph.asks_for_work |= sentence.asks_for_work();
            paragraph.requests |= i == 0 && sentence.begins_with(kRequests);
            if (!trusted_ && sentence.gives_text()) break;
        }
        if (item_ && !replies_) take_item(before);
        item_ = false;
        paragraphs_.push_back(paragraph);
        if (trusted_ || replies_) return;
        if (self) {
            end_section(before);
        } else {
            section_words_ += words;
            section_sentences_ += starts_.size();
            ++section_paragraphs_;
        }
    }

    // An item of a list of rules is a rule, whatever its form: "Secrets only in Vault".
    void take_item(std::size_t before) {
        for (std::size_t i = before; i < out_.size(); ++i)
            out_[i].flags &= static_cast<std::uint8_t>(~kListed);
        const std::size_t end = trim_space(text_, begin_, end_);
        if (out_.size() > before || end <= begin_ || end - begin_ > kLongestItem ||
            text_[end - 1] == '?')
            return;
        Statement rule{};
        rule.kind = StatementKind::rule;
        rule.strength = 6;
        rule.start = rule.cue_start = static_cast<std::uint32_t>(begin_);
        rule.end = rule.cue_end = static_cast<std::uint32_t>(end);
        out_.push_back(rule);
    }

    static bool ends_in_colon(std::string_view content) {
        const std::size_t last = content.find_last_not_of("*_ \t");
        return last != std::string_view::npos && content[last] == ':';
    }

    // A sentence that restricts the statement before it is a part of that: without "This does not
    // apply to members." a rule says something else. A question restricts nothing.
    void take_exception(std::size_t begin, std::size_t end) {
        Statement& rule = out_.back();
        if (replies_ || !may_have_exception(rule.kind) || text_[end - 1] == '?') return;
        const std::size_t between = rule.end < begin ? trim_space(text_, rule.end, begin) : begin;
        if (between > rule.end) return;
        const std::string_view said = text_.substr(rule.start, rule.end - rule.start);
        if (restricts_rule(text_.substr(begin, end - begin), said))
            rule.end = static_cast<std::uint32_t>(end);
    }

    static bool may_have_exception(StatementKind kind) {
        return kind == StatementKind::rule || kind == StatementKind::limit ||
               kind == StatementKind::instruction || kind == StatementKind::preference ||
               kind == StatementKind::permission || kind == StatementKind::decision;
    }

    // A section is a run of paragraphs without "I" or "please". A long one with few
    // statements, of several paragraphs, is a text about something: a page, a policy, a manual. It is pasted.
    void end_section() { end_section(out_.size()); }
    void end_section(std::size_t end) {
        const std::size_t found = end - section_;
        if (section_words_ >= kLongSection && section_paragraphs_ > 1 &&
            3 * found < section_sentences_)
            out_.erase(out_.begin() + static_cast<std::ptrdiff_t>(section_),
                       out_.begin() + static_cast<std::ptrdiff_t>(end));
        section_ = out_.size();
        section_words_ = section_sentences_ = section_paragraphs_ = 0;
    }

    static bool is_header(std::string_view content) {
        return content.starts_with("From: ") || content.starts_with("Subject: ") ||
               content.starts_with("Begin forwarded") || content.starts_with("-----Original") ||
               content.starts_with("---------- Forwarded");
    }

    // "Dear Ms Park,", or "Hi all," below other text.
    bool is_greeting(std::string_view content, std::size_t at) const {
        if (content.size() > 40 || (content.back() != ',' && content.back() != ':')) return false;
        if (content.starts_with("Dear ")) return true;
        if (!content.starts_with("Hi ") && !content.starts_with("Hello ")) return false;
        return text_.substr(0, at).find_first_not_of(" \t\r\n") != std::string_view::npos;
    }

    static bool is_sign_off(std::string_view content) {
        if (content.size() > 30) return false;
        for (const std::string_view words :
             {"Best", "Kind regards", "Regards", "Sincerely", "Cheers", "Yours", "Warm regards",
              "Many thanks", "Thanks,"})
            if (content.starts_with(words)) return true;
        return false;
    }

    // A time or a level in front, as programs write them.
    static bool is_log_line(std::string_view content) {
        const auto digit = [&](std::size_t i) {
            return i < content.size() && content[i] >= '0' && content[i] <= '9';
        };
        const std::size_t at = content.front() == '[' ? 1 : 0;
        if (digit(at) && digit(at + 1)) {
            if (content.size() > at + 8 && content[at + 2] == ':' && content[at + 5] == ':' &&
                digit(at + 3) && digit(at + 6))
                return true;
            if (digit(at + 2) && digit(at + 3) && content.size() > at + 10 &&
                content[at + 4] == '-' && content[at + 7] == '-' && digit(at + 5))
                return content[at + 10] == 'T' || digit(at + 11) || content[at + 10] == ']';
        }
        for (const std::string_view level :
             {"INFO", "WARN", "WARNING", "ERROR", "DEBUG", "FATAL", "TRACE", "CRITICAL"})
            if (content.substr(at).starts_with(level) && content.size() > at + level.size() &&
                (content[at + level.size()] == ' ' || content[at + level.size()] == ':' ||
                 content[at + level.size()] == ']'))
                return true;
        return false;
    }

    // The offset behind the element that begins at a line; 0 if it is not closed.
    std::size_t after_element(std::size_t at) {
        std::size_t end = at + 1;
        while (
            end < text_.size() && end - at < 40 &&
            (text_[end] == '_' || text_[end] == '-' || (text_[end] >= '0' && text_[end] <= '9') ||
             (text_[end] >= 'A' && text_[end] <= 'Z') || (text_[end] >= 'a' && text_[end] <= 'z')))
            ++end;
        if (end == at + 1) return 0;
        if (failed_ >= kMostFailedTags) return text_.size();
        const std::string close = "</" + std::string(text_.substr(at + 1, end - at - 1)) + ">";
        const std::size_t found = text_.find(close, end);
        if (found == std::string_view::npos) {
            ++failed_;
            return 0;
        }
        return found + close.size();
    }

    // "Here is the mail:" and the like.
    bool announces(std::string_view content) {
        const std::size_t from = content.size() > 300 ? content.size() - 300 : 0;
        std::size_t begin = from;
        while (begin < content.size() &&
               (static_cast<unsigned char>(content[begin]) & 0xC0) == 0x80)
            ++begin;
        std::vector<Word> words;
        Sentence(content, begin, content.size(), words);
        std::uint32_t roles = 0;
        for (const Word& word : words) roles |= word.roles;
        return ((roles & kPasted) != 0 && (roles & kShows) != 0) ||
               (!words.empty() && (words[0].roles & kTransforms) != 0);
    }

    struct Paragraph {
        std::size_t begin;
        bool asks_for_work, requests;
    };

    std::vector<Paragraph> paragraphs_;
    std::string_view text_;
    bool replies_, trusted_;
    StopToken& stop_;
    bool open_ = false;
    bool rules_ = false, item_ = false;  // in a list of rules; in an item of one
    std::size_t begin_ = 0, end_ = 0;
    int failed_ = 0;
    bool pasted_ = false, signed_ = false;  // in a pasted text; behind its sign-off
    std::size_t paste_ = 0,
                last_paragraph_ = 0;  // where the pasted text and its last paragraph begin
    std::size_t section_ = 0, section_words_ = 0, section_sentences_ = 0, section_paragraphs_ = 0;
    std::vector<std::size_t> starts_;
    std::vector<Word> words_;
    std::vector<Statement> out_;
};

}  // namespace

std::vector<Statement> find_statements(std::string_view text, bool replies, bool trusted,
                                       StopToken& stop) {
    return MessageReader(text, replies, trusted, stop).read();
}

std::vector<std::int64_t> statement_rows(std::string_view text,
                                         std::span<const Statement> statements) {
    std::vector<std::int64_t> out;
    out.reserve(statements.size() * kStatementColumns);
    std::size_t byte = 0;
    std::int64_t character = 0;
    const auto begins = [&](std::size_t at) {
        return (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
    };
    const auto characters = [&](std::size_t to) {
        while (byte < to) character += begins(byte++);
        while (byte > to) character -= begins(--byte);
        return character;
    };
    for (const Statement& s : statements) {
        out.insert(out.end(), {static_cast<std::int64_t>(s.kind), s.language, s.strength, s.flags});
        for (const std::uint32_t place : {s.start, s.end, s.cue_start, s.cue_end})
            out.push_back(characters(place));
        for (const auto& [start, end] :
             {std::pair{s.subject_start, s.subject_end}, std::pair{s.value_start, s.value_end}}) {
            const bool none = start == end;
            out.push_back(none ? 0 : characters(start));
            out.push_back(none ? 0 : characters(end));
        }
    }
    return out;
}

}  // namespace ctxmem
