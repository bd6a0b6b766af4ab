// Extended grapheme clusters (Unicode Standard Annex 29), without regional indicators: each flag of
// two is two clusters here, which its reader, a normaliser of clusters under 6 bytes, cannot tell
// from one of 8. O(1) a character.
#pragma once
#include "core/text/normal.hpp"

namespace ctxmem {

class GraphemeClusters {
public:
    // Whether `c` continues the cluster of the characters given before. False for the first.
    bool joins(char32_t c) {
        const GraphemeClass next = grapheme_class(c);
        const bool is = last_ == '\r' ? c == '\n' : extends(next);
        note(next);
        last_ = c;
        class_ = next;
        return is;
    }

private:
    enum class Pictograph : std::uint8_t { none, extended, joined };
    enum class Conjunct : std::uint8_t { none, consonant, linked };
    using enum GraphemeClass;

    bool extends(GraphemeClass next) const {
        if (class_ == control || next == control) return false;
        switch (next) {
            case extend:
            case extend_only:
            case joiner:
            case linker:
            case spacing: return begun_;
            case hangul_l:
            case hangul_lv:
            case hangul_lvt:
                if (class_ == hangul_l) return true;
                break;
            case hangul_v:
                if (class_ == hangul_l || class_ == hangul_v || class_ == hangul_lv) return true;
                break;
            case hangul_t:
                if (class_ == hangul_v || class_ == hangul_lv || class_ == hangul_t ||
                    class_ == hangul_lvt)
                    return true;
                break;
            case consonant:
                if (conjunct_ == Conjunct::linked) return true;
                break;
            case pictograph:
                if (pictograph_ == Pictograph::joined) return true;
                break;
            default: break;
        }
        return class_ == prepend;
    }

    void note(GraphemeClass next) {
        begun_ = true;
        if (next == other) {
            pictograph_ = Pictograph::none;
            conjunct_ = Conjunct::none;
            return;
        }
        const bool extender = next == extend || next == extend_only || next == linker;
        if (next == pictograph)
            pictograph_ = Pictograph::extended;
        else if (next == joiner && pictograph_ == Pictograph::extended)
            pictograph_ = Pictograph::joined;
        else if (!extender || pictograph_ == Pictograph::joined)
            pictograph_ = Pictograph::none;
        if (next == consonant)
            conjunct_ = Conjunct::consonant;
        else if (next == linker && conjunct_ != Conjunct::none)
            conjunct_ = Conjunct::linked;
        else if (next != extend && next != joiner && next != linker)
            conjunct_ = Conjunct::none;
    }

    char32_t last_ = 0;
    GraphemeClass class_ = other;
    bool begun_ = false;
    Pictograph pictograph_ = Pictograph::none;
    Conjunct conjunct_ = Conjunct::none;
};

}  // namespace ctxmem
