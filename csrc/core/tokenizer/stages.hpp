// The three stages of a tokenizer as its file describes it: normaliser, pre-tokeniser, model.
//
// A text is rewritten by the normaliser, cut into pieces by the pre-tokeniser, and each piece is
// encoded by the model alone. tokenizer.hpp puts the stages together. All three are safe from any
// number of threads at once; texts are valid UTF-8.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace ctxmem {

// What a file asks for and this core does not do. The caller then counts by another library.
class Unsupported : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

class Normaliser {
public:
    virtual ~Normaliser() = default;

    // The normalised text: `text` itself where nothing changes, else a view of `buffer`, which must
    // not hold `text`.
    virtual std::string_view apply(std::string_view text, std::string& buffer) const = 0;

    // Whether each part of a text that `apply` leaves as it is would be left so as well. It is for
    // the normal forms of Unicode; what strips or adds at the ends of a text says no.
    virtual bool keeps_parts() const { return false; }
};

// Takes pieces in order. A view is valid during the call only.
class PieceSink {
public:
    virtual ~PieceSink() = default;
    virtual void piece(std::string_view piece) = 0;
};

class PreTokeniser {
public:
    virtual ~PreTokeniser() = default;

    // Give the pieces of `text` to `sink`, empty ones never. `first` says that the text begins the
    // input, rather than following an added token.
    virtual void split(std::string_view text, bool first, PieceSink& sink) const = 0;
};

class TokenModel {
public:
    virtual ~TokenModel() = default;

    // The number of tokens of one piece.
    virtual std::int64_t count(std::string_view piece) const = 0;
};

}  // namespace ctxmem
