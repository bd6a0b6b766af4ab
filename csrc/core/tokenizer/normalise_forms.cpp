// NFC, NFD, NFKC and NFKD (Unicode Standard Annex 15).
//
// Characters that the form keeps are passed over. At another one, the segment from the character
// before it to the next that the form keeps is decomposed, its marks are ordered, and it is composed
// again. Nothing reaches across the ends of a segment.
#include <array>
#include <vector>

#include "core/tokenizer/normalise.hpp"

namespace ctxmem {
namespace {

constexpr std::uint32_t kPoint = 0xFFFFFF;  // the code point; the top byte is the combining rank
constexpr unsigned kRank = 24;

// One segment, in code points.
class Segment {
public:
    explicit Segment(Form form)
        : compatible_(form == Form::nfkc || form == Form::nfkd),
          compose_(form == Form::nfc || form == Form::nfkc) {}

    // Append the form of `text` to `out`.
    void append(std::string_view text, std::string& out) {
        for (std::size_t i = 0; i < text.size();) {
            const CodePoint point = decode(text, i);
            if (points_.size() >= kPortion && begins_anew(point.value)) flush(out);
            decompose(point.value);
            i += point.size;
        }
        flush(out);
    }

private:
    static constexpr std::size_t kPortion = 1024;
    static constexpr std::size_t kShort = 16;
    static constexpr std::size_t kWritten = 64;

    // Whether what is before the character does not change with it.
    bool begins_anew(char32_t c) const {
        const auto parts = decomposition(c, compatible_);
        const char32_t first = parts.empty() ? c : parts.front() & kPoint;
        return combining_rank(first) == 0 && (normal_flags(first) & kComposes) == 0;
    }

    void decompose(char32_t c) {
        using namespace hangul;
        if (is_syllable(c)) {
            const char32_t number = c - kS, tail = number % kTs;
            points_.push_back(kL + number / (kVs * kTs));
            points_.push_back(kV + number / kTs % kVs);
            if (tail != 0) points_.push_back(kT + tail);
            return;
        }
        const auto parts = decomposition(c, compatible_);
        if (parts.empty())
            points_.push_back(c | std::uint32_t{combining_rank(c)} << kRank);
        else
            points_.insert(points_.end(), parts.begin(), parts.end());
    }

    void flush(std::string& out) {
        order();
        if (compose_) compose();
        for (std::size_t i = 0; i < points_.size();) {
            char bytes[4 * kWritten];
            char* end = bytes;
            const std::size_t stop = std::min(points_.size(), i + kWritten);
            for (; i < stop; ++i) end = write_utf8(points_[i] & kPoint, end);
            out.append(bytes, static_cast<std::size_t>(end - bytes));
        }
        points_.clear();
    }

    // Order each run of marks by rank; marks of one rank keep their order.
    void order() {
        for (std::size_t i = 0; i < points_.size();) {
            std::size_t end = i;
            bool ordered = true;
            for (; end < points_.size() && points_[end] >> kRank != 0; ++end)
                ordered =
                    ordered && (end == i || points_[end - 1] >> kRank <= points_[end] >> kRank);
            if (!ordered) order_run(i, end);
            i = end + 1;
        }
    }

    void order_run(std::size_t begin, std::size_t end) {
        const auto first = points_.begin() + static_cast<std::ptrdiff_t>(begin);
        const auto last = points_.begin() + static_cast<std::ptrdiff_t>(end);
        if (end - begin <= kShort) {
            for (auto i = first + 1; i < last; ++i)
                for (auto j = i; j > first && *(j - 1) >> kRank > *j >> kRank; --j)
                    std::swap(*(j - 1), *j);
            return;
        }
        // A counting sort: a text may be nothing but marks.
        std::array<std::size_t, 257> place{};
        for (auto i = first; i < last; ++i) ++place[(*i >> kRank) + 1];
        for (std::size_t rank = 1; rank < place.size(); ++rank) place[rank] += place[rank - 1];
        sorted_.resize(end - begin);
        for (auto i = first; i < last; ++i) sorted_[place[*i >> kRank]++] = *i;
        std::copy(sorted_.begin(), sorted_.end(), first);
    }

