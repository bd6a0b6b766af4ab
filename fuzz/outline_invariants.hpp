// What holds for the outline of every text; see core/outline.hpp. The fuzz
// target and the test of random texts share it, so that both look for the same
// faults.
//
// Linear in the text, times how deep needs go.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/outline.hpp"
#include "core/text/sentences.hpp"

namespace ctxmem {

// The outline of one text behind another, and what it must be.
class OutlineCheck {
public:
  OutlineCheck(std::string_view text, const OutlineOptions &options)
      : text_(text), options_(options) {
    append_outline("One.\n\nTwo.", {},
                   outline_); // so that rows and units are distinguished
    first_ = outline_.start.size();
    append_outline(text, options, outline_);
    n_ = outline_.start.size();
    body_ = first_;
  }

  const Outline &outline() const { return outline_; }

  // The law that is broken; nullptr if none is.
  const char *broken() {
    const char *law = columns();
    if (law == nullptr && !text_.empty())
      law = cover();
    for (std::size_t u = first_; u < n_ && law == nullptr; ++u)
      law = unit(u);
    return law != nullptr ? law : needs();
  }

private:
  SpanKind kind(std::size_t u) const {
    return static_cast<SpanKind>(outline_.kind[u]);
  }
  bool has(std::size_t u, unsigned flags) const {
    return (outline_.flags[u] & flags) != 0;
  }

  const char *columns() const {
    for (const std::size_t size :
         {outline_.end.size(), outline_.kind.size(), outline_.flags.size(),
          outline_.need.size(), outline_.also.size(), outline_.block.size()})
      if (size != n_)
        return "the columns have one length";
    if (outline_.first.size() != 3 ||
        outline_.first[1] != static_cast<std::int64_t>(first_) ||
        outline_.first[2] != static_cast<std::int64_t>(n_))
      return "a text has its rows";
    if (text_.empty() != (first_ == n_))
      return "every text but the empty one has units";
    return nullptr;
  }

  const char *cover() {
    if (options_.named && kind(body_++) != SpanKind::source)
      return "a named text begins with its name";
    if (body_ < n_ && kind(body_) == SpanKind::lent)
      ++body_;
    for (std::size_t u = first_; u < body_; ++u)
      if (outline_.start[u] != 0 || outline_.end[u] != 0)
        return "a name and what is lent are nothing of the text";
    std::int64_t at = 0;
    std::size_t byte = 0;
    for (std::size_t u = body_; u < n_; ++u) {
      if (outline_.start[u] != at || outline_.end[u] <= at)
        return "units follow each other without a gap";
      // A mark behind white space makes one grapheme with it, which is not cut.
      const std::size_t word = skip_space(text_, byte, text_.size());
      const bool marked = word < text_.size() && (text_[word] & '\x80') != 0;
      if (u > body_ && word != byte && !marked)
        return "a unit begins with no white space";
      for (; at < outline_.end[u]; ++at) {
        if (byte >= text_.size())
          return "units end where the text ends";
        do
          ++byte;
        while (byte < text_.size() && (text_[byte] & '\xC0') == '\x80');
      }
    }
    return byte == text_.size() ? nullptr : "units cover the text";
  }

  const char *unit(std::size_t u) const {
    const SpanKind is = kind(u);
    if (is > SpanKind::lent)
      return "a kind is one of SpanKind";
    if (u >= body_ && is >= SpanKind::source)
      return "units of the text are no names of sources";
    for (const std::int32_t other : {outline_.need[u], outline_.also[u]})
      if (other != kNoSpan && (other < static_cast<std::int64_t>(first_) ||
                               other >= static_cast<std::int64_t>(n_) ||
                               other == static_cast<std::int64_t>(u)))
        return "a unit needs another one of its text";
    if (outline_.block[u] < static_cast<std::int64_t>(first_) ||
        outline_.block[u] > static_cast<std::int64_t>(u))
      return "a block begins at or before its rows, in their text";
    const bool closes = is == SpanKind::fence || is == SpanKind::header;
    if (outline_.need[u] > static_cast<std::int64_t>(u) && !closes)
      return "what a unit needs is before it";
    const bool label = is == SpanKind::heading || is == SpanKind::name ||
                       closes || is >= SpanKind::source;
    if (label != has(u, kLabel))
      return "headings, names, headers and fences are labels, no others";
    const bool silent = is == SpanKind::other;
    if (silent != has(u, kFiller | kHidden) && !label && is != SpanKind::record)
      return "what says something is neither hidden nor a filler, what says "
             "nothing is";
    if (has(u, kFiller) && has(u, kHidden))
      return "what is never shown is no filler";
    if (has(u, kHeadless) && is != SpanKind::table_row)
      return "only a row is headless";
    if (has(u, kUnopened | kUnclosed) && is != SpanKind::code)
      return "only code lost a fence";
    if (has(u, kLeadIn) && (label || silent))
      return "what introduces says something";
    if (is == SpanKind::heading && outline_.need[u] != kNoSpan &&
        outline_.kind[static_cast<std::size_t>(outline_.need[u])] !=
            static_cast<std::uint8_t>(SpanKind::heading))
      return "a heading needs a heading, or nothing";
    return nullptr;
  }

  const char *needs() const {
    std::vector<bool> needed(n_, false);
    bool headless = false;
    for (std::size_t u = first_; u < n_; ++u) {
      for (const std::int32_t other : {outline_.need[u], outline_.also[u]})
        if (other != kNoSpan)
          needed[static_cast<std::size_t>(other)] = true;
      headless = headless || has(u, kHeadless);
    }
    const bool lent = body_ > first_ && kind(body_ - 1) == SpanKind::lent;
    if (lent != headless)
      return "a header is lent where a row has none, and only there";
    for (std::size_t u = body_; u < n_; ++u)
      if (needed[u] && has(u, kHidden))
        return "what is needed can be shown";
    // Only what is above headings or entries, which do not need it, or the last
    // thing said may introduce what nothing says.
    bool said = false, sections = false;
    for (std::size_t u = n_; u-- > body_;) {
      if (has(u, kLeadIn) && !needed[u] && said && !sections)
        return "what a lead-in introduces needs it";
      if (has(u, kHidden | kFiller)) {
        sections = sections || has(u, kFiller);
        continue;
      }
      said = true;
      sections = has(u, kLabel);
    }
    return nullptr;
  }

  std::string_view text_;
  OutlineOptions options_;
  Outline outline_;
  std::size_t first_ = 0, n_ = 0, body_ = 0;
};

} // namespace ctxmem
