#include "core/recall/passages.hpp"

#include <algorithm>

#include "core/text/line_classifier.hpp"
#include "core/text/sentences.hpp"

namespace ctxmem {
namespace {

constexpr std::size_t kWhole = kPassageBytes * 8 / 5;   // a block of up to so many bytes is not cut
constexpr std::size_t kWholeCode = kPassageBytes * 3;   // nor is code of up to so many
constexpr std::size_t kShort = 160;                     // a shorter passage takes what follows it
constexpr std::size_t kTiny = 80;                       // a shorter block joins what precedes it
constexpr std::size_t kJoined = kPassageBytes * 5 / 4;  // but none is joined beyond this

struct Atom {
    ByteRange at;
    bool opens;  // begins a block
    bool leads;  // a heading or a lead-in
};

class Cutter {
public:
    Cutter(std::string_view text, std::vector<ByteRange>& out) : text_(text), out_(out) {}

    void cut(std::size_t begin, std::size_t end) {
        const std::string_view part = text_.substr(0, end);
        bool fenced = false;
        for (std::size_t at = begin; at < end;) {
            const Line line = line_at(part, at);
            at = line.next;
            const std::string_view content = part.substr(line.first, line.last - line.first);
            const bool fence = fence_size(content) > 0;
            if (fence && !fenced) close_block();
            if (line.blank() && !fenced) close_block();
            if (!line.blank()) lines_.push_back({line.first, line.last});
            code_ = code_ || fenced || fence;
            if (fence) fenced = !fenced;
            if (fence && !fenced) close_block();
        }
        close_block();
        join();
    }

private:
    void close_block() {
        if (lines_.empty()) return;
        const ByteRange whole{lines_.front().begin, lines_.back().end};
        const std::size_t size = whole.end - whole.begin;
        const std::string_view last =
            text_.substr(lines_.back().begin, lines_.back().end - lines_.back().begin);
        const bool leads = !code_ && lines_.size() == 1 && size < kShort &&
                           (is_heading(last) || last.ends_with(':') || last.ends_with("**"));
        if (size <= (code_ ? kWholeCode : kWhole)) {
            atoms_.push_back({whole, true, leads});
        } else {
            cut_lines();
        }
        lines_.clear();
        code_ = false;
    }

    void cut_lines() {
        bool opens = true;
        for (const ByteRange line : lines_) {
            starts_.clear();
            if (line.end - line.begin <= kWhole)
                starts_.push_back(line.begin);
            else
                sentence_starts(text_, line.begin, line.end, line.begin, kPassageBytes, starts_,
                                StopToken::none());
            for (std::size_t i = 0; i < starts_.size(); ++i) {
                const std::size_t end = i + 1 < starts_.size() ? starts_[i + 1] : line.end;
                atoms_.push_back({{starts_[i], trim_space(text_, starts_[i], end)}, opens, false});
                opens = false;
            }
        }
    }

    void join() {
        bool leads = false;
        std::size_t first = out_.size();
        for (const Atom& atom : atoms_) {
            const bool any = out_.size() > first;
            const std::size_t size = atom.at.end - atom.at.begin;
            const std::size_t before = any ? out_.back().end - out_.back().begin : 0;
            const std::size_t both = any ? atom.at.end - out_.back().begin : 0;
            bool joins = any && both <= kJoined;
            if (atom.opens)
                joins = joins && !atom.leads && (before < kShort || size < kTiny || leads);
            else
                joins = joins && both <= kPassageBytes;
            if (any && leads && atom.opens && both <= kWhole + kShort) joins = true;
            if (joins)
                out_.back().end = atom.at.end;
            else
                out_.push_back(atom.at);
            leads = atom.leads;
        }
        atoms_.clear();
    }

    std::string_view text_;
    std::vector<ByteRange>& out_;
    std::vector<ByteRange> lines_;
    std::vector<Atom> atoms_;
    std::vector<std::size_t> starts_;
    bool code_ = false;
};

}  // namespace

std::vector<ByteRange> cut_passages(std::string_view text, std::span<const std::size_t> edges) {
    std::vector<ByteRange> out;
    Cutter cutter(text, out);
    std::size_t begin = 0;
    for (const std::size_t edge : edges) {
        if (edge <= begin || edge >= text.size()) continue;
        cutter.cut(begin, edge);
        begin = edge;
    }
    cutter.cut(begin, text.size());
    return out;
}

}  // namespace ctxmem