    void compose() {
        std::size_t size = 0, starter = points_.size();
        for (const std::uint32_t point : points_) {
            const std::uint32_t rank = point >> kRank;
            // A mark of the same or a higher rank between the two blocks them.
            const bool near =
                starter < size && (starter + 1 == size || points_[size - 1] >> kRank < rank);
            if (near) {
                if (const char32_t both = composed(points_[starter], point & kPoint)) {
                    points_[starter] = both;
                    continue;
                }
            }
            if (rank == 0) starter = size;
            points_[size++] = point;
        }
        points_.resize(size);
    }

    bool compatible_, compose_;
    std::vector<std::uint32_t> points_, sorted_;
};

class FormNormaliser final : public Normaliser {
public:
    explicit FormNormaliser(Form form) : form_(form), bit_(static_cast<std::uint8_t>(form)) {
        for (unsigned lead = 0xC2; lead < 0xF0; ++lead) {
            const unsigned size = lead < 0xE0 ? 2 : 3, bits = 6 * (size - 1);
            const char32_t first = (lead & (size == 2 ? 0x1Fu : 0x0Fu)) << bits;
            bool all = true;
            for (char32_t c = first; all && c < first + (1u << bits); ++c) all = keeps(c);
            kept_size_[lead] = all ? static_cast<std::uint8_t>(size) : 0;
        }
    }

    std::string_view apply(std::string_view text, std::string& buffer) const override {
        std::size_t closer = skip(text, 0);
        if (closer == text.size()) return text;
        Segment segment(form_);
        std::string form;
        std::size_t copied = 0;  // everything before is in the buffer, if anything changed
        bool changed = false;
        for (std::size_t floor = 0; closer < text.size(); closer = skip(text, floor)) {
            const std::size_t begin = closer > floor ? character_before(text, closer) : closer;
            floor = segment_end(text, closer);
            const std::string_view before = text.substr(begin, floor - begin);
            if (!changed) {
                form.clear();
                segment.append(before, form);
                if (form == before) continue;
                changed = true;
                buffer.clear();
                buffer.reserve(text.size() + text.size() / 2);
                buffer.append(text.substr(0, begin)).append(form);
            } else {
                buffer.append(text.substr(copied, begin - copied));
                segment.append(before, buffer);
            }
            copied = floor;
        }
        if (!changed) return text;
        return buffer.append(text.substr(copied));
    }

    bool keeps_parts() const override { return true; }

private:
    bool keeps(char32_t c) const { return (normal_flags(c) & bit_) == 0; }

    // Where the first character is, from `at` on, at which the form has to look closer.
    std::size_t skip(std::string_view text, std::size_t at) const {
        while (at < text.size()) {
            const auto byte = static_cast<unsigned char>(text[at]);
            if (byte < 0x80) {
                at += ascii_run(text, at);
                continue;
            }
            if (kept_size_[byte] != 0) {
                at += kept_size_[byte];
                continue;
            }
            const CodePoint point = decode(text, at);
            if (!keeps(point.value)) return at;
            at += point.size;
        }
        return std::min(at, text.size());
    }

    std::size_t segment_end(std::string_view text, std::size_t at) const {
        while (at < text.size()) {
            const CodePoint point = decode(text, at);
            if (keeps(point.value)) return at;
            at += point.size;
        }
        return at;
    }

    Form form_;
    std::uint8_t bit_;
    // By first byte: the size of the characters that begin with it, if the form keeps them all, as
    // NFC does most of Chinese.
    std::array<std::uint8_t, 256> kept_size_{};
};

}  // namespace

NormaliserPtr make_form(Form form) { return std::make_unique<FormNormaliser>(form); }

}  // namespace ctxmem
