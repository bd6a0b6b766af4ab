// Texts in memory of exactly their size, so that a sanitizer finds a byte that is read beyond one.
#pragma once
#include <memory>
#include <string>
#include <string_view>

struct Exact {
    explicit Exact(const std::string& text)
        : bytes(new char[text.size()]), view(bytes.get(), text.size()) {
        text.copy(bytes.get(), text.size());
    }
    std::unique_ptr<char[]> bytes;
    std::string_view view;
};
