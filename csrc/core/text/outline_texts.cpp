#include <stdexcept>

#include "core/text/outline.hpp"

namespace ctxmem {

Outline outline_texts(std::span<const std::string_view> texts, const OutlinesOptions& options,
                      StopToken& stop) {
    for (const auto& column : {options.formats, options.named})
        if (!column.empty() && column.size() != texts.size())
            throw std::invalid_argument("outline: expected a format and a flag a text, or none");
    Outline made;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        if (i >= options.cut) {
            append_uncut(texts[i], made);
            continue;
        }
        OutlineOptions of_text;
        of_text.room = options.room;
        if (!options.formats.empty()) of_text.format = static_cast<Format>(options.formats[i]);
        of_text.named = !options.named.empty() && options.named[i] != 0;
        append_outline(texts[i], of_text, made, stop);
    }
    return made;
}

}  // namespace ctxmem
